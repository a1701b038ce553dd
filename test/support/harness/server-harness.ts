/** A server's core without a network: a test plays its clients, its peers and its clock. */

import { DEFAULT_LIMITS, type Limits } from '../../../src/protocol/limits.ts'
import type { Fate, IdentifyResponse, JoinResponse } from '../../../src/protocol/messages.ts'
import type { AuthMode, Credential } from '../../../src/protocol/proofs/credentials.ts'
import { MeshServer } from '../../../src/server/server.ts'
import type { ClientEvent, Effect, Input, ServerOptions } from '../../../src/server/types.ts'

const WALL_CLOCK_OFFSET_MS = 1_700_000_000_000

export class ServerHarness {
  readonly server: MeshServer
  /** Monotonic time, ms. */
  now = 1_000
  /** How far the wall clock is ahead of the monotonic clock, ms. */
  wallOffset = WALL_CLOCK_OFFSET_MS
  /** Payloads of `answer` effects, by call. */
  readonly answers = new Map<number, unknown>()
  /** Reasons of closed connections and links, by number. */
  readonly closed = new Map<number, string>()
  /** All effects so far; tests may empty it. */
  readonly effects: Effect[] = []
  #lastNumber = 0

  constructor(limits: Partial<Limits>, options: Partial<ServerOptions> = {}) {
    this.server = new MeshServer({
      id: 'server-1',
      incarnation: 'first',
      url: 'http://127.0.0.1:1',
      peers: [{ id: 'server-2', url: 'http://127.0.0.1:2' }],
      limits: { ...DEFAULT_LIMITS, ...limits },
      graceMs: 5_000,
      random: () => 0.5,
      narrateMessages: false,
      auth: 'open',
      ...options,
    })
    this.step({ type: 'start' })
  }

  /** Steps the core, and flushes it when it asks for that. Returns the effects of the input itself. */
  step(input: Input): Effect[] {
    const effects = this.server.step(input, this.now, this.wallOffset + this.now)
    for (const effect of effects) {
      if (effect.type === 'answer') this.answers.set(effect.call, effect.payload)
      else if (effect.type === 'close') this.closed.set(effect.connection, effect.reason)
      else if (effect.type === 'hang-up') this.closed.set(effect.link, effect.reason)
    }
    this.effects.push(...effects)
    if (this.server.needsFlush) this.step({ type: 'flush' })
    return effects
  }

  /** Lets time pass, with a tick at each deadline of the core. */
  advance(ms: number): void {
    const until = this.now + ms
    while (this.server.deadline <= until) {
      this.now = Math.max(this.now, this.server.deadline)
      this.step({ type: 'tick' })
    }
    this.now = until
  }

  /** Opens a connection. Returns its number. */
  connect(address?: string): number {
    const connection = ++this.#lastNumber
    this.step({ type: 'connected', connection, ...(address === undefined ? {} : { address }) })
    return connection
  }

  identify(connection: number, user: string, protocol: 1 | 2 = 2, credential?: Credential): IdentifyResponse {
    const call = ++this.#lastNumber
    const optional = credential === undefined ? {} : { credential }
    this.step({ type: 'identify', connection, user, protocol, rooms: protocol === 2, call, ...optional })
    return this.answers.get(call) as IdentifyResponse
  }

  /** Connects and identifies. Returns the number of the connection. */
  join(user: string, protocol: 1 | 2 = 2): number {
    const connection = this.connect()
    this.identify(connection, user, protocol)
    return connection
  }

  joinRoom(connection: number, room: string): JoinResponse {
    const call = ++this.#lastNumber
    this.step({ type: 'join', connection, room, call })
    return this.answers.get(call) as JoinResponse
  }

  /** The payloads of all events of a kind that were sent to a connection. */
  sentTo(connection: number, event: ClientEvent['event']): unknown[] {
    return this.effects.flatMap(one =>
      one.type === 'emit' && one.to.includes(connection) && one.message.event === event ? [one.message.payload] : [],
    )
  }

  /** The codes of all `refused` events sent to a connection. */
  refusalCodes(connection: number): string[] {
    return this.effects.flatMap(one =>
      one.type === 'emit' && one.to.includes(connection) && one.message.event === 'refused'
        ? [one.message.payload.code]
        : [],
    )
  }

  /** Sends a message. Returns its delivery result; undefined: not acknowledged yet. */
  im(connection: number, to: string, text = 'hi'): Fate | undefined {
    const call = ++this.#lastNumber
    const message = { id: `m${call}`, at: this.wallOffset + this.now, to, text }
    this.step({ type: 'im', connection, message, call })
    return this.answers.get(call) as Fate | undefined
  }

  /** Accepts a link that a peer dials. Returns its number. */
  acceptLink(id: string, auth?: AuthMode): number {
    const link = ++this.#lastNumber
    const optional = auth === undefined ? {} : { auth }
    const introduction = { id, incarnation: `${id}#1`, protocol: 2, rooms: true as const, ...optional }
    this.step({ type: 'accepted', link, introduction })
    return link
  }
}
