import { EventEmitter, on } from 'node:events'
import type { ConnectionState, Progress, SessionEvent, SessionRequest } from '../../src/client/events.ts'
import type { NameList } from '../../src/common/sorted-names.ts'
import type { Message } from '../../src/protocol/messages.ts'
import { parseUserName } from '../../src/protocol/names.ts'
import { sanitizeLine } from '../../src/protocol/text.ts'

/**
 * The delivery result of a message. `delivered`: confirmed by `connections` connections of the recipient. `waiting`:
 * the recipient is offline or their key has changed; the client holds the message and retries until it is closed
 * (reason `offline`: it was closed before). `refused`: rejected, and not retried.
 */
export type Fate = { id: string } & Exclude<Progress, { state: 'sent' }>

/** The events of a {@link ChatClient}. */
export interface ChatEvents {
  /** A message for this user. `at`: ms since 1970. */
  message: [message: Message]
  /** Users that came online or went offline, anywhere in the mesh, since the last event. */
  roster: [change: { joined: readonly string[]; left: readonly string[] }]
  /** The connection changed its state. The client reconnects until it is closed or refused. */
  connection: [state: ConnectionState]
  /** A message that this client sent changed its state, also after `send` has resolved. */
  progress: [progress: { id: string; to: string } & Progress]
  /** In key mode: the key of a user is new, has changed, or is trusted; see {@link ChatClient.trust}. */
  key: [key: { user: string; key: string; state: 'own' | 'new' | 'changed' | 'trusted' }]
  /**
   * With the option `history`: why messages cannot be stored; the client tries again, and sends and confirms nothing before
   * that. `undefined`: they are stored again.
   */
  storage: [problem: string | undefined]
  /** The client has ended: `close` was called, or the server refused the user. */
  close: []
}

/** Whether the state is a delivery result. A message that waits for a server or a confirmation is still in progress. */
function isSettled(progress: Progress): progress is Exclude<Progress, { state: 'sent' }> {
  if (progress.state !== 'waiting') return progress.state !== 'sent'
  return progress.reason === 'recipient-offline' || progress.reason === 'key-changed'
}

type SendRequest = (request: SessionRequest) => void

/** A user's connection to the mesh. If its server fails, it connects to another one. */
export class ChatClient extends EventEmitter<ChatEvents> {
  readonly user: string
  #sendRequest: SendRequest = () => {}
  #roster: NameList | undefined
  #connection: ConnectionState = { phase: 'closed' }
  /** Messages received before the program could add a listener; undefined once they are emitted. */
  #bufferedMessages: Message[] | undefined = []
  /** By message id: resolves the promise of `send`. */
  readonly #pendingSends = new Map<string, (fate: Fate) => void>()
  /** Set while `send` composes a message, until the message has an id. */
  #resolveComposed: ((fate: Fate) => void) | undefined

  /** The key that was trusted last. */
  #trustedKey: string | undefined

  /** @internal */
  constructor(user: string, open: (listener: (event: SessionEvent) => void) => SendRequest) {
    super()
    this.user = user
    this.#sendRequest = open(event => this.#handleEvent(event))
  }

  /** @internal Emits the messages received so far; call it once listeners can be in place. */
  flushBuffered(): void {
    const messages = this.#bufferedMessages ?? []
    this.#bufferedMessages = undefined
    for (const message of messages) this.emit('message', message)
  }

  /** The users online in the whole mesh, sorted. A copy; it does not change later. */
  get users(): string[] {
    return [...(this.#roster ?? [])]
  }

  /** Whether a user is online anywhere in the mesh. */
  isOnline(user: string): boolean {
    return this.#roster?.has(user) ?? false
  }

  /** The current state of the connection. */
  get connection(): ConnectionState {
    return this.#connection
  }

  /**
   * Sends a message. Resolves with its first delivery result. While no server is reachable, the promise stays pending.
   * @throws RangeError (rejects) for an invalid recipient name or an empty text
   * @throws Error (rejects) after the client has ended
   */
  async send(to: string, text: string): Promise<Fate> {
    const name = parseUserName(to)
    if (!name.ok) throw new RangeError(`to: ${name.reason}`)
    if (text === '') throw new RangeError('text: must not be empty')
    const { phase } = this.#connection
    if (phase === 'closed' || phase === 'refused') throw new Error('this client has ended; connect again')
    return new Promise(resolve => {
      this.#resolveComposed = resolve
      this.#sendRequest({ type: 'compose', to: name.value, text })
      this.#resolveComposed = undefined
    })
  }

  /**
   * Accepts the changed key of a user, and sends the messages held for them.
   * @param key the key that was compared with the user's over another channel, as in the event `key`
   * @returns whether the key is accepted; `false` if the user's key has not changed, or has changed to another one
   */
  trust(user: string, key: string): boolean {
    this.#trustedKey = undefined
    this.#sendRequest({ type: 'trust', user, key })
    return this.#trustedKey === key
  }

  /** Leaves the mesh. Undelivered messages are dropped, unless the option `history` is set. */
  close(): void {
    this.#sendRequest({ type: 'close' })
  }

  /** Iterates over the messages from now on, until the client ends. Throws if the server refuses the user. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Message, void> {
    if (this.#hasEnded) return
    for await (const [message] of on(this, 'message', { close: ['close'] })) yield message as Message
    if (this.#connection.phase === 'refused') throw new Error(sanitizeLine(this.#connection.message))
  }

  get #hasEnded(): boolean {
    return this.#connection.phase === 'closed' || this.#connection.phase === 'refused'
  }

  #handleEvent(event: SessionEvent): void {
    switch (event.type) {
      case 'connection':
        return this.#handleConnection(event.state)
      case 'roster': {
        this.#roster = event.users
        const { joined, left } = event
        if (joined.length + left.length > 0) this.emit('roster', { joined, left })
        return
      }
      case 'message':
        if (event.origin !== 'live' || event.message.from === this.user) return
        if (this.#bufferedMessages === undefined) this.emit('message', event.message)
        else this.#bufferedMessages.push(event.message)
        return
      case 'progress': {
        const { id, to, progress } = event
        if (this.#resolveComposed !== undefined) this.#pendingSends.set(id, this.#resolveComposed)
        this.#resolveComposed = undefined
        this.emit('progress', { id, to, ...progress })
        if (!isSettled(progress)) return
        this.#pendingSends.get(id)?.({ id, ...progress })
        this.#pendingSends.delete(id)
        return
      }
      case 'key': {
        const { user, key, state } = event
        if (state === 'trusted') this.#trustedKey = key
        this.emit('key', { user, key, state })
      }
    }
  }

  #handleConnection(state: ConnectionState): void {
    this.#connection = state
    this.emit('connection', state)
    if (!this.#hasEnded) return
    const result =
      state.phase === 'refused'
        ? { state: state.phase, code: state.code, message: state.message }
        : { state: 'waiting' as const, reason: 'offline' as const }
    for (const [id, resolve] of this.#pendingSends) resolve({ id, ...result })
    this.#pendingSends.clear()
    this.emit('close')
  }
}
