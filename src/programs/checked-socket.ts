import { io, type ManagerOptions, NodeWebSocket, type Socket, type SocketOptions } from 'socket.io-client'
import * as z from 'zod'
import { parseWireJson } from '../common/parse-wire-json.ts'

/** Most bytes of one packet: the roster of a million users takes less. ws would accept 100 MiB. */
const MAX_RECEIVED_BYTES = 32 * 1024 * 1024
/** The longest ping interval and ping timeout, ms: a longer timer would overflow, and fire at once. */
const MAX_PING_MS = 60_000

const pingSchema = z
  .number()
  .min(0)
  .transform(ms => Math.min(ms, MAX_PING_MS))
/** The first packet of a server, as JSON. Upgrades are for other transports. */
const openSchema = z
  .object({ sid: z.string().max(200), pingInterval: pingSchema, pingTimeout: pingSchema })
  .transform(open => JSON.stringify({ ...open, upgrades: [], maxPayload: 0 }))
/** The payload of a Socket.IO packet that refuses a connection. */
const connectErrorSchema = z.union([z.string(), z.looseObject({ message: z.string() })])
/** A packet of Socket.IO without attachments: its type, its namespace, and the rest. */
const SOCKET_IO_PACKET = /^([0-4])(?:\/[^,]*,)?(.*)$/s

interface Packet {
  type: string
  data?: unknown
}

/**
 * Socket.IO's WebSocket transport for Node, which ends the connection at a packet that Socket.IO's client cannot handle.
 * The client throws at some of them from an event handler, which would end the program, opens any number of connections
 * that a server lists as upgrades, and keeps any number of events that arrive before it has joined the namespace.
 */
export class CheckedWebSocket extends NodeWebSocket {
  #isOpen = false
  #hasJoined = false

  override createSocket(
    uri: string,
    protocols: string | string[] | undefined,
    options: Record<string, unknown>,
  ): ReturnType<NodeWebSocket['createSocket']> {
    return super.createSocket(uri, protocols, { ...options, maxPayload: MAX_RECEIVED_BYTES })
  }

  protected override onPacket(packet: Packet): void {
    const checked = this.#check(packet)
    if (checked === undefined) this.onError('the server sent an invalid packet', undefined)
    else super.onPacket(checked)
  }

  /** The packet to pass on; undefined if it is invalid. */
  #check({ type, data }: Packet): Parameters<NodeWebSocket['send']>[0][number] | undefined {
    if (type === 'open') {
      if (this.#isOpen) return undefined
      this.#isOpen = true
      const open = openSchema.safeParse(parseWireJson(data))
      return open.success ? { type, data: open.data } : undefined
    }
    if (type === 'message') return this.#isSocketIoPacket(data) ? { type, data } : undefined
    return { type, data }
  }

  #isSocketIoPacket(data: unknown): boolean {
    const [, type, payload] = typeof data === 'string' ? (SOCKET_IO_PACKET.exec(data) ?? []) : []
    if (type === '0') this.#hasJoined = true
    // An event or an acknowledgement.
    if (type === '2' || type === '3') return this.#hasJoined
    if (type === '4') return connectErrorSchema.safeParse(parseWireJson(payload)).success
    return type !== undefined
  }
}

/**
 * Connects once to a server, or to a namespace of it, over WebSocket.
 * @param transport a transport other than `CheckedWebSocket`
 */
export function dialOnce(
  url: string,
  options: Partial<ManagerOptions & SocketOptions> = {},
  transport: typeof CheckedWebSocket = CheckedWebSocket,
): Socket {
  return io(url, { ...options, transports: [transport], upgrade: false, reconnection: false, forceNew: true })
}
