import type { Backoff } from '../../common/backoff.ts'
import { Replica } from '../../presence/replica.ts'
import type { ForwardedMessage, ForwardFate } from '../../protocol/frames.ts'
import type { Delivery } from '../delivery.ts'

/** Messages of a user who has left the peer may still come for so long, ms: they were held while the link was down. */
const DEPARTED_USER_TTL_MS = 10_000
/** Of so many at most. */
const MAX_DEPARTED_USERS = 100_000

/** The link that this server dials. */
export type OutboundLink =
  | { state: 'waiting'; retryAt: number }
  | { state: 'dialling' }
  | {
      state: 'open'
      link: number
      openedAt: number
      heardAt: number
      incarnation: string
      /** From the last beat to its echo, ms; undefined before the first. */
      rtt: number | undefined
    }

/** The link that the peer dials. */
export interface InboundLink {
  link: number
  heardAt: number
  incarnation: string
}

/** A message held until the peer tells its fate. */
interface HeldMessage {
  frame: ForwardedMessage
  delivery: Delivery
}

/** What this server knows of one peer. */
export class Peer {
  readonly id: string
  /** Where to dial it; undefined for one that dials in and never told. */
  url: string | undefined
  /** Where clients reach it, if that is elsewhere. */
  clients: string | undefined
  /** Whether the config names it. */
  configured = false
  /** Whether its address is one that the workers of a machine share: who answers there has an id of its own. */
  isSharedAddress = false
  readonly backoff: Backoff
  readonly replica = new Replica()
  outbound: OutboundLink
  inbound: InboundLink | undefined
  /** Since when there is no outbound link, monotonic ms. */
  outboundLostAt: number
  /** When its users leave the roster unless it comes back; Infinity while its link is up. */
  usersExpireAt = Number.POSITIVE_INFINITY
  /** When a snapshot was last asked for: one request at a time. */
  resyncRequestedAt = Number.NEGATIVE_INFINITY
  /** Another incarnation with its id that wants in while its link is not known to be dead, since when; monotonic ms. */
  challenger: { incarnation: string; since: number } | undefined

  /** Messages not answered yet, by number, oldest first. */
  readonly held = new Map<number, HeldMessage>()
  /** Users who missed a message because the peer was out of reach for too long. */
  readonly missedUsers = new Set<string>()
  /** Messages of this turn. */
  pendingForwards: ForwardedMessage[] = []
  /** Answers of this turn. */
  pendingFates: ForwardFate[] = []
  /** Highest number received of the peer's forwards, in this incarnation of it. */
  lastForward: { incarnation: string; number: number } | undefined

  /** What it passed on of users that it does not hold, since that was last logged. */
  foreignMessages: { messages: number; user: string } | undefined
  /** Users who left it lately, the oldest first, and until when messages of theirs may still come; monotonic ms. */
  #departedUsers = new Map<string, number>()

  constructor(id: string, url: string | undefined, backoff: Backoff, now: number) {
    this.id = id
    this.url = url
    this.backoff = backoff
    this.outbound = { state: 'waiting', retryAt: url === undefined ? Number.POSITIVE_INFINITY : now }
    this.outboundLostAt = now
  }

  /** Whether it was only heard of: no link, no users, nothing held for it. */
  get isIdle(): boolean {
    const { configured, inbound, outbound, replica, held } = this
    return !configured && inbound === undefined && outbound.state === 'waiting' && replica.size + held.size === 0
  }

  /** When it is to be dialled, or its users leave the roster; monotonic ms. */
  get deadline(): number {
    const { outbound, usersExpireAt } = this
    return outbound.state === 'waiting' ? Math.min(outbound.retryAt, usersExpireAt) : usersExpireAt
  }

  /** Notes a change of a user's connections to it. */
  recordUserChange(user: string, now: number): void {
    this.#departedUsers.delete(user)
    if (this.replica.connectionCount(user) > 0) return
    this.#departedUsers.set(user, now + DEPARTED_USER_TTL_MS)
    if (this.#departedUsers.size > MAX_DEPARTED_USERS)
      for (const oldest of this.#departedUsers.keys()) return void this.#departedUsers.delete(oldest)
  }

  /** Whether it may pass on what this user says: it holds a connection of theirs, or did a moment ago. */
  speaksFor(user: string, now: number): boolean {
    return this.replica.connectionCount(user) > 0 || (this.#departedUsers.get(user) ?? Number.NEGATIVE_INFINITY) > now
  }

  /** Forgets who left too long ago. */
  forgetDeparted(now: number): void {
    for (const [user, until] of this.#departedUsers) {
      if (until > now) return
      this.#departedUsers.delete(user)
    }
  }

  /** Holds a message, and puts it into this turn's batch if the link is open. */
  hold(frame: ForwardedMessage, delivery: Delivery): void {
    delivery.expectAnswer()
    this.held.set(frame[0], { frame, delivery })
    if (this.outbound.state === 'open') this.pendingForwards.push(frame)
  }

  /** Notes a user who missed something, so that its clients compare histories when the peer is back. */
  markMissed(...users: string[]): void {
    for (const user of users) if (this.missedUsers.size < 10_000) this.missedUsers.add(user)
  }

  /** Drops what is held; its deliveries will not be confirmed. */
  dropHeld(): Delivery[] {
    const deliveries: Delivery[] = []
    for (const { frame, delivery } of this.held.values()) {
      deliveries.push(delivery)
      this.markMissed(frame[3], frame[4])
    }
    this.held.clear()
    this.pendingForwards = []
    return deliveries
  }

  /** Whether a forward with this number is new; the link may be another than that which carried the one before. */
  acceptForward(incarnation: string, number: number): boolean {
    if (this.lastForward?.incarnation !== incarnation) this.lastForward = { incarnation, number: 0 }
    if (number <= this.lastForward.number) return false
    this.lastForward.number = number
    return true
  }
}
