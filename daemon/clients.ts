import type { Server, Socket } from 'socket.io'
import { readComposed } from '../src/protocol/guards.ts'
import {
  gotSchema,
  identifySchema,
  originalImSchema,
  type Refusal,
  relayRequestSchema,
} from '../src/protocol/messages.ts'
import type { Effect, Input } from '../src/server/types.ts'
import { EventPackets } from './event-packets.ts'
import { fatePacket, imPacket } from './im-text.ts'
import type { Log } from './log.ts'
import { Malformed } from './malformed.ts'
import { Packet, TurnFrames } from './turn-frames.ts'
import { Wire } from './wire.ts'

/**
 * A connection. A call that came by `EventPackets` has the client's own number; one that came the ordinary way a
 * negative one, by which the answering function is kept.
 */
interface Client {
  socket: Socket
  frames: TurnFrames
  calls: Map<number, (payload: unknown) => void>
}

/** The gate of the clients: the default namespace. Checks every payload, then hands it to the core. */
export class ClientGate {
  readonly #step: (input: Input) => void
  readonly #malformed: Malformed
  readonly #gathered: () => void
  #clients = new Map<number, Client>()
  /** Connections that something of this turn waits for. */
  #waiting: TurnFrames[] = []
  #numbers = 0

  /** @param gathered called when something waits for the end of this turn: `flush` is to be called then. */
  constructor(io: Server, log: Log, step: (input: Input) => void, gathered: () => void) {
    this.#step = step
    this.#malformed = new Malformed(log)
    this.#gathered = gathered
    io.on('connection', socket => this.#connected(socket))
  }

  /** Sends what this turn has for each connection. */
  flush(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const frames of waiting) frames.flush()
  }

  perform(effect: Effect): void {
    if (effect.type === 'answer') {
      const client = this.#clients.get(effect.connection)
      if (client !== undefined) answer(client, effect.call, effect.payload)
    } else if (effect.type === 'close') {
      const socket = this.#clients.get(effect.connection)?.socket
      socket?.disconnect()
      if (socket !== undefined) Wire.of(socket.conn)?.close()
    } else if (effect.type === 'emit') {
      const { message } = effect
      const packet = new Packet(message.event === 'im' ? imPacket(message.payload) : eventPacket(message))
      for (const id of effect.to) this.#clients.get(id)?.frames.add(packet)
    }
  }

  #connected(socket: Socket): void {
    const connection = ++this.#numbers
    const frames = new TurnFrames(socket.conn, waiting => {
      this.#waiting.push(waiting)
      this.#gathered()
    })
    const client: Client = { socket, frames, calls: new Map() }
    this.#clients.set(connection, client)
    this.#step({ type: 'connected', connection })
    const dropped = this.#malformed.counter(`connection ${connection}`)
    const takers = new Map<string, (payload: unknown, call: number | undefined) => void>()
    const on = (event: string, take: (payload: unknown, call: number | undefined) => boolean) => {
      const checked = (payload: unknown, call: number | undefined) => {
        if (take(payload, call)) return
        dropped(event)
        const refusal: Refusal = {
          ok: false,
          code: 'bad-payload',
          message: `the payload of ${event} is not what it must be`,
        }
        if (call !== undefined) answer(client, call, refusal)
        else frames.add(new Packet(eventPacket({ event: 'refused', payload: { ...refusal, event } })))
      }
      takers.set(event, checked)
      socket.on(event, (...args: unknown[]) => {
        const answering = args.at(-1)
        const payload = typeof args[0] === 'function' ? undefined : args[0]
        if (typeof answering !== 'function') return checked(payload, undefined)
        const call = -++this.#numbers
        client.calls.set(call, payload => answering(payload))
        checked(payload, call)
      })
    }
    const packets = EventPackets.of(socket.conn)
    if (packets !== undefined) {
      packets.take = (event, payload, call) => {
        const take = this.#clients.has(connection) ? takers.get(event) : undefined
        take?.(payload, call)
        return take !== undefined
      }
    }
    const withCall = (call: number | undefined) => (call === undefined ? {} : { call })
    on('identify', (payload, call) => {
      const hello = identifySchema.safeParse(payload)
      if (!hello.success && typeof payload !== 'string') return false
      const [user, protocol] = hello.success ? [hello.data.user, 2 as const] : [payload, 1 as const]
      const connections = hello.success && hello.data.connections === true
      this.#step({ type: 'identify', connection, user, protocol, connections, ...withCall(call) })
      return true
    })
    on('im', (payload, call) => {
      const message = readComposed(payload) ?? originalImSchema.safeParse(payload).data
      if (message !== undefined) {
        this.#step(call === undefined ? { type: 'im', connection, message } : { type: 'im', connection, message, call })
      }
      return message !== undefined
    })
    on('got', payload => {
      const count = gotSchema.safeParse(payload)
      if (count.success) this.#step({ type: 'got', connection, count: count.data })
      return count.success
    })
    on('roster', (_, call) => {
      if (call !== undefined) this.#step({ type: 'roster', connection, call })
      return call !== undefined
    })
    on('relay', payload => {
      const request = relayRequestSchema.safeParse(payload)
      if (request.success) this.#step({ type: 'relay', connection, to: request.data.to, body: request.data.body })
      return request.success
    })
    socket.on('disconnect', () => {
      if (packets !== undefined) packets.take = undefined
      frames.close()
      this.#clients.delete(connection)
      this.#step({ type: 'disconnected', connection })
    })
  }
}

type Answer = Extract<Effect, { type: 'answer' }>['payload']

function answer({ frames, calls }: Client, call: number, payload: Answer): void {
  if (call < 0) {
    calls.get(call)?.(payload)
    calls.delete(call)
  } else if ('delivered' in payload) frames.add(new Packet(fatePacket(call, payload)))
  else frames.add(new Packet(`3${call}${JSON.stringify([payload])}`))
}

/** An event for Socket.IO's default namespace. */
function eventPacket({ event, payload }: { event: string; payload: unknown }): string {
  return `2${JSON.stringify([event, payload])}`
}
