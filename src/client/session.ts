import { HybridClock } from '../common/hybrid-clock.ts'
import type { Message } from '../protocol/messages.ts'
import { Connection } from './connection.ts'
import type { Context } from './context.ts'
import type { SessionRequest } from './events.ts'
import { MessageStore } from './history/message-store.ts'
import { Siblings } from './history/siblings.ts'
import { KnownKeys } from './keys/known-keys.ts'
import { MessageReceiver } from './message-receiver.ts'
import { MessageSender } from './message-sender.ts'
import { RosterCopy } from './roster-copy.ts'
import type { SessionEffect, SessionInput, SessionOptions, StoredState } from './types.ts'

/**
 * A client session as a state machine: one connection at a time to one of the servers, an outbox, the roster, and each
 * message once. `step` takes an input and the time, and returns the effects to perform, in order.
 */
export class Session {
  readonly #context: Context
  readonly #stored: StoredState
  readonly #store: MessageStore
  readonly #roster: RosterCopy
  readonly #keys: KnownKeys
  readonly #sender: MessageSender
  readonly #receiver: MessageReceiver
  readonly #siblings: Siblings
  readonly #connection: Connection

  constructor(options: SessionOptions, stored: StoredState) {
    this.#context = {
      options,
      clock: new HybridClock(),
      onlineConnection: undefined,
      clockOffset: undefined,
      now: 0,
      wall: 0,
      effects: [],
    }
    this.#stored = stored
    this.#store = new MessageStore(this.#context, stored.archive)
    this.#roster = new RosterCopy(this.#context)
    this.#keys = new KnownKeys(this.#context, stored.keys)
    this.#sender = new MessageSender(this.#context, this.#keys, this.#roster, this.#store)
    this.#receiver = new MessageReceiver(this.#context, this.#keys, this.#sender, this.#store)
    this.#siblings = new Siblings(this.#context, this.#store)
    this.#connection = new Connection(this.#context, this.#keys, {
      onOnline: ({ roster, connections = [] }) => {
        this.#receiver.onConnected()
        this.#siblings.onConnected()
        this.#sender.handleJoined(this.#roster.onConnected(roster, connections))
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

  /** Whether the caller must step `flush` at the end of this event-loop turn. */
  get needsFlush(): boolean {
    return this.#context.onlineConnection !== undefined && this.#receiver.deadline <= this.#context.now
  }

  /** All messages of this client, in order. */
  get messages(): Message[] {
    return this.#store.log.between({ from: 0 })
  }

  /** The messages that are not confirmed yet. */
  get pendingMessages(): Message[] {
    return this.#sender.pendingMessages
  }

  /** The names online in the whole mesh, sorted. */
  get roster(): string[] {
    return this.#roster.names
  }

  /** Users with more than one connection. */
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
    // Inputs of an earlier connection arrive late; drop them.
    if ('dial' in input && input.dial !== this.#connection.dial) return
    switch (input.type) {
      case 'start':
        return this.#start()
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
        return this.#sender.handleJoined(this.#roster.applyDelta(input.delta))
      case 'roster-snapshot':
        return this.#sender.handleJoined(this.#roster.applySnapshot(input.snapshot))
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
      default:
        input satisfies never
    }
  }

  #start(): void {
    this.#store.load(this.#stored.history)
    this.#sender.start(this.#stored.outbox)
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
        if (this.#keys.trust(request.user)) this.#sender.sendWaiting(request.user)
        return
      case 'close':
        return this.#connection.close()
      default:
        request satisfies never
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
