import { EventEmitter, on } from 'node:events'
import type { ConnectionState, Progress, SessionEvent, SessionRequest } from '../../src/client/events.ts'
import type { NameList } from '../../src/common/sorted-names.ts'
import type { Message } from '../../src/protocol/messages.ts'
import { parseUserName } from '../../src/protocol/names.ts'
import { sanitizeLine } from '../../src/protocol/text.ts'

/**
 * What became of a message, as far as it is known. `delivered`: confirmed by so many of the recipient's connections.
 * `waiting`: for a recipient who is offline, or has another key than before: held here, and sent again by itself while
 * this client lives; `offline`: it lived no longer. `refused`: it will not be sent again.
 */
export type Fate = { id: string } & Exclude<Progress, { state: 'sent' }>

/** What a {@link ChatClient} tells. */
export interface ChatEvents {
  /** Somebody wrote to this user. `at`: ms since 1970. */
  message: [message: Message]
  /** Who came online and who left, anywhere in the mesh, since this was last told. */
  roster: [change: { joined: readonly string[]; left: readonly string[] }]
  /** Where the connection stands. It is made anew by itself, until `close` or a refusal. */
  connection: [state: ConnectionState]
  /** What became of a message that this client sent, also after `send` has told its first fate. */
  progress: [progress: { id: string; to: string } & Progress]
  /** Where users are known by keys: whose key was met, or is another than before; see {@link ChatClient.trust}. */
  key: [key: { user: string; key: string; state: 'own' | 'new' | 'changed' | 'trusted' }]
  /** The client has ended: by `close`, or because it was refused. */
  close: []
}

/** Whether a message has come to rest; one that waits for a server, a key or an answer is on its way. */
function isSettled(progress: Progress): progress is Exclude<Progress, { state: 'sent' }> {
  if (progress.state !== 'waiting') return progress.state !== 'sent'
  return progress.reason === 'recipient-offline' || progress.reason === 'key-changed'
}

type SendRequest = (request: SessionRequest) => void

/** A user's connection to the mesh. It moves to another server by itself when its own dies. */
export class ChatClient extends EventEmitter<ChatEvents> {
  readonly user: string
  #sendRequest: SendRequest = () => {}
  #roster: NameList | undefined
  #connection: ConnectionState = { phase: 'closed' }
  /** Messages that came before anybody could listen. */
  #bufferedMessages: Message[] | undefined = []
  /** Who waits for the first fate of a message, by its id. */
  readonly #pendingSends = new Map<string, (fate: Fate) => void>()
  /** Set while a message is composed, to be told its id. */
  #resolveComposed: ((fate: Fate) => void) | undefined

  /** @internal */
  constructor(user: string, open: (listener: (event: SessionEvent) => void) => SendRequest) {
    super()
    this.user = user
    this.#sendRequest = open(event => this.#handleEvent(event))
  }

  /** @internal Who was to listen does. */
  flushBuffered(): void {
    const messages = this.#bufferedMessages ?? []
    this.#bufferedMessages = undefined
    for (const message of messages) this.emit('message', message)
  }

  /** The names online in the whole mesh, sorted: a copy, as of now. */
  get users(): string[] {
    return [...(this.#roster ?? [])]
  }

  /** Whether a user is online, anywhere in the mesh. */
  isOnline(user: string): boolean {
    return this.#roster?.has(user) ?? false
  }

  /** Where the connection stands. */
  get connection(): ConnectionState {
    return this.#connection
  }

  /**
   * Sends a message. Resolves with its first fate: within a moment where a server is reached, else when one is.
   * @throws RangeError (rejects) for a name that nobody can have, or an empty text
   */
  async send(to: string, text: string): Promise<Fate> {
    const name = parseUserName(to)
    if (!name.ok) throw new RangeError(`to: ${name.reason}`)
    if (text === '') throw new RangeError('text: it is empty')
    const { phase } = this.#connection
    if (phase === 'closed' || phase === 'refused') throw new Error('this client has ended')
    return new Promise(resolve => {
      this.#resolveComposed = resolve
      this.#sendRequest({ type: 'compose', to: name.value, text })
      this.#resolveComposed = undefined
    })
  }

  /** The key that a user has now is theirs: what waits for them goes out. */
  trust(user: string): void {
    this.#sendRequest({ type: 'trust', user })
  }

  /** Leaves the mesh. What is not delivered yet is dropped, unless a history keeps it. */
  close(): void {
    this.#sendRequest({ type: 'close' })
  }

  /** The messages from now on, until the client ends; one that was refused throws. */
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
        this.emit('key', { user, key, state })
      }
    }
  }

  #handleConnection(state: ConnectionState): void {
    this.#connection = state
    this.emit('connection', state)
    if (!this.#hasEnded) return
    const last =
      state.phase === 'refused'
        ? { state: state.phase, code: state.code, message: state.message }
        : { state: 'waiting' as const, reason: 'offline' as const }
    for (const [id, tell] of this.#pendingSends) tell({ id, ...last })
    this.#pendingSends.clear()
    this.emit('close')
  }
}
