import { EventEmitter, on } from 'node:events'
import type { ConnectionState, Progress, RoomState, SessionEvent, SessionRequest } from '../../src/client/events.ts'
import type { NameList } from '../../src/common/sorted-names.ts'
import type { Message, RoomInfo } from '../../src/protocol/messages.ts'
import { parseUserName } from '../../src/protocol/names.ts'
import { isRoom, parseRoomName } from '../../src/protocol/rooms.ts'
import { sanitizeLine } from '../../src/protocol/text.ts'

/**
 * The delivery result of a message. `delivered`: confirmed by `connections` connections of the recipient; in a room, by that
 * number of other members, of the `of` who were there. `waiting`: the recipient is offline, nobody else is in the room, or
 * the recipient's key has changed; the client holds the message and retries until it is closed
 * (reason `offline`: it was closed before). `refused`: rejected, and not retried.
 */
export type Fate = { id: string } & Exclude<Progress, { state: 'sent' }>

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
  message: [message: Message]
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
  readonly #rooms = new Map<string, { members: NameList; isJoined: boolean }>()
  /** The calls of `join` that wait, by room. */
  readonly #pendingJoins = new Map<string, Waiting<string[]>[]>()
  #pendingLists: Waiting<ListedRoom[]>[] = []

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
   * the first other member has it. While no server is reachable, the promise stays pending.
   * @throws RangeError (rejects) for an invalid recipient name or an empty text
   * @throws Error (rejects) after the client has ended
   */
  async send(to: string, text: string): Promise<Fate> {
    const name = isRoom(to) ? parseRoomName(to) : parseUserName(to)
    if (!name.ok) throw new RangeError(`to: ${name.reason}`)
    if (text === '') throw new RangeError('text: must not be empty')
    if (this.#hasEnded) throw new Error(ENDED)
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
      case 'room':
        return this.#handleRoom(event)
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
    else this.#rooms.set(room, { members, isJoined: state.state === 'joined' })
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
    const waiting = [...this.#pendingLists, ...[...this.#pendingJoins.values()].flat()]
    this.#pendingLists = []
    this.#pendingJoins.clear()
    for (const { reject } of waiting) reject(new Error(ENDED))
    this.emit('close')
  }
}

function parseRoom(raw: string): string {
  const name = parseRoomName(raw)
  if (!name.ok) throw new RangeError(`room: ${name.reason}`)
  return name.value
}
