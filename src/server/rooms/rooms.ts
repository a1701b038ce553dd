import type { MembershipChange } from '../../presence/replica.ts'
import type { Room } from '../../presence/room-directory.ts'
import { exceeds } from '../../protocol/limits.ts'
import {
  type JoinResponse,
  MAX_LISTED_ROOMS,
  type PartResponse,
  type Refusal,
  type RoomEvent,
  type RoomInfo,
  type RoomList,
} from '../../protocol/messages.ts'
import { parseRoomName, type RoomSettings } from '../../protocol/rooms.ts'
import type { RoomStatus } from '../../protocol/status.ts'
import type { Connection } from '../clients/connection.ts'
import { type Context, log } from '../context.ts'
import { NOT_IDENTIFIED, rateLimited, refusal } from '../refusals.ts'
import type { ClientInput } from '../types.ts'
import { LocalRoom } from './local-room.ts'
import { RoomRates } from './room-rates.ts'
import { SlowMode } from './slow-mode.ts'

/** The list of rooms is made again at most this often, ms: it costs a look at every room. */
const LIST_INTERVAL_MS = 1_000

/** A room's settings, for fast look-ups. */
interface Settings extends RoomSettings {
  readonly operatorNames: ReadonlySet<string>
  /** Who may join; undefined: everyone. */
  readonly memberNames: ReadonlySet<string> | undefined
}

/** Who is in which room: joining and leaving, what the members are told, and who may write. */
export class Rooms {
  readonly #context: Context
  readonly #connections: ReadonlyMap<number, Connection>
  #settings: ReadonlyMap<string, Settings>
  readonly #slowMode = new SlowMode()
  readonly #rates: RoomRates
  /** The rooms that connections of this server are in. */
  readonly #local = new Map<string, LocalRoom>()
  /** Rooms whose members have changed since they were told last. */
  readonly #changed = new Set<string>()
  #publishAt = Number.POSITIVE_INFINITY
  /** Rooms whose clients are told at the end of this turn that they may have missed a message. */
  #missed = new Set<string>()
  #list: { answer: RoomList; madeAt: number } | undefined

  /** @param connections the identified connections */
  constructor(context: Context, connections: ReadonlyMap<number, Connection>) {
    this.#context = context
    this.#connections = connections
    this.#settings = settingsByName(context.options.rooms ?? [])
    this.#rates = new RoomRates(context.options.limits.roomMessagesPerSecond)
  }

  /** When the members of a room are told next; monotonic ms. */
  get deadline(): number {
    return this.#publishAt
  }

  /** Number of rooms with state of this server: those that its connections are in. */
  get localCount(): number {
    return this.#local.size
  }

  /** The rooms with members on this server that are not hidden: at most `count`, those with the most members first. */
  largestLocal(count: number): RoomStatus[] {
    const largest: RoomStatus[] = []
    for (const name of this.#local.keys()) {
      const room = this.#context.rooms.get(name)
      const smallest = largest[count - 1]
      if (room === undefined || this.#settings.get(name)?.hidden === true) continue
      if (smallest !== undefined && room.memberCount <= smallest.members) continue
      largest.push({ room: name, members: room.memberCount, local: room.localMemberCount })
      largest.sort((one, other) => other.members - one.members || (one.room < other.room ? -1 : 1))
      if (largest.length > count) largest.pop()
    }
    return largest
  }

  /** Puts a connection into a room. Idempotent: the answer has the members in any case. */
  join({ connection: id, room: raw, call }: Extract<ClientInput, { type: 'join' }>): void {
    const { effects, now } = this.#context
    const answer = (payload: JoinResponse) => void effects.push({ type: 'answer', connection: id, call, payload })
    const connection = this.#connections.get(id)
    if (connection === undefined) return answer(NOT_IDENTIFIED)
    if (!connection.knowsRooms) return answer(refusal('bad-payload', 'identify with rooms: true first'))
    const name = parseRoomName(raw)
    if (!name.ok) return answer(refusal('bad-room', name.reason))
    const wait = connection.takeToken(now)
    if (wait > 0) return answer(rateLimited(wait))
    const denied = connection.rooms.has(name.value) ? undefined : this.#checkJoin(connection, name.value)
    if (denied !== undefined) return answer(denied)
    this.#add(connection, name.value)
    const members = this.#local.get(name.value)?.members.snapshot() ?? { version: 0, users: [] }
    const { version, users } = members
    answer({ ok: true, room: name.value, info: this.#infoOf(name.value), version, members: users })
  }

  /** Takes a connection out of a room; idempotent. */
  part({ connection: id, room: raw, call }: Extract<ClientInput, { type: 'part' }>): void {
    const { effects, now } = this.#context
    const answer = (payload: PartResponse) => void effects.push({ type: 'answer', connection: id, call, payload })
    const connection = this.#connections.get(id)
    if (connection === undefined) return answer(NOT_IDENTIFIED)
    const name = parseRoomName(raw)
    if (!name.ok) return answer(refusal('bad-room', name.reason))
    const wait = connection.takeToken(now)
    if (wait > 0) return answer(rateLimited(wait))
    this.#remove(connection, name.value)
    answer({ ok: true, room: name.value })
  }

  /** Answers with the rooms that are not hidden, those with the most members first. */
  list(id: number, call: number): void {
    const { effects, now } = this.#context
    const answer = (payload: RoomList) => void effects.push({ type: 'answer', connection: id, call, payload })
    const connection = this.#connections.get(id)
    if (connection === undefined) return answer(NOT_IDENTIFIED)
    const wait = connection.takeToken(now)
    if (wait > 0) return answer(rateLimited(wait))
    if (this.#list === undefined || now - this.#list.madeAt >= LIST_INTERVAL_MS) {
      this.#list = { answer: this.#makeList(), madeAt: now }
    }
    answer(this.#list.answer)
  }

  /** Why a connection may not send a message to a room; undefined: it may, and the message is counted. */
  checkMessage(connection: Connection, room: string): Refusal | undefined {
    const { now } = this.#context
    if (!connection.rooms.has(room)) {
      return refusal('not-in-room', `you are not in ${room}; join it first`)
    }
    if (!this.mayWrite(connection, room)) return refusal('read-only', `only operators may write in ${room}`)
    const settings = this.#settings.get(room)
    const isOperator = settings?.operatorNames.has(connection.user) === true
    const slowMs = isOperator ? 0 : slowMsOf(settings)
    const slowWait = slowMs === 0 ? 0 : this.#slowMode.waitOf(room, connection.user, now)
    if (slowWait > 0) {
      const seconds = Math.ceil(slowWait / 1_000)
      return refusal('slow-mode', `${room} is in slow mode; retry in ${seconds} s`, Math.ceil(slowWait))
    }
    const wait = this.#rates.take(room, now)
    if (wait > 0) return refusal('slow-mode', `too many messages in ${room}; retry in ${wait} ms`, wait)
    if (slowMs > 0) this.#slowMode.start(room, connection.user, slowMs, now)
    return undefined
  }

  /** Whether the room's settings let a connection in it write. */
  mayWrite({ user, rooms }: Connection, room: string): boolean {
    const settings = this.#settings.get(room)
    return rooms.has(room) && (settings?.write !== 'operators' || settings.operatorNames.has(user))
  }

  /** A connection is closed: it is in no room any more. */
  handleDisconnected(connection: Connection): void {
    for (const room of [...connection.rooms]) this.#remove(connection, room)
  }

  /** Users of a peer have joined or left rooms. */
  handleMemberships(peer: string, changes: readonly MembershipChange[]): void {
    const { rooms } = this.#context
    for (const { room: name, name: user, isMember } of changes) {
      const room = isMember ? rooms.open(name) : rooms.get(name)
      if (room === undefined) continue
      if (isMember) room.addOnPeer(peer, user)
      else room.deleteOnPeer(peer, user)
      this.#markChanged(room, user)
      rooms.deleteIfEmpty(room)
    }
  }

  /** At the end of this turn, tells the room's clients on this server that they may have missed a message. */
  notifyMissed(room: string): void {
    if (!this.#local.has(room)) return
    this.#missed.add(room)
    this.#context.needsFlush = true
  }

  flush(): void {
    for (const room of this.#missed) this.#emit(room, { room, missed: true })
    this.#missed.clear()
  }

  tick(): void {
    const { now } = this.#context
    if (this.#publishAt > now) return
    let next = Number.POSITIVE_INFINITY
    for (const name of this.#changed) {
      const local = this.#local.get(name)
      if (local === undefined || local.publishAt <= now) {
        this.#changed.delete(name)
        if (local !== undefined) this.#publish(name, local)
      } else next = Math.min(next, local.publishAt)
    }
    this.#publishAt = next
  }

  /** Replaces the settings of the config. Users who may not be in a room any more are removed from it. */
  configure(rooms: readonly RoomSettings[]): void {
    const before = this.#settings
    this.#settings = settingsByName(rooms)
    for (const name of [...this.#local.keys()]) {
      for (const connection of [...(this.#context.rooms.get(name)?.connections ?? [])]) {
        const denied = this.#checkPermission(connection, name)
        if (denied === undefined) continue
        this.#remove(connection, name)
        const message = { event: 'room' as const, payload: { room: name, refusal: denied } }
        this.#context.effects.push({ type: 'emit', to: [connection.id], message })
      }
      const info = this.#infoOf(name)
      if (JSON.stringify(info) !== JSON.stringify(infoFrom(before.get(name)))) this.#emit(name, { room: name, info })
    }
    this.#list = undefined
  }

  /** Why a connection may not join a room. */
  #checkJoin(connection: Connection, name: string): Refusal | undefined {
    const { options, rooms } = this.#context
    const { roomsPerUser, membersPerRoom } = options.limits
    const denied = this.#checkPermission(connection, name)
    if (denied !== undefined) return denied
    if (exceeds(connection.rooms.size + 1, roomsPerUser)) {
      return refusal(
        'too-many-rooms',
        `you are in ${roomsPerUser} rooms, the most that this mesh allows; leave one first`,
      )
    }
    const room = rooms.get(name)
    if (room !== undefined && !room.has(connection.user) && exceeds(room.memberCount + 1, membersPerRoom)) {
      return refusal('room-full', `${name} is full: it has ${room.memberCount} members`)
    }
    return undefined
  }

  #checkPermission({ user, allowedRooms }: Connection, name: string): Refusal | undefined {
    const settings = this.#settings.get(name)
    const isListed = settings?.memberNames === undefined || settings.memberNames.has(user)
    if (!isListed && !settings.operatorNames.has(user)) {
      return refusal('room-forbidden', `you may not join ${name}: its operator has not listed you as a member`)
    }
    if (allowedRooms !== undefined && !allowedRooms.has(name)) {
      return refusal('room-forbidden', `you may not join ${name}: your token does not list it`)
    }
    return undefined
  }

  #add(connection: Connection, name: string): void {
    if (connection.rooms.has(name)) return
    const { rooms, stream } = this.#context
    const room = rooms.open(name)
    connection.addRoom(name)
    const isFirst = room.add(connection)
    let local = this.#local.get(name)
    if (local === undefined) {
      local = new LocalRoom()
      this.#local.set(name, local)
      for (const user of room.members) local.members.markChanged(user)
      local.members.publish(() => true)
    } else this.#markChanged(room, connection.user)
    if (!isFirst) return
    stream.recordMembership(name, connection.user, true)
    this.#context.needsFlush = true
    log(this.#context, { event: 'room-joined', room: name, user: connection.user, members: room.memberCount })
  }

  #remove(connection: Connection, name: string): void {
    if (!connection.removeRoom(name)) return
    const { rooms, stream } = this.#context
    const room = rooms.get(name)
    if (room === undefined) return
    const isLast = room.delete(connection)
    if (room.connections.size === 0) this.#local.delete(name)
    this.#markChanged(room, connection.user)
    rooms.deleteIfEmpty(room)
    if (!isLast) return
    stream.recordMembership(name, connection.user, false)
    this.#context.needsFlush = true
    log(this.#context, { event: 'room-left', room: name, user: connection.user, members: room.memberCount })
  }

  /** A user has joined the room or left it, here or on a peer. */
  #markChanged(room: Room<Connection>, user: string): void {
    const local = this.#local.get(room.name)
    if (local === undefined) return
    local.members.markChanged(user)
    this.#changed.add(room.name)
    if (local.publishAt === Number.POSITIVE_INFINITY) {
      local.publishAt = local.schedule.nextPublishAt(this.#context.now, room.connections.size)
    }
    this.#publishAt = Math.min(this.#publishAt, local.publishAt)
  }

  #publish(name: string, local: LocalRoom): void {
    local.publishAt = Number.POSITIVE_INFINITY
    const room = this.#context.rooms.get(name)
    if (room === undefined) return
    const delta = local.members.publish(user => room.has(user))
    if (delta === undefined) return
    local.schedule.recordPublish(this.#context.now, room.connections.size)
    this.#emit(name, { room: name, ...delta })
  }

  #emit(name: string, payload: RoomEvent): void {
    const to = Array.from(this.#context.rooms.get(name)?.connections ?? [], ({ id }) => id)
    if (to.length > 0) this.#context.effects.push({ type: 'emit', to, message: { event: 'room', payload } })
  }

  #infoOf(name: string): RoomInfo {
    return infoFrom(this.#settings.get(name))
  }

  #makeList(): RoomList {
    const listed = [...this.#context.rooms].filter(({ name }) => this.#settings.get(name)?.hidden !== true)
    listed.sort((one, other) => other.memberCount - one.memberCount || (one.name < other.name ? -1 : 1))
    const rooms = listed.slice(0, MAX_LISTED_ROOMS).map(({ name, memberCount }) => {
      const topic = this.#settings.get(name)?.topic
      return { room: name, members: memberCount, ...(topic === undefined ? {} : { topic }) }
    })
    return { ok: true, rooms, total: listed.length }
  }
}

function slowMsOf(settings: RoomSettings | undefined): number {
  return (settings?.slowSeconds ?? 0) * 1_000
}

function infoFrom(settings: RoomSettings | undefined): RoomInfo {
  if (settings === undefined) return {}
  const { topic, operators, write, historyDays } = settings
  return {
    ...(topic === undefined ? {} : { topic }),
    ...(operators.length === 0 ? {} : { operators: [...operators] }),
    ...(write === 'all' ? {} : { write }),
    ...(historyDays === undefined ? {} : { historyDays }),
  }
}

function settingsByName(rooms: readonly RoomSettings[]): Map<string, Settings> {
  return new Map(
    rooms.map(room => [
      room.name,
      {
        ...room,
        operatorNames: new Set(room.operators),
        memberNames: room.members === undefined ? undefined : new Set(room.members),
      },
    ]),
  )
}
