import { HybridClock } from '../common/hybrid-clock.ts'
import type { Message } from '../protocol/messages.ts'
import { Connection } from './connection.ts'
import type { Context } from './context.ts'
import type { SessionRequest } from './events.ts'
import { MessageLog } from './history/message-log.ts'
import { Siblings } from './history/siblings.ts'
import { KnownKeys } from './keys/known-keys.ts'
import { MessageReceiver } from './message-receiver.ts'
import { MessageSender } from './message-sender.ts'
import { RosterCopy } from './roster-copy.ts'
import type { SessionEffect, SessionInput, SessionOptions } from './types.ts'

/**
 * A client's side of the mesh as a state machine: one connection at a time to one of the servers, an outbox, the
 * roster, and all messages once. `step` takes what happened and the time, and answers with what is to be done.
 */
export class Session {
  readonly #context: Context
  readonly #roster: RosterCopy
  readonly #keys: KnownKeys
  readonly #receiver: MessageReceiver
  readonly #sender: MessageSender
  readonly #siblings: Siblings
  readonly #connection: Connection

  constructor(options: SessionOptions) {
    this.#context = {
      options,
      clock: new HybridClock(),
      log: new MessageLog(),
      onlineConnection: undefined,
      clockOffset: undefined,
      now: 0,
      wall: 0,
      effects: [],
    }
    this.#roster = new RosterCopy(this.#context, users => this.#sender.handleJoined(users))
    this.#keys = new KnownKeys(this.#context, user => this.#sender.sendWaiting(user))
    this.#receiver = new MessageReceiver(this.#context, this.#keys)
    this.#sender = new MessageSender(this.#context, this.#keys, this.#roster, this.#receiver)
    this.#siblings = new Siblings(this.#context, this.#receiver)
    this.#connection = new Connection(this.#context, this.#keys, {
      onOnline: ({ roster, connections = [] }) => {
        this.#receiver.onConnected()
        this.#siblings.onConnected()
        this.#roster.onConnected(roster, connections)
        this.#sender.send()
      },
      onLost: () => {
        this.#siblings.onDisconnected()
        this.#sender.onDisconnected()
      },
    })
  }

  /** When `tick` is due, monotonic ms. */
  get deadline(): number {
    if (this.#context.onlineConnection === undefined) return this.#connection.deadline
    return Math.min(this.#receiver.deadline, this.#sender.deadline, this.#siblings.deadline)
  }

  /** Whether something waits for the end of this turn. */
  get needsFlush(): boolean {
    return this.#context.onlineConnection !== undefined && this.#receiver.deadline <= this.#context.now
  }

  /** All messages that this client holds, in order. */
  get messages(): Message[] {
    return this.#context.log.between(0)
  }

  /** The messages that wait for their recipients. */
  get pendingMessages(): Message[] {
    return this.#sender.pendingMessages
  }

  /** The names online in the whole mesh, sorted. */
  get roster(): string[] {
    return this.#roster.names
  }

  /** Names with another number of connections than one. */
  get connectionCounts(): ReadonlyMap<string, number> {
    return this.#roster.connectionCounts
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
        return this.#handleRequest(input.request)
      case 'opened':
        return this.#connection.handleOpened()
      case 'closed':
        return this.#connection.failover(input.reason)
      case 'identified':
        return this.#connection.handleIdentified(input.answer)
      case 'identity':
        return this.#connection.identifyWithKey(input.identity, input.challenge)
      case 'no-identity':
        return this.#connection.handleRefused('unauthorized', input.reason)
      case 'move':
        return this.#connection.handleMove(input.servers)
      case 'im':
        return this.#receiver.handleMessage(input.message)
      case 'fate':
        return this.#sender.handleFate(input.id, input.fate)
      case 'key':
        return this.#sender.handleKeyHolder(input.user, input.key)
      case 'roster':
        return this.#roster.applyDelta(input.delta)
      case 'roster-snapshot':
        return this.#roster.applySnapshot(input.snapshot)
      case 'connections':
        return this.#roster.applyConnectionCounts(input.changes)
      case 'siblings':
        return this.#siblings.setConnections(input.connections)
      case 'relay':
        return this.#siblings.handleFrame(input.from, input.frame)
      case 'flush':
        return this.#receiver.sendConfirmation()
      case 'tick':
        return this.#tick()
    }
  }

  #start({ history, archive, outbox, keys }: Extract<SessionInput, { type: 'start' }>): void {
    if (keys !== undefined) this.#keys.load(keys)
    this.#receiver.start(history, archive)
    this.#sender.start(outbox)
    this.#connection.start()
  }

  #handleRequest(request: SessionRequest): void {
    switch (request.type) {
      case 'compose':
        if (!this.#connection.isClosed) this.#sender.compose(request.to, request.text)
        return
      case 'read':
        return this.#siblings.markRead(request.thread, request.at)
      case 'trust':
        return this.#keys.trust(request.user)
      case 'close':
        return this.#connection.close()
    }
  }

  #tick(): void {
    this.#connection.tick()
    if (this.#context.onlineConnection === undefined) return
    if (this.#sender.hasOverdue) return this.#connection.failover('the server does not answer')
    this.#sender.send()
    this.#receiver.sendConfirmation()
    this.#siblings.tick()
  }
}
