/** Opens hostile connections of several kinds to some ports, and sends random and mutated packets over them. */
import { randomBytes } from 'node:crypto'
import { connect as dial } from 'node:net'
import { io } from 'socket.io-client'
import { createProof } from '../../../daemon/links/handshake.ts'
import type { Random } from '../random.ts'
import { clientEvent, mutate, peerFrame, rawPacket } from './mutate.ts'

export interface HostileConnection {
  /** Sends one packet. Returns false once the connection is closed. */
  send(): boolean
  close(): void
}

interface RawEngine {
  write(packet: string | Buffer): unknown
  transport: { ws?: { send(data: string | Buffer): void } }
}

const OPEN_CONNECTIONS = 40
/** A connection is used after this long even if its handshake has not ended, ms. */
const OPEN_TIMEOUT_MS = 2_000
/** Kinds of connections; a kind listed twice is opened twice as often. */
const KINDS = ['unidentified', 'unidentified', 'user', 'user', 'unproven', 'peer', 'peer', 'raw', 'tcp'] as const

export class Fuzzer {
  readonly #random: Random
  readonly #ports: readonly number[]
  readonly #secret: string
  /** Number of packets sent, by kind of connection. */
  readonly sent = new Map<string, number>()
  #connections: { kind: string; hostile: HostileConnection; left: number }[] = []
  readonly #opening = new Set<Promise<void>>()
  #openedCount = 0

  constructor(random: Random, ports: readonly number[], secret: string) {
    this.#random = random
    this.#ports = ports
    this.#secret = secret
  }

  /** Sends this number of packets over a changing set of connections. */
  async burst(packets: number): Promise<void> {
    const random = this.#random
    for (let n = 0; n < packets; ) {
      while (this.#opening.size + this.#connections.length < OPEN_CONNECTIONS) this.#replenish()
      if (this.#connections.length < OPEN_CONNECTIONS / 2) await Promise.race(this.#opening)
      const at = random.below(this.#connections.length)
      const one = this.#connections[at]
      if (one === undefined) continue
      if (--one.left > 0 && one.hostile.send()) {
        this.sent.set(one.kind, (this.sent.get(one.kind) ?? 0) + 1)
        n++
      } else {
        one.hostile.close()
        this.#connections.splice(at, 1)
      }
    }
  }

  #replenish(): void {
    const making = this.#open().then(made => {
      this.#opening.delete(making)
      this.#connections.push(made)
    })
    this.#opening.add(making)
  }

  async close(): Promise<void> {
    await Promise.all(this.#opening)
    for (const { hostile } of this.#connections.splice(0)) hostile.close()
  }

  async #open() {
    const kind = this.#random.pick(KINDS)
    const port = this.#random.pick(this.#ports)
    const hostile = kind === 'tcp' ? openTcp(port, this.#random) : await this.#openSocket(kind, port)
    return { kind, hostile, left: 20 + this.#random.below(500) }
  }

  async #openSocket(kind: (typeof KINDS)[number], port: number): Promise<HostileConnection> {
    const random = this.#random
    const mesh = kind === 'unproven' || kind === 'peer'
    const n = ++this.#openedCount
    const id = random.chance(0.9) ? `fuzz-${n % 8}` : `fuzz-${n}`
    const nonce = randomBytes(16).toString('base64url')
    const compact = random.chance(0.5) ? { compact: true as const } : {}
    const self = { id, incarnation: `${id}.${n}`, protocol: 2, rooms: true as const, ...compact, nonce }
    const auth = mesh ? (kind === 'unproven' ? mutate(self, random, 0.1) : self) : {}
    const socket = io(`http://127.0.0.1:${port}${mesh ? '/mesh' : ''}`, {
      transports: [random.chance(0.9) ? 'websocket' : 'polling'],
      reconnection: false,
      forceNew: true,
      auth: typeof auth === 'object' && auth !== null ? auth : {},
    })
    let open = true
    socket.on('disconnect', () => {
      open = false
    })
    await new Promise<void>(resolve => {
      const ready = () => resolve()
      socket.on('connect_error', () => {
        open = false
        ready()
      })
      setTimeout(ready, OPEN_TIMEOUT_MS)
      if (kind === 'peer') {
        socket.once('challenge', acceptor => {
          socket.emit('prove', createProof(this.#secret, 'dialler', self, acceptor), ready)
        })
      } else socket.once('connect', ready)
    })
    if (kind === 'user')
      socket.emit('identify', {
        user: `Mallory ${n % 4}`,
        client: 'fuzz/1',
        protocol: 2,
        rooms: true,
        views: n % 2 === 0,
      })
    const engine = socket.io.engine as unknown as RawEngine
    const send = () => {
      if (!open || !socket.connected) return false
      const frame = kind === 'peer' || (mesh && random.chance(0.5))
      const [event, ...payload] = frame ? peerFrame(random, self.incarnation) : clientEvent(random)
      if (kind === 'raw' || random.chance(0.05)) sendRaw(engine, random)
      else {
        const args = random.chance(0.3) ? payload : payload.map(one => mutate(one, random, random.pick([0.02, 0.2])))
        if (random.chance(0.05)) args.push(...args)
        if (random.chance(0.4)) args.push(() => {})
        socket.emit(event === '' ? 'x' : event, ...args)
      }
      return true
    }
    return { send, close: () => socket.disconnect() }
  }
}

/** Sends one packet that bypasses the Socket.IO encoder or the Engine.IO encoder, as text or binary. */
function sendRaw(engine: RawEngine, random: Random): void {
  const { ws } = engine.transport
  const packet = rawPacket(random)
  if (random.chance(0.7) || ws === undefined) engine.write(random.chance(0.9) ? packet : Buffer.from(packet))
  else if (random.chance(0.8)) ws.send(random.pick(['4', '2', '3', '5', '6', '1', '9', '', 'b']) + packet)
  else ws.send(Buffer.from(packet))
}

/** Sends garbage to the port itself: no HTTP, partial HTTP, polls of unknown sessions, random WebSocket frames. */
function openTcp(port: number, random: Random): HostileConnection {
  const socket = dial(port, '127.0.0.1')
  let open = true
  socket.on('error', () => {})
  socket.on('close', () => {
    open = false
  })
  const upgrade = `GET /socket.io/?EIO=${random.pick([3, 4])}&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`
  const poll = (body: string) =>
    `POST /socket.io/?EIO=4&transport=polling&sid=${random.pick(['__proto__', 'x', ''])} HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  const upgraded = random.chance(0.6)
  if (upgraded) socket.write(upgrade)
  return {
    send: () => {
      if (!open) return false
      if (upgraded) socket.write(Buffer.from(Array.from({ length: random.below(40) }, () => random.below(256))))
      else
        socket.write(random.pick([upgrade.slice(0, random.below(upgrade.length)), poll(rawPacket(random)), '\r\n\r\n']))
      return true
    },
    close: () => socket.destroy(),
  }
}
