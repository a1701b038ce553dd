import type { Backoff } from '../../common/backoff.ts'
import { Replica } from '../../presence/replica.ts'
import {
  type ForwardConfirmation,
  type ForwardedMessage,
  type ForwardFate,
  MAX_NUMBER_JUMP,
  MAX_PEER_COUNT,
  type RoomForwarded,
} from '../../protocol/frames.ts'
import type { ServerAddress } from '../../protocol/messages.ts'
import type { Delivery } from '../delivery.ts'
import type { AnnouncedList } from './member-lists.ts'

/** How long a peer may still forward messages of a user who left it, ms: they were held while the link was down. */
const DEPARTED_USER_TTL_MS = 10_000
const MAX_DEPARTED_USERS = 100_000
const MAX_MISSED_USERS = 10_000

/** The link that this server dials. */
export type OutboundLink =
  | {
      state: 'waiting'
      /** When it is due; monotonic ms. */
      readonly retryAt: number
      /** Whether it is due, and other dials under way have to end first. */
      readonly isDue?: true
    }
  | { state: 'dialling' }
  | {
      state: 'open'
      link: number
      openedAt: number
      /** When the last frame arrived; monotonic ms. */
      heardAt: number
      incarnation: string
      /** Whether the peer reads compact frames (`PeerIdentity.compact`); a server of 0.2 does not. */
      isCompact: boolean
      /** Round-trip time of the last heartbeat, ms; undefined before the first. */
      rtt: number | undefined
    }

/** The link that the peer dials. */
export interface InboundLink {
  link: number
  openedAt: number
  /** When the last frame arrived; monotonic ms. */
  heardAt: number
  incarnation: string
  /** Whether the peer knows rooms and receipts; a server of 0.2 does not. */
  knowsRooms: boolean
  /** What its heartbeats tell of its list of servers; undefined before the first, and of a server of 0.2. */
  list?: AnnouncedList
}

/** Most forwards of which later confirmations are awaited, the latest ones. */
const MAX_AWAITED = 10_000

/** A message that is kept until the peer answers with its delivery result. */
interface HeldMessage {
  frame: ForwardedMessage | RoomForwarded
  confirmations: Confirmations
}

/** What a peer has told of the confirmations of a forward. */
interface Confirmations {
  readonly delivery: Delivery
  /** Confirmations that are counted. */
  counted: number
}

/** What a forward is, by its number: `repeated` and `implausible` ones are answered at once. */
type ForwardArrival =
  | 'new'
  /** Received before, and its delivery result follows. */
  | 'pending'
  | 'repeated'
  /** Its number jumps by more than `MAX_NUMBER_JUMP`. */
  | 'implausible'

/** Tells the owner of the peers when one of them has another deadline. */
export interface Schedule {
  hasChanged: boolean
}

/** What this server knows about one peer. */
export class Peer {
  readonly id: string
  /** URL to dial; undefined for a peer that dialled in without one. */
  url: string | undefined
  /** URL for clients, if different. */
  clients: string | undefined
  /** Whether the config lists it. */
  configured = false
  /** Whether its URL is shared by the workers of one machine: the worker that answers has its own id. */
  isSharedAddress = false
  /** The URL of the last dial. */
  dialledUrl: string | undefined
  /** The URL at which it has answered a dial and proven itself. Only this URL is announced to others. */
  provenUrl: string | undefined
  /** The peer that announced it, until it proves itself; undefined for a peer that is not hearsay. */
  announcedBy: string | undefined
  /** Servers that this peer announced and that are not learned yet: see `Membership.hear`. */
  announced: ServerAddress[] = []
  readonly backoff: Backoff
  /** Why the last dial failed; undefined after a successful one. */
  dialFailure: string | undefined
  readonly replica = new Replica()
  readonly #schedule: Schedule
  #outbound: OutboundLink
  #usersExpireAt = Number.POSITIVE_INFINITY
  inbound: InboundLink | undefined
  /** Whether it has sent its users, and the claims that it remembers, since this server started. */
  hasSynced = false
  /** When the outbound link was lost; monotonic ms. */
  outboundLostAt: number
  /** The incarnation to which the remembered claims were sent last. */
  claimsSentTo: string | undefined
  /** When the last resync was requested; monotonic ms. */
  resyncRequestedAt = Number.NEGATIVE_INFINITY
  /** When it was last sent a snapshot that it had requested; monotonic ms. */
  snapshotSentAt = Number.NEGATIVE_INFINITY
  /** When its list of servers was requested last, and when it was last sent one that it had requested; monotonic ms. */
  listRequestedAt = Number.NEGATIVE_INFINITY
  listSentAt = Number.NEGATIVE_INFINITY
  /** Another incarnation with the same id that dials in while the inbound link may be alive; `since`: monotonic ms. */
  challenger: { incarnation: string; since: number } | undefined

  /** Messages that the peer has not answered, by number, oldest first. */
  readonly held = new Map<number, HeldMessage>()
  /** Users who missed a message because the peer was unreachable for too long. */
  readonly missedUsers = new Set<string>()
  /** Forwards batched in this turn. */
  pendingForwards: (ForwardedMessage | RoomForwarded)[] = []
  /** Delivery results batched in this turn. */
  pendingFates: ForwardFate[] = []
  /** Forwards of the peer with new confirmations in this turn, by number. */
  pendingConfirmations = new Map<number, Delivery>()
  /** Forwards that more of the peer's connections may confirm, by number, oldest first; `counted`: so far. */
  readonly #awaited = new Map<number, Confirmations>()
  /** Highest forward number received from an incarnation of the peer, and the numbers without a delivery result. */
  lastForward: { incarnation: string; number: number; pending: Set<number> } | undefined

  /** Messages that it forwarded from users that are not connected to it, since the last log entry about them. */
  foreignMessages: { messages: number; user: string } | undefined
  /** Users who left it, oldest first, and until when it may forward their messages; monotonic ms. */
  #departedUsers = new Map<string, number>()

  constructor(id: string, url: string | undefined, backoff: Backoff, now: number, schedule: Schedule) {
    this.#schedule = schedule
    this.id = id
    this.url = url
    this.backoff = backoff
    this.#outbound = { state: 'waiting', retryAt: url === undefined ? Number.POSITIVE_INFINITY : now }
    this.outboundLostAt = now
  }

  get outbound(): OutboundLink {
    return this.#outbound
  }

  set outbound(outbound: OutboundLink) {
    this.#outbound = outbound
    this.#schedule.hasChanged = true
  }

  /** When its users leave the roster unless it reconnects; monotonic ms, Infinity while its link is open. */
  get usersExpireAt(): number {
    return this.#usersExpireAt
  }

  set usersExpireAt(at: number) {
    this.#usersExpireAt = at
    this.#schedule.hasChanged = true
  }

  /** Whether it is known by hearsay only: not configured, no link, no users, no held messages. */
  get isIdle(): boolean {
    const { configured, inbound, outbound, replica, held } = this
    const isEmpty = replica.size + held.size === 0 && !replica.isTakingOver
    return !configured && inbound === undefined && outbound.state === 'waiting' && isEmpty
  }

  /** Whether it may be announced to others: the config lists it, or it has proven itself at its URL. */
  get isAnnounceable(): boolean {
    return this.url !== undefined && (this.configured || this.provenUrl === this.url)
  }

  /** When to dial it, or to remove its users; monotonic ms. */
  get deadline(): number {
    const { outbound, usersExpireAt } = this
    return outbound.state === 'waiting' ? Math.min(outbound.retryAt, usersExpireAt) : usersExpireAt
  }

  /** Number of departed users that are remembered. */
  get departedCount(): number {
    return this.#departedUsers.size
  }

  /** Records that the number of a user's connections to the peer changed. */
  recordUserChange(user: string, now: number): void {
    this.#departedUsers.delete(user)
    if (this.replica.connectionCount(user) > 0) return
    this.#departedUsers.set(user, now + DEPARTED_USER_TTL_MS)
    if (this.#departedUsers.size > MAX_DEPARTED_USERS)
      for (const oldest of this.#departedUsers.keys()) return void this.#departedUsers.delete(oldest)
  }

  /** Whether it may forward messages of a user: the user is connected to it, or left it a moment ago. */
  speaksFor(user: string, now: number): boolean {
    const { replica } = this
    // While a snapshot is taken over, a user who is not in it is still applied, and departs then.
    if (replica.connectionCount(user) > 0 || (replica.isTakingOver && replica.appliedCount(user) > 0)) return true
    return (this.#departedUsers.get(user) ?? Number.NEGATIVE_INFINITY) > now
  }

  /** Forgets departed users after their time to live. */
  forgetDeparted(now: number): void {
    for (const [user, expiresAt] of this.#departedUsers) {
      if (expiresAt > now) return
      this.#departedUsers.delete(user)
    }
  }

  /** Holds a message, and adds it to this turn's batch if the link is open. */
  hold(frame: ForwardedMessage | RoomForwarded, delivery: Delivery): void {
    delivery.expectAnswer()
    this.held.set(frame[0], { frame, confirmations: { delivery, counted: 0 } })
    if (this.outbound.state === 'open') this.pendingForwards.push(frame)
  }

  /** Records users who missed a message: their clients compare histories when the peer is reachable again. */
  markMissed(...users: string[]): void {
    for (const user of users) if (this.missedUsers.size < MAX_MISSED_USERS) this.missedUsers.add(user)
  }

  /** Drops all held messages. Returns their deliveries, which the peer will not answer. */
  dropHeld(): Delivery[] {
    const deliveries: Delivery[] = []
    for (const { frame, confirmations } of this.held.values()) {
      deliveries.push(confirmations.delivery)
      this.markMissed(frame[3], frame[4])
    }
    this.held.clear()
    this.#awaited.clear()
    this.pendingForwards = []
    return deliveries
  }

  /** Number of forwards of which later confirmations are awaited. */
  get awaitedCount(): number {
    return this.#awaited.size
  }

  /** The peer has confirmed a forward, which may or may not have its delivery result yet. */
  recordConfirmed([number, delivered, isPending, names]: ForwardConfirmation): void {
    const held = this.held.get(number)
    const awaited = held?.confirmations ?? this.#awaited.get(number)
    if (awaited === undefined) return
    // The delivery result, which follows, has the connections that confirmed first; in a room it has no number.
    const isFirst = held !== undefined && awaited.delivery.audience === undefined
    const counted = Math.min(delivered, MAX_PEER_COUNT)
    if (isPending) this.#await(number, awaited)
    else this.#awaited.delete(number)
    if (isFirst) return
    const more = Math.max(0, counted - awaited.counted)
    awaited.counted += more
    awaited.delivery.recordMore(more, names)
  }

  /** The peer has answered a forward: its delivery result has this number of connections. */
  recordFate([number, delivered, unconfirmed]: ForwardFate): void {
    const held = this.held.get(number)
    if (held === undefined) return
    this.held.delete(number)
    const { confirmations } = held
    const count = Math.min(delivered, MAX_PEER_COUNT)
    if (confirmations.delivery.audience === undefined) confirmations.counted += count
    confirmations.delivery.recordAnswer(count, unconfirmed)
  }

  #await(number: number, awaited: Confirmations): void {
    this.#awaited.set(number, awaited)
    const [oldest] = this.#awaited.keys()
    if (this.#awaited.size > MAX_AWAITED && oldest !== undefined) this.#awaited.delete(oldest)
  }

  /** Records the arrival of a forward. Numbers grow within an incarnation, across its links. */
  acceptForward(incarnation: string, number: number): ForwardArrival {
    if (this.lastForward?.incarnation !== incarnation) this.lastForward = { incarnation, number: 0, pending: new Set() }
    const last = this.lastForward
    if (last.pending.has(number)) return 'pending'
    if (number <= last.number) return 'repeated'
    if (number > last.number + MAX_NUMBER_JUMP) return 'implausible'
    last.number = number
    last.pending.add(number)
    return 'new'
  }

  /** Records that a forward has its delivery result. */
  settleForward(incarnation: string, number: number): void {
    if (this.lastForward?.incarnation === incarnation) this.lastForward.pending.delete(number)
  }
}
