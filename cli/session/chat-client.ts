import { EventEmitter, on } from 'node:events'
import type { ConnectionState, Progress, RoomState, SessionEvent, SessionRequest } from '../../src/client/events.ts'
import { isPermitted } from '../../src/client/messages/message-changes.ts'
import type { NameList } from '../../src/common/sorted-names.ts'
import { type ChangeContent, isReaction, parseContent } from '../../src/protocol/message-kinds.ts'
import type { Message, RoomInfo } from '../../src/protocol/messages.ts'
import { parseRecipient, parseRoomName } from '../../src/protocol/rooms.ts'
import { sanitizeLine } from '../../src/protocol/text.ts'
import { MessageLookup } from './message-lookup.ts'

/**
 * The delivery result of a message. `delivered`: confirmed by `connections` connections of the recipient; in a room, by that
 * number of other members, of the `of` who were there. `waiting`: the recipient is offline, nobody else is in the room, or
 * the recipient's key has changed; the client holds the message and retries until it is closed
 * (reason `offline`: it was closed before). `refused`: rejected, and not retried. `cancelled`: taken back with
 * {@link ChatClient.cancel}.
 */
export type Fate = { id: string } & (Exclude<Progress, { state: 'sent' }> | { state: 'cancelled' })

/** A room of the mesh; see {@link ChatClient.listRooms}. */
export interface ListedRoom {
  room: string
  /** Number of members. */
  members: number
  topic?: string | undefined
}

/**
 * The state of a room and its settings, and the members who joined or left since the last event. `waiting`: in the room, but
 * not connected. `rejected`: not let in for now; the client tries again. `refused`: not let in.
 */
export type RoomChange = { room: string; joined: readonly string[]; left: readonly string[] } & RoomState & RoomInfo

/** Why a room could not be joined. */
export class RoomError extends Error {
  /** Such as `room-forbidden`, `room-full`, `too-many-rooms`, or `unsupported` by an earlier version of the server. */
  readonly code: string

  /** @internal */
  constructor(code: string, message: string) {
    super(sanitizeLine(message))
    this.name = 'RoomError'
    this.code = code
  }
}

/** The events of a {@link ChatClient}. */
export interface ChatEvents {
  /** A message for this user, or for a room that the user is in (`to`). `at`: ms since 1970. */
  message: [message: ReceivedMessage]
  /** An edit or deletion of a message by someone who may do that, or a reaction to one. */
  change: [change: MessageChange]
  /** Users that came online or went offline, anywhere in the mesh, since the last event. */
  roster: [change: { joined: readonly string[]; left: readonly string[] }]
  /** The connection changed its state. The client reconnects until it is closed or refused. */
  connection: [state: ConnectionState]
  /**
   * A message that this client sent changed its state, also after `send` has resolved, or more connections confirmed a
   * message of this user.
   */
  progress: [progress: { id: string; to: string } & Progress]
  /** A room was joined or left, also by another client of this user with `history`, or its members or settings changed. */
  room: [change: RoomChange]
  /**
   * With the option `typing`: another user is writing a message to this user, or to a room (`to`). It comes again every few
   * seconds while they write; take it as over after 5 s, or when their message comes.
   */
  typing: [notice: { from: string; to: string }]
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

/** A message, without the marker of its kind in the text. */
export type ReceivedMessage = Message & {
  /** The id of the message that this one replies to, and who sent that. */
  reply?: string
  author?: string
}

/** An edit or deletion of the message with the id `target` by `author`, or a reaction to it, in the thread of `from` and `to`. */
export type MessageChange = Pick<Message, 'id' | 'at' | 'from' | 'to'> & { target: string; author: string } & (
    | { kind: 'edit'; text: string }
    | { kind: 'delete' }
    /** `removed`: the reaction is taken back. */
    | { kind: 'react'; emoji: string; removed?: true }
  )

/** Names a message whose sender the client does not know: ids are unique per sender. */
export interface TargetOptions {
  author?: string
}

export interface SendOptions extends TargetOptions {
  /** The id of the message that this one replies to. */
  reply?: string
}

export interface ReactOptions extends TargetOptions {
  /** Take the reaction back. */
  remove?: boolean
}

/** Whether the state is a delivery result. A message that waits for a server or a confirmation is still in progress. */
function isSettled(progress: Progress): progress is Exclude<Progress, { state: 'sent' }> {
  if (progress.state !== 'waiting') return progress.state !== 'sent'
  return progress.reason === 'recipient-offline' || progress.reason === 'key-changed'
}

/** Rejections of a request to join after which the server accepts the next one soon. */
const SHORT_REJECTIONS = ['rate-limited', 'draining', 'not-identified']

const ENDED = 'this client has ended; connect again'

interface Waiting<T> {
  resolve: (value: T) => void
  reject: (error: Error) => void
}

type SendRequest = (request: SessionRequest) => void

/** A user's connection to the mesh. If its server fails, it connects to another one. */
export class ChatClient extends EventEmitter<ChatEvents> {
  readonly user: string
  readonly #lookup: MessageLookup
  #sendRequest: SendRequest = () => {}
  #roster: NameList | undefined
  #connection: ConnectionState = { phase: 'closed' }
  /** Messages received before the program could add a listener; undefined once they are emitted. */
  #bufferedMessages: Message[] | undefined = []
  /** By message id: resolves the promise of `send`. */
  readonly #pendingSends = new Map<string, (fate: Fate) => void>()
  /** Set while `send` composes a message, until the message has an id. */
  #resolveComposed: ((fate: Fate) => void) | undefined
  /** The members of the rooms that the user is in: the session's own live lists. */
  readonly #rooms = new Map<string, { members: NameList; isJoined: boolean; operators: readonly string[] }>()
  /** The calls of `join` that wait, by room. */
  readonly #pendingJoins = new Map<string, Waiting<string[]>[]>()
  #pendingLists: Waiting<ListedRoom[]>[] = []
  /** The calls of `cancel` that wait, by message id. */
  readonly #pendingCancels = new Map<string, ((isCancelled: boolean) => void)[]>()

  /** The key that was trusted last. */
  #trustedKey: string | undefined

  /** @internal */
  constructor(
    user: string,
    open: (listener: (event: SessionEvent) => void) => SendRequest,
    lookup = new MessageLookup(user),
  ) {
    super()
    this.user = user
    this.#lookup = lookup
    this.#sendRequest = open(event => this.#handleEvent(event))
  }

  /** @internal Emits the messages received so far; call it once listeners can be in place. */
  flushBuffered(): void {
    const messages = this.#bufferedMessages ?? []
    this.#bufferedMessages = undefined
    for (const message of messages) this.#emitMessage(message)
  }

  #emitMessage(message: Message): void {
    const { id, at, from, to } = message
    const content = parseContent(message.text, from)
    if (content.kind === 'text') {
      const { text, reply } = content
      const received = { ...message, text }
      this.emit('message', reply === undefined ? received : { ...received, reply: reply.id, author: reply.from })
      return
    }
    const { target } = content
    const change = { id, at, from, to, target: target.id, author: target.from }
    if (!isPermitted({ from, content }, name => this.#isOperator(to, name))) return
    if (content.kind === 'edit') this.emit('change', { ...change, kind: content.kind, text: content.text })
    else if (content.kind === 'delete') this.emit('change', { ...change, kind: content.kind })
    else {
      const { kind, emoji, isRemoved } = content
      this.emit('change', { ...change, kind, emoji, ...(isRemoved === true ? { removed: true } : {}) })
    }
  }

  #isOperator(room: string, user: string): boolean {
    return this.#rooms.get(room)?.operators.includes(user) === true
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

  /** The rooms that the user is in, with the members of each, sorted. A copy; it does not change later. */
  get rooms(): Map<string, string[]> {
    return new Map(Array.from(this.#rooms, ([room, { members }]) => [room, this.#toNames(members)]))
  }

  /**
   * Joins a room. Resolves with its members, once the server has let the user in; while no server is reachable, the promise
   * stays pending. The client joins the room again whenever it reconnects, until `part`.
   * @throws RangeError (rejects) for an invalid room name
   * @throws RoomError (rejects) if the server does not let the user in
   */
  async join(room: string): Promise<string[]> {
    const name = parseRoom(room)
    if (this.#hasEnded) throw new Error(ENDED)
    const known = this.#rooms.get(name)
    if (known?.isJoined) return this.#toNames(known.members)
    return new Promise((resolve, reject) => {
      this.#pendingJoins.set(name, [...(this.#pendingJoins.get(name) ?? []), { resolve, reject }])
      this.#sendRequest({ type: 'join', room: name })
    })
  }

  /**
   * Leaves a room.
   * @throws RangeError for an invalid room name
   */
  part(room: string): void {
    this.#sendRequest({ type: 'part', room: parseRoom(room) })
  }

  /** Lists the rooms of the mesh that are not hidden, up to 1,000: those with the most members first. */
  async listRooms(): Promise<ListedRoom[]> {
    if (this.#hasEnded) throw new Error(ENDED)
    return new Promise((resolve, reject) => {
      this.#pendingLists.push({ resolve, reject })
      this.#sendRequest({ type: 'list-rooms' })
    })
  }

  /**
   * Sends a message to a user, or to a room that the user is in. Resolves with its first delivery result: in a room, when
   * the first other member has it. While no server is reachable, the promise stays pending. `reply`: the id of the message
   * that this one replies to.
   * @throws RangeError (rejects) for an invalid recipient name or an empty text
   * @throws Error (rejects) after the client has ended
   */
  async send(to: string, text: string, { reply, author }: SendOptions = {}): Promise<Fate> {
    const thread = recipientOrThrow(to)
    if (text === '') throw new RangeError('text: must not be empty')
    if (reply === undefined) return this.#compose({ type: 'compose', to: thread, text })
    const target = orThrow(this.#lookup.find(thread, reply, author))
    return this.#compose({ type: 'compose', to: thread, text, reply: target })
  }

  /**
   * Replaces the text of an own message, for everyone. The last edit is in effect.
   * @param id of the message, as in the result of `send` or in the event `message`
   * @throws RangeError (rejects) for an invalid name, an empty text, or a message of someone else
   */
  async edit(to: string, id: string, text: string): Promise<Fate> {
    if (text === '') throw new RangeError('text: must not be empty')
    const thread = recipientOrThrow(to)
    return this.#change(thread, this.#lookup.edit(thread, id, text))
  }

  /**
   * Deletes an own message for everyone, for good; as an operator of the room `to`, any message in it.
   * @throws RangeError (rejects) for an invalid name, or a message that this user may not delete
   */
  async delete(to: string, id: string, { author }: TargetOptions = {}): Promise<Fate> {
    const thread = recipientOrThrow(to)
    return this.#change(thread, this.#lookup.delete(thread, id, author, this.#isOperator(thread, this.user)))
  }

  /**
   * Reacts to a message, or takes the reaction back.
   * @param emoji at most 32 UTF-16 units without white space
   * @throws RangeError (rejects) for an invalid name or emoji, or a message that is not known
   */
  async react(to: string, id: string, emoji: string, { author, remove = false }: ReactOptions = {}): Promise<Fate> {
    const thread = recipientOrThrow(to)
    if (!isReaction(emoji)) throw new RangeError('emoji: a few characters without white space')
    return this.#change(thread, this.#lookup.react(thread, id, author, { emoji, isRemoved: remove }))
  }

  #change(to: string, change: ChangeContent | string): Promise<Fate> {
    return this.#compose({ type: 'change', to, change: orThrow(change) })
  }

  /** Sends a message; resolves with its first delivery result. */
  #compose(request: Extract<SessionRequest, { type: 'compose' | 'change' }>): Promise<Fate> {
    if (this.#hasEnded) return Promise.reject(new Error(ENDED))
    return new Promise(resolve => {
      this.#resolveComposed = resolve
      this.#sendRequest(request)
      this.#resolveComposed = undefined
    })
  }

  /**
   * Takes back a message that waits: it is not sent any more, and `send` resolves with the state `cancelled`. If a server may
   * have accepted it, it is deleted for everyone who may have it.
   * @param id of the message, as in the event `progress`
   * @returns whether it is taken back; `false` if it does not wait, or cannot be deleted, such as an edit
   */
  async cancel(id: string): Promise<boolean> {
    if (this.#hasEnded) return false
    return new Promise(resolve => {
      this.#pendingCancels.set(id, [...(this.#pendingCancels.get(id) ?? []), resolve])
      this.#sendRequest({ type: 'cancel', id })
    })
  }

  #resolveCancels(id: string, isCancelled: boolean): void {
    for (const resolve of this.#pendingCancels.get(id) ?? []) resolve(isCancelled)
    this.#pendingCancels.delete(id)
  }

  /**
   * Tells that the user is writing a message to a user or a room; the client sends at most one notice in 3 s for each, and
   * only while the recipient is there. A notice may be lost, and is never stored.
   * @throws RangeError for an invalid recipient name
   */
  typing(to: string): void {
    this.#sendRequest({ type: 'typing', to: recipientOrThrow(to) })
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
  async *[Symbol.asyncIterator](): AsyncGenerator<ReceivedMessage, void> {
    if (this.#hasEnded) return
    for await (const [message] of on(this, 'message', { close: ['close'] })) yield message as ReceivedMessage
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
        this.#lookup.observe(event.message)
        if (event.origin !== 'live' || event.message.from === this.user) return
        if (this.#bufferedMessages === undefined) this.#emitMessage(event.message)
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
      case 'cancelled': {
        const { id } = event.message
        this.#pendingSends.get(id)?.({ id, state: 'cancelled' })
        this.#pendingSends.delete(id)
        return this.#resolveCancels(id, true)
      }
      case 'not-cancelled':
        return this.#resolveCancels(event.id, false)
      case 'room':
        return this.#handleRoom(event)
      case 'typing':
        this.emit('typing', { from: event.from, to: event.to })
        return
      case 'room-list': {
        const lists = this.#pendingLists
        this.#pendingLists = []
        for (const { resolve } of lists) resolve(event.rooms.map(room => ({ ...room })))
        return
      }
      case 'key': {
        const { user, key, state } = event
        if (state === 'trusted') this.#trustedKey = key
        this.emit('key', { user, key, state })
      }
    }
  }

  #handleRoom({ room, state, members, info, joined, left }: Extract<SessionEvent, { type: 'room' }>): void {
    if (state.state === 'parted' || state.state === 'refused') this.#rooms.delete(room)
    else this.#rooms.set(room, { members, isJoined: state.state === 'joined', operators: info.operators ?? [] })
    this.emit('room', { room, joined, left, ...info, ...state })
    if (state.state === 'joined') for (const { resolve } of this.#takeJoins(room)) resolve(this.#toNames(members))
    // A refusal comes right after this, and says why.
    if (state.state === 'parted') queueMicrotask(() => this.#rejectJoins(room, 'parted', `${room} was left`))
    if (state.state !== 'refused' && state.state !== 'rejected') return
    if (SHORT_REJECTIONS.includes(state.code)) return
    const wasAsked = this.#rejectJoins(room, state.code, state.message)
    // Whoever is told that the user is not in the room does not expect to be in it later.
    if (wasAsked && state.state === 'rejected') this.part(room)
  }

  /** Returns whether a `join` waited. */
  #rejectJoins(room: string, code: string, message: string): boolean {
    const joins = this.#takeJoins(room)
    for (const { reject } of joins) reject(new RoomError(code, message))
    return joins.length > 0
  }

  /** The members of a room that this user is in: a server may tell it a moment later. */
  #toNames(members: NameList): string[] {
    return members.has(this.user) ? [...members] : [...members, this.user].sort()
  }

  #takeJoins(room: string): Waiting<string[]>[] {
    const joins = this.#pendingJoins.get(room) ?? []
    this.#pendingJoins.delete(room)
    return joins
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
    for (const id of [...this.#pendingCancels.keys()]) this.#resolveCancels(id, false)
    const waiting = [...this.#pendingLists, ...[...this.#pendingJoins.values()].flat()]
    this.#pendingLists = []
    this.#pendingJoins.clear()
    for (const { reject } of waiting) reject(new Error(ENDED))
    this.emit('close')
  }
}

function recipientOrThrow(to: string): string {
  const name = parseRecipient(to)
  if (!name.ok) throw new RangeError(`to: ${name.reason}`)
  return name.value
}

/** A value, or a `RangeError` with the reason why there is none. */
function orThrow<T extends object>(value: T | string): T {
  if (typeof value === 'string') throw new RangeError(sanitizeLine(value))
  return value
}

function parseRoom(raw: string): string {
  const name = parseRoomName(raw)
  if (!name.ok) throw new RangeError(`room: ${name.reason}`)
  return name.value
}
