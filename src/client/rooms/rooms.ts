import { LOGICAL_STEP_MS, MAX_CLOCK_AHEAD_MS } from '../../common/hybrid-clock.ts'
import { SortedNames } from '../../common/sorted-names.ts'
import type { JoinResponse, RoomEvent, RoomInfo } from '../../protocol/messages.ts'
import { parseRoomName } from '../../protocol/rooms.ts'
import { type Context, emit, isPlausibleTime, serverTime } from '../context.ts'
import type { RoomState } from '../events.ts'
import { MAX_REMEMBERED_ROOMS, type RoomEntry, RoomList } from './room-list.ts'

/** Time before a request to join that was rejected for now is sent again, ms. */
const RETRY_MS = 60_000
/** Most members of a room that are kept: a server could send any number. */
const MAX_MEMBERS = 100_000

/** A room that the user is in. */
export interface JoinedRoom {
  readonly name: string
  /** `joined`: the server has put this connection into the room. */
  phase: 'waiting' | 'joining' | 'joined'
  readonly members: SortedNames
  version: number
  info: RoomInfo
  /** When to send the request to join again; monotonic ms. */
  retryAt: number
}

interface RoomHooks {
  /** The server has put this connection into a room. */
  onJoined(room: JoinedRoom): void
  /** Others have joined a room. */
  onMembersJoined(room: JoinedRoom): void
  /** A message to a room may have been missed. */
  onMissed(room: JoinedRoom): void
  onParted(room: string): void
  /** The user has joined or left a room: other clients of the user must know. */
  onListChanged(entries: readonly RoomEntry[]): void
}

/** The rooms of this user: joins and leaves them on the server, and knows their members. */
export class Rooms {
  readonly #context: Context
  readonly #hooks: RoomHooks
  readonly list: RoomList
  readonly #rooms = new Map<string, JoinedRoom>()
  /** Rooms that the user has left, and the server has not confirmed yet: messages to them may be on their way. */
  readonly #parting = new Set<string>()
  /** Whether the server of the current connection knows rooms. */
  #isSupported = false

  constructor(context: Context, entries: readonly RoomEntry[], hooks: RoomHooks) {
    this.#context = context
    this.#hooks = hooks
    this.list = new RoomList(entries)
    for (const room of this.list.joined) this.#open(room)
  }

  /** When `tick` is due, monotonic ms. */
  get deadline(): number {
    let deadline = Number.POSITIVE_INFINITY
    for (const { retryAt } of this.#rooms.values()) deadline = Math.min(deadline, retryAt)
    return deadline
  }

  get(room: string): JoinedRoom | undefined {
    return this.#rooms.get(room)
  }

  get all(): Iterable<JoinedRoom> {
    return this.#rooms.values()
  }

  /** Whether the server may send messages of a room: what it counts as confirmed must be kept. */
  receives(room: string): boolean {
    return this.list.has(room) || this.#parting.has(room)
  }

  /** Whether messages may be sent to a room now. */
  isJoined(room: string): boolean {
    return this.#rooms.get(room)?.phase === 'joined'
  }

  /** Whether another member of a room is online. */
  hasOthers(room: string): boolean {
    return (this.#rooms.get(room)?.members.size ?? 0) > 1
  }

  /** Tells the user interface the rooms of earlier runs. */
  start(): void {
    for (const room of this.#rooms.values()) this.#emit(room, { state: 'waiting' })
  }

  /** @param isSupported whether the server knows rooms */
  onConnected(isSupported: boolean): void {
    this.#isSupported = isSupported
    const now = serverTime(this.#context)
    if (this.list.redate(now + MAX_CLOCK_AHEAD_MS, () => this.#context.clock.tick(now))) this.#store()
    for (const room of this.#rooms.values()) this.#requestJoin(room)
  }

  onDisconnected(): void {
    this.#parting.clear()
    for (const room of this.#rooms.values()) {
      room.retryAt = Number.POSITIVE_INFINITY
      if (room.phase === 'waiting') continue
      room.phase = 'waiting'
      this.#emit(room, { state: 'waiting' })
    }
  }

  /** The person joins a room. */
  join(raw: string): void {
    const name = parseRoomName(raw)
    if (!name.ok) return this.#emitRefused(raw, 'bad-room', name.reason)
    if (this.#rooms.has(name.value)) return
    if (this.#rooms.size >= MAX_REMEMBERED_ROOMS) {
      return this.#emitRefused(
        name.value,
        'too-many-rooms',
        `you are in ${MAX_REMEMBERED_ROOMS} rooms; leave one first`,
      )
    }
    this.#change(name.value, true)
  }

  /** The person leaves a room. */
  part(raw: string): void {
    const name = parseRoomName(raw)
    if (name.ok && this.list.has(name.value)) this.#change(name.value, false)
  }

  /** Another client of this user has joined or left rooms. */
  merge(entries: readonly RoomEntry[]): void {
    const changed = entries.filter(entry => isPlausibleTime(this.#context, entry[2]) && this.list.update(entry))
    if (changed.length === 0) return
    this.#store()
    for (const [room] of changed) this.#apply(room)
  }

  handleJoinAnswer(name: string, answer: JoinResponse): void {
    const { now } = this.#context
    const room = this.#rooms.get(name)
    // The answer to an earlier request is replaced by that to a later one.
    if (room === undefined || room.phase === 'waiting') return
    if (!answer.ok) {
      room.phase = 'waiting'
      if (answer.code === 'room-forbidden' || answer.code === 'bad-room') {
        this.#change(name, false, true)
        return this.#emitRefused(name, answer.code, answer.message)
      }
      room.retryAt = now + (answer.retryAfter ?? RETRY_MS)
      return this.#emit(room, { state: 'rejected', code: answer.code, message: answer.message })
    }
    room.phase = 'joined'
    room.info = answer.info
    this.#reset(room, answer.version, answer.members)
    this.#hooks.onJoined(room)
  }

  /** The server has taken this connection out of a room. */
  handlePartAnswer(room: string): void {
    this.#parting.delete(room)
  }

  handleEvent(event: RoomEvent): void {
    const room = this.#rooms.get(event.room)
    if (room?.phase !== 'joined') return
    if ('refusal' in event) {
      this.#change(room.name, false, true)
      return this.#emitRefused(room.name, event.refusal.code, event.refusal.message)
    }
    if ('missed' in event) return this.#hooks.onMissed(room)
    if ('info' in event) {
      room.info = event.info
      return this.#emit(room, { state: 'joined' })
    }
    if (event.version <= room.version) return
    // A version is missing: the answer to another request to join has all members.
    if (event.version > room.version + 1) return this.#requestJoin(room)
    room.version = event.version
    const joined = event.joined.filter(name => room.members.size < MAX_MEMBERS && room.members.add(name))
    const left = event.left.filter(name => room.members.delete(name))
    this.#emit(room, { state: 'joined' }, joined, left)
    if (joined.length > 0) this.#hooks.onMembersJoined(room)
  }

  /** The server says that this connection is not in a room. */
  handleNotInRoom(name: string): void {
    const room = this.#rooms.get(name)
    if (room?.phase === 'joined') this.#requestJoin(room)
  }

  tick(): void {
    for (const room of this.#rooms.values()) if (room.retryAt <= this.#context.now) this.#requestJoin(room)
  }

  /** Records that the user has joined or left a room, here. */
  #change(name: string, isJoined: boolean, isRefused = false): void {
    const { clock } = this.#context
    // After the last change of the room, even if a wrong clock has put that into the future.
    const at = Math.max(clock.tick(serverTime(this.#context)), this.list.changedAt(name) + LOGICAL_STEP_MS)
    const entry: RoomEntry = [name, isJoined, at]
    if (!this.list.update(entry)) return
    this.#store()
    this.#apply(name, isRefused)
    this.#hooks.onListChanged([entry])
  }

  #store(): void {
    this.#context.effects.push({ type: 'store-rooms', rooms: this.list.entries })
  }

  /**
   * Makes the server do what the list says.
   * @param isRefused whether the server has taken the user out, which another event tells
   */
  #apply(name: string, isRefused = false): void {
    const { effects, onlineConnection } = this.#context
    const known = this.#rooms.get(name)
    if (this.list.has(name)) {
      if (known !== undefined) return
      const room = this.#open(name)
      this.#emit(room, { state: 'waiting' })
      this.#requestJoin(room)
    } else if (known !== undefined) {
      this.#rooms.delete(name)
      if (onlineConnection !== undefined && this.#isSupported) {
        effects.push({ type: 'part', dial: onlineConnection, room: name })
        this.#parting.add(name)
      }
      this.#hooks.onParted(name)
      if (!isRefused) this.#emit(known, { state: 'parted' })
    }
  }

  #open(name: string): JoinedRoom {
    const room: JoinedRoom = {
      name,
      phase: 'waiting',
      members: new SortedNames(),
      version: 0,
      info: {},
      retryAt: Number.POSITIVE_INFINITY,
    }
    this.#rooms.set(name, room)
    return room
  }

  #requestJoin(room: JoinedRoom): void {
    const { onlineConnection, effects } = this.#context
    room.retryAt = Number.POSITIVE_INFINITY
    if (onlineConnection === undefined) return
    if (!this.#isSupported) {
      const message = 'this server does not know rooms; it must be updated'
      return this.#emit(room, { state: 'rejected', code: 'unsupported', message })
    }
    room.phase = 'joining'
    effects.push({ type: 'join', dial: onlineConnection, room: room.name })
  }

  #reset(room: JoinedRoom, version: number, all: readonly string[]): void {
    // The version that adds this user may come later.
    const members = [...new Set([this.#context.options.user, ...all])].slice(0, MAX_MEMBERS).sort()
    const joined = members.filter(name => !room.members.has(name))
    const current = new Set(members)
    const left = room.members.toArray().filter(name => !current.has(name))
    room.version = version
    room.members.reset(members)
    this.#emit(room, { state: 'joined' }, joined, left)
  }

  #emit(room: JoinedRoom, state: RoomState, joined: readonly string[] = [], left: readonly string[] = []): void {
    const { name, members, info } = room
    emit(this.#context, { type: 'room', room: name, state, members, info, joined, left })
  }

  #emitRefused(room: string, code: string, message: string): void {
    const state = { state: 'refused' as const, code, message }
    emit(this.#context, { type: 'room', room, state, members: new SortedNames(), info: {}, joined: [], left: [] })
  }
}
