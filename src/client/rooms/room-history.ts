import type { Message } from '../../protocol/messages.ts'
import { type Context, emit, serverTime } from '../context.ts'
import type { MessageLog } from '../history/message-log.ts'
import { type MessageStore, toMessage } from '../history/message-store.ts'
import { type Range, rangeOf } from '../history/positions.ts'
import { type ComparedLog, compareFrame, handleSiblingFrame, type SiblingFrame } from '../history/reconciliation.ts'
import { costOf, FRAME_COST, OF_MEMBERS, RANGE_COST, SiblingBudgets } from '../history/sibling-budgets.ts'
import type { KnownKeys } from '../keys/known-keys.ts'
import type { MeshTrust } from '../mesh-trust.ts'
import type { OnlineInput } from '../types.ts'
import type { RoomProofs } from './room-proofs.ts'
import type { JoinedRoom, Rooms } from './rooms.ts'

/** A client that joins or comes back compares its history after a random delay of half of this to all of it, ms. */
const JOIN_SPREAD_MS = 1_000
/** Delay of the comparison that continues an exchange, or checks its result, ms; it doubles while nothing is learned. */
const RECOMPARE_DELAY_MS = 2_000
/** Time between comparisons of a client in a small room, ms … */
const MIN_INTERVAL_MS = 60_000
/** … and for each member: all clients of a room together compare this often, whatever its size. */
const INTERVAL_PER_MEMBER_MS = 10_000
/** When others join, each client compares within this time for each member, ms: all together at most ten times a second. */
const JOINED_SPREAD_PER_MEMBER_MS = 100
/** A client that joins compares within this time for each member, ms: it lacks more than those that were there. */
const COMEBACK_SPREAD_PER_MEMBER_MS = 10
/** A message may have been missed by all clients of a server: they compare within this time for each member, ms. */
const MISSED_SPREAD_PER_MEMBER_MS = 20

/** The latest messages of a room that members share with each other. */
const MAX_SHARED_MESSAGES = 10_000

const DAY_MS = 24 * 3_600_000

type RoomRelayInput = Extract<OnlineInput, { type: 'room-relay' }>

interface Schedule {
  compareAt: number
  /** Comparisons since there was reason for one, or one has brought a message. */
  fruitless: number
}

/**
 * Catch-up between the members of a room: a client compares its history of the room with that of another member, chosen by
 * the servers, as the clients of one user do with each other.
 */
export class RoomHistory {
  readonly #context: Context
  readonly #rooms: Rooms
  readonly #store: MessageStore
  readonly #proofs: RoomProofs
  readonly #trust: MeshTrust
  readonly #keys: KnownKeys
  readonly #budgets = new SiblingBudgets(OF_MEMBERS)
  readonly #schedules = new Map<string, Schedule>()

  constructor(
    context: Context,
    rooms: Rooms,
    store: MessageStore,
    proofs: RoomProofs,
    trust: MeshTrust,
    keys: KnownKeys,
  ) {
    this.#context = context
    this.#rooms = rooms
    this.#store = store
    this.#proofs = proofs
    this.#trust = trust
    this.#keys = keys
  }

  /** When `tick` is due, monotonic ms. */
  get deadline(): number {
    let deadline = Number.POSITIVE_INFINITY
    for (const { compareAt } of this.#schedules.values()) deadline = Math.min(deadline, compareAt)
    return deadline
  }

  onJoined({ name, members }: JoinedRoom): void {
    this.#schedules.set(name, { compareAt: Number.POSITIVE_INFINITY, fruitless: 0 })
    // All clients of a server that ends join elsewhere at once.
    this.#restart(name, members.size * COMEBACK_SPREAD_PER_MEMBER_MS)
  }

  /** Others have joined: two parts of the room may have met, after a partition. */
  onMembersJoined({ name, members }: JoinedRoom): void {
    this.#restart(name, members.size * JOINED_SPREAD_PER_MEMBER_MS)
  }

  onMissed({ name, members }: JoinedRoom): void {
    this.#restart(name, members.size * MISSED_SPREAD_PER_MEMBER_MS)
  }

  onParted(name: string): void {
    this.#schedules.delete(name)
  }

  onDisconnected(): void {
    this.#schedules.clear()
  }

  tick(): void {
    const { now } = this.#context
    for (const [name, schedule] of this.#schedules) {
      if (schedule.compareAt > now) continue
      const room = this.#rooms.get(name)
      schedule.compareAt = Number.POSITIVE_INFINITY
      if (room === undefined) continue
      // The member that is compared with may lack the same: a few more soon, then slowly.
      schedule.fruitless++
      this.#schedule(name, Math.min(intervalOf(room), JOIN_SPREAD_MS * 4 ** Math.min(schedule.fruitless, 10)))
      this.#relay(name, undefined, compareFrame(this.#store.logOf(name), this.#oldest(room)))
    }
  }

  /** Handles the frame of a member: the sender is in the room, but what it says may be wrong. */
  handleFrame({ room: name, user, from, frame, mesh }: Omit<RoomRelayInput, 'type' | 'dial'>): void {
    const { now, options } = this.#context
    const room = this.#rooms.get(name)
    if (room === undefined || !this.#trust.isMeshOfSibling(mesh)) return
    // Newcomers get nothing, and nobody can tell them from others: only the user's own clients do.
    if (room.info.historyDays === 0 && user !== options.user) return
    if (!this.#budgets.allows(from, now)) return this.#scheduleRecompare(name)
    this.#budgets.spend(from, FRAME_COST)
    let learned = false
    const answers = handleSiblingFrame(this.#sharedLog(room, from), frame, messages => {
      this.#budgets.spend(from, costOf(messages))
      for (const message of messages) learned = this.#receive(room, message) || learned
    })
    for (const answer of answers) this.#relay(name, from, answer)
    const schedule = this.#schedules.get(name)
    if (learned && schedule !== undefined) schedule.fruitless = 0
    if (learned || answers.length > 0) this.#scheduleRecompare(name)
  }

  #receive({ name }: JoinedRoom, message: Message): boolean {
    if (message.to !== name || !this.#store.accepts(message)) return false
    if (this.#store.logOf(name).has(message)) return false
    const check = this.#proofs.checkPassedOn(message)
    if (check === 'proven') return this.#store.add(message, 'history')
    if (check === 'forged') emit(this.#context, { type: 'forged', from: message.from })
    // A server knows whose key it is; a later comparison brings the message again.
    else this.#requestKey(message.from)
    return false
  }

  #requestKey(user: string): void {
    const { onlineConnection, effects } = this.#context
    if (onlineConnection !== undefined && this.#keys.startRequest(user))
      effects.push({ type: 'ask-key', dial: onlineConnection, user })
  }

  /** The room's messages as another member may have them: not those before the time that the room shares. */
  #sharedLog(room: JoinedRoom, from: string): ComparedLog {
    const log: MessageLog = this.#store.logOf(room.name)
    const oldest = this.#sharedSince(room)
    const clamp = (range: Range): Range => (range.from >= oldest ? range : clampRange(range, oldest))
    return {
      fingerprint: range => {
        this.#budgets.spend(from, RANGE_COST)
        return log.fingerprint(clamp(range))
      },
      split: (range, parts, byHash) => {
        this.#budgets.spend(from, parts * RANGE_COST)
        return log.split(clamp(range), parts, byHash)
      },
      between: range => {
        const messages = log.between(clamp(range))
        this.#budgets.spend(from, costOf(messages))
        return messages.flatMap(message => this.#proofs.toShared(toMessage(message)) ?? [])
      },
    }
  }

  /** Nothing before this time is told to other members. */
  #sharedSince({ name, info }: JoinedRoom): number {
    const { historyDays = 0 } = info
    const limit = historyDays === 0 ? 0 : serverTime(this.#context) - historyDays * DAY_MS
    return Math.max(limit, this.#store.logOf(name).timeOfLatest(MAX_SHARED_MESSAGES))
  }

  /** Nothing before this time is asked for. */
  #oldest(room: JoinedRoom): number {
    const { roomHistoryDays = DEFAULT_HISTORY_DAYS } = this.#context.options
    return Math.max(0, this.#sharedSince(room), serverTime(this.#context) - roomHistoryDays * DAY_MS)
  }

  #relay(room: string, to: string | undefined, frame: SiblingFrame): void {
    const { onlineConnection, effects } = this.#context
    if (onlineConnection === undefined) return
    effects.push({ type: 'room-relay', dial: onlineConnection, room, to, frame, mesh: this.#trust.expected.key })
  }

  /** Compares within a time, and a few more times soon after that. */
  #restart(name: string, within: number): void {
    const schedule = this.#schedules.get(name)
    if (schedule !== undefined) schedule.fruitless = 0
    this.#schedule(name, Math.max(JOIN_SPREAD_MS, within))
  }

  #scheduleRecompare(name: string): void {
    const room = this.#rooms.get(name)
    const schedule = this.#schedules.get(name)
    if (room === undefined || schedule === undefined) return
    const delay = RECOMPARE_DELAY_MS * 2 ** Math.min(schedule.fruitless, 10)
    this.#schedule(name, Math.min(intervalOf(room), delay))
  }

  #schedule(name: string, within: number): void {
    const { now, options } = this.#context
    const schedule = this.#schedules.get(name)
    if (schedule !== undefined) {
      schedule.compareAt = Math.min(schedule.compareAt, now + (0.5 + options.random() / 2) * within)
    }
  }
}

/** Days of history that a newcomer asks for. */
const DEFAULT_HISTORY_DAYS = 30

function intervalOf({ members }: JoinedRoom): number {
  return Math.max(MIN_INTERVAL_MS, members.size * INTERVAL_PER_MEMBER_MS)
}

/** The part of a range from a time on; an empty one if the range is before it. */
function clampRange({ to, toHash }: Range, oldest: number): Range {
  if (to === undefined) return { from: oldest }
  return to <= oldest ? { from: oldest, to: oldest } : rangeOf(oldest, undefined, to, toHash)
}
