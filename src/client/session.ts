import { HybridClock } from '../common/hybrid-clock.ts'
import type { Message } from '../protocol/messages.ts'
import { Connection } from './connection.ts'
import type { Context } from './context.ts'
import type { SessionRequest } from './events.ts'
import { MessageLog } from './history/message-log.ts'
import { Siblings } from './history/siblings.ts'
import { Keys } from './keys/known-keys.ts'
import { Receiving } from './receiving.ts'
import { RosterCopy } from './roster-copy.ts'
import { Sending } from './sending.ts'
import type { SessionEffect, SessionInput, SessionOptions } from './types.ts'

/**
 * A client's side of the mesh as a state machine: one connection at a time to one of the servers, an outbox, the
 * roster, and all messages once. `step` takes what happened and the time, and answers with what is to be done.
 */
export class Session {
  readonly #context: Context
  readonly #roster: RosterCopy
  readonly #keys: Keys
  readonly #receiving: Receiving
  readonly #sending: Sending
  readonly #siblings: Siblings
  readonly #connection: Connection

  constructor(options: SessionOptions) {
    this.#context = {
      options,
      clock: new HybridClock(),
      log: new MessageLog(),
      online: undefined,
      offset: undefined,
      now: 0,
      wall: 0,
      effects: [],
    }
    this.#roster = new RosterCopy(this.#context, users => this.#sending.joined(users))
    this.#keys = new Keys(this.#context, user => this.#sending.wake(user))
    this.#receiving = new Receiving(this.#context, this.#keys)
    this.#sending = new Sending(this.#context, this.#keys, this.#roster, this.#receiving)
    this.#siblings = new Siblings(this.#context, this.#receiving)
    this.#connection = new Connection(this.#context, this.#keys, {
      online: ({ roster, connections = [] }) => {
        this.#receiving.begin()
        this.#siblings.begin()
        this.#roster.begin(roster, connections)
        this.#sending.send()
      },
      lost: () => {
        this.#siblings.end()
        this.#sending.recall()
      },
    })
  }

  /** When `tick` is due, monotonic ms. */
  get deadline(): number {
    if (this.#context.online === undefined) return this.#connection.deadline
    return Math.min(this.#receiving.deadline, this.#sending.deadline, this.#siblings.deadline)
  }

  /** Whether something waits for the end of this turn. */
  get gathered(): boolean {
    return this.#context.online !== undefined && this.#receiving.deadline <= this.#context.now
  }

  /** All messages that this client holds, in order. */
  get messages(): Message[] {
    return this.#context.log.between(0)
  }

  /** The messages that wait for their recipients. */
  get held(): Message[] {
    return this.#sending.held
  }

  /** The names online in the whole mesh, sorted. */
  get roster(): string[] {
    return this.#roster.names
  }

  /** Names with another number of connections than one. */
  get connections(): ReadonlyMap<string, number> {
    return this.#roster.connections
  }

  /**
   * @param now monotonic time, ms
   * @param wall ms since 1970; may jump
   */
  step(input: SessionInput, now: number, wall: number): SessionEffect[] {
    const context = this.#context
    context.now = now
    context.wall = wall
    context.effects = []
    this.#handle(input)
    return context.effects
  }

  #handle(input: SessionInput): void {
    if ('dial' in input && input.dial !== this.#connection.dial) return
    switch (input.type) {
      case 'start':
        return this.#start(input)
      case 'request':
        return this.#request(input.request)
      case 'opened':
        return this.#connection.opened()
      case 'closed':
        return this.#connection.lost(input.reason)
      case 'identified':
        return this.#connection.identified(input.answer)
      case 'identity':
        return this.#connection.prove(input.identity, input.challenge)
      case 'no-identity':
        return this.#connection.refused('unauthorized', input.reason)
      case 'move':
        return this.#connection.move(input.servers)
      case 'im':
        return this.#receiving.im(input.message)
      case 'fate':
        return this.#sending.fate(input.id, input.fate)
      case 'key':
        return this.#sending.holder(input.user, input.key)
      case 'roster':
        return this.#roster.delta(input.delta)
      case 'roster-snapshot':
        return this.#roster.snapshot(input.snapshot)
      case 'connections':
        return this.#roster.count(input.changes)
      case 'siblings':
        return this.#siblings.changed(input.connections)
      case 'relay':
        return this.#siblings.frame(input.from, input.frame)
      case 'flush':
        return this.#receiving.confirm()
      case 'tick':
        return this.#tick()
    }
  }

  #start({ history, archive, outbox, keys }: Extract<SessionInput, { type: 'start' }>): void {
    if (keys !== undefined) this.#keys.start(keys)
    this.#receiving.start(history, archive)
    this.#sending.start(outbox)
    this.#connection.start()
  }

  #request(request: SessionRequest): void {
    switch (request.type) {
      case 'compose':
        if (!this.#connection.isClosed) this.#sending.compose(request.to, request.text)
        return
      case 'read':
        return this.#siblings.read(request.thread, request.at)
      case 'trust':
        return this.#keys.trust(request.user)
      case 'close':
        return this.#connection.close()
    }
  }

  #tick(): void {
    this.#connection.tick()
    if (this.#context.online === undefined) return
    if (this.#sending.overdue) return this.#connection.lost('the server does not answer')
    this.#sending.send()
    this.#receiving.confirm()
    this.#siblings.tick()
  }
}
