/** A hostile server on a real socket, which sends valid and mutated payloads of a server and of siblings. */
import type { Socket } from 'socket.io'
import { Random } from '../random.ts'
import { HostileServer, MeshKey } from './hostile-server.ts'
import { mutate } from './mutate.ts'

const NAMES = ['Anna', 'Billy', 'Carla', '__proto__', '🦀'.repeat(64)]
const OTHER_KEY = 'T4aynrqvjt-GwlDEh0Owd-zhDnBgT1DA1dXALx8h_k8'
/** The neutral point: whatever is agreed with it is known to everyone. */
const NEUTRAL_POINT = Buffer.from([1, ...Array(31).fill(0)]).toString('base64url')

export class SocketFuzzer {
  readonly #random: Random
  readonly #mesh = new MeshKey()
  readonly server: HostileServer
  /** Connections that were let in. */
  online = 0
  sent = 0
  #isHonest = false

  private constructor(seed: number, server: HostileServer) {
    this.#random = new Random(seed)
    this.server = server
    server.onIdentify = (request, client) => {
      const time = Date.now() + (this.#isHonest || this.#random.chance(0.9) ? 0 : this.#random.pick([1.5e12, -1.5e12]))
      client.socket.onAny((event: string, _: unknown, answer: unknown) => {
        if (event !== 'identify' && typeof answer === 'function') answer(this.#answerTo(event))
      })
      server.accept(client, { auth: 'open', mesh: this.#mesh.prove(request, 'open'), time })
      this.online++
    }
  }

  static async start(seed: number): Promise<SocketFuzzer> {
    return new SocketFuzzer(seed, await HostileServer.start())
  }

  /** Sends one payload on the latest connection. Returns false if there is none. */
  play(): boolean {
    const random = this.#random
    const socket = this.#socket
    if (socket === undefined) return false
    const [event, payload] = this.#event()
    socket.emit(event, random.chance(0.4) ? payload : mutate(payload, random, random.pick([0.02, 0.1, 0.3])))
    this.sent++
    return true
  }

  /** From now on the server sends nothing hostile. Ends the present connection: the client may wait for an answer on it. */
  becomeHonest(): void {
    this.#isHonest = true
    this.#socket?.disconnect()
  }

  /** Delivers a valid message on the latest connection. */
  deliver(id: string): void {
    const message = { id, at: Date.now(), from: 'Billy', to: 'Anna', text: `honest ${id}` }
    this.#socket?.emit('im', { ...message, forwarded: false })
  }

  get #socket(): Socket | undefined {
    const socket = this.server.sockets.at(-1)
    return socket?.connected ? socket : undefined
  }

  #answerTo(event: string): unknown {
    const random = this.#random
    if (this.#isHonest) return event === 'im' ? { ok: true, delivered: 1 } : { version: 1, users: ['Anna', 'Billy'] }
    const refusal = { ok: false, code: random.pick(['rate-limited', 'clock-ahead', 'draining']), message: '\u001b[2J' }
    const answer = random.pick<object>([
      { ok: true, delivered: random.below(3) },
      { ...refusal, retryAfter: random.pick([0, 1, 1e15, Number.MAX_VALUE]) },
      { version: random.below(1e6), users: ['Anna', 'Billy'] },
      { ok: true, key: NEUTRAL_POINT },
    ])
    return random.chance(0.5) ? answer : mutate(answer, random, 0.2)
  }

  #time(): number {
    return this.#random.pick([Date.now(), Date.now() - 1e9, -1, 0, 253_402_300_800_000, 8.64e15 + 1, 1e300])
  }

  #message(): object {
    const random = this.#random
    const text = random.pick([
      'hi',
      '\u001b[2J\nBilly: forged',
      `sealed1.${NEUTRAL_POINT}.${OTHER_KEY}.x`,
      'x'.repeat(5_000),
    ])
    return { id: `${random.below(500)}`, at: this.#time(), from: random.pick(NAMES), to: random.pick(NAMES), text }
  }

  #frame(): object {
    const random = this.#random
    const hash = () => random.pick(['0', '8', 'f']).repeat(16)
    const range = () => ({ from: this.#time(), fromHash: hash(), count: random.below(3), hash: 'x' })
    const messages = () => Array.from({ length: random.below(70) }, () => this.#message())
    return random.pick<object>([
      { type: 'compare', byHash: true, ranges: Array.from({ length: random.below(65) }, range) },
      { type: 'have', ...range(), messages: messages() },
      { type: 'tell', messages: messages() },
      { type: 'read', marks: [[random.pick(NAMES), this.#time()]] },
    ])
  }

  #event(): [string, unknown] {
    const random = this.#random
    const mesh = random.pick([this.#mesh.key, undefined, OTHER_KEY])
    return random.pick<[string, unknown]>([
      ['im', { ...this.#message(), forwarded: true }],
      ['relay', { from: 's:2', body: JSON.stringify({ ...this.#frame(), mesh }) }],
      ['relay', { from: 's:2', body: JSON.stringify(mutate({ ...this.#frame(), mesh }, random, 0.05)) }],
      ['roster', { version: random.below(10), joined: [random.pick(NAMES)], left: [random.pick(NAMES)] }],
      ['roster', { version: 2, packed: 'eJwDAAAAAAE=' }],
      ['connections', [[random.pick(NAMES), random.below(4)]]],
      ['siblings', { connections: random.below(4) }],
      ['move', random.chance(0.05) ? { servers: [{ id: 'x', url: this.server.url }] } : { servers: 'none' }],
      ['identified', { ok: true }],
      ['__proto__', { ok: true }],
    ])
  }
}
