import type { Backoff } from '../../common/backoff.ts'
import { Replica } from '../../presence/replica.ts'
import type { Forwarded, ForwardFate } from '../../protocol/frames.ts'
import type { Delivery } from '../delivery.ts'

/** Messages of a user who has left the peer may still come for so long, ms: they were held while the link was down. */
const FAREWELL_MS = 10_000
/** Of so many at most. */
const MOST_DEPARTED = 100_000

/** The link that this server dials. */
export type Outbound =
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
export interface Inbound {
  link: number
  heardAt: number
  incarnation: string
}

/** A message held until the peer tells its fate. */
interface Held {
  frame: Forwarded
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
  isFront = false
  readonly backoff: Backoff
  readonly replica = new Replica()
  outbound: Outbound
  inbound: Inbound | undefined
  /** Since when there is no outbound link, monotonic ms. */
  outboundLostAt: number
  /** When its users leave the roster unless it comes back; Infinity while its link is up. */
  goneAt = Number.POSITIVE_INFINITY
  /** When a snapshot was last asked for: one request at a time. */
  resyncAskedAt = Number.NEGATIVE_INFINITY
  /** Another incarnation with its id that wants in while its link is not known to be dead, since when; monotonic ms. */
  challenger: { incarnation: string; since: number } | undefined

  /** Messages not answered yet, by number, oldest first. */
  readonly held = new Map<number, Held>()
  /** Users who missed a message because the peer was out of reach for too long. */
  readonly missed = new Set<string>()
  /** Messages of this turn. */
  batch: Forwarded[] = []
  /** Answers of this turn. */
  fates: ForwardFate[] = []
  /** Highest number received of the peer's forwards, in this incarnation of it. */
  received: { incarnation: string; number: number } | undefined

  /** What it passed on of users that it does not hold, since that was last logged. */
  foreign: { messages: number; user: string } | undefined
  /** Users who left it lately, the oldest first, and until when messages of theirs may still come; monotonic ms. */
  #departed = new Map<string, number>()

  constructor(id: string, url: string | undefined, backoff: Backoff, now: number) {
    this.id = id
    this.url = url
    this.backoff = backoff
    this.outbound = { state: 'waiting', retryAt: url === undefined ? Number.POSITIVE_INFINITY : now }
    this.outboundLostAt = now
  }

  /** Whether it was only heard of: no link, no users, nothing held for it. */
  get idle(): boolean {
    const { configured, inbound, outbound, replica, held } = this
    return !configured && inbound === undefined && outbound.state === 'waiting' && replica.size + held.size === 0
  }

  /** When it is to be dialled, or its users leave the roster; monotonic ms. */
  get deadline(): number {
    const { outbound, goneAt } = this
    return outbound.state === 'waiting' ? Math.min(outbound.retryAt, goneAt) : goneAt
  }

  /** Notes a change of a user's connections to it. */
  changed(user: string, now: number): void {
    this.#departed.delete(user)
    if (this.replica.connections(user) > 0) return
    this.#departed.set(user, now + FAREWELL_MS)
    if (this.#departed.size > MOST_DEPARTED)
      for (const oldest of this.#departed.keys()) return void this.#departed.delete(oldest)
  }

  /** Whether it may pass on what this user says: it holds a connection of theirs, or did a moment ago. */
  speaksFor(user: string, now: number): boolean {
    return this.replica.connections(user) > 0 || (this.#departed.get(user) ?? Number.NEGATIVE_INFINITY) > now
  }

  /** Forgets who left too long ago. */
  forgetDeparted(now: number): void {
    for (const [user, until] of this.#departed) {
      if (until > now) return
      this.#departed.delete(user)
    }
  }

  /** Holds a message, and puts it into this turn's batch if the link is open. */
  hold(frame: Forwarded, delivery: Delivery): void {
    delivery.expect()
    this.held.set(frame[0], { frame, delivery })
    if (this.outbound.state === 'open') this.batch.push(frame)
  }

  /** Notes a user who missed something, so that its clients compare histories when the peer is back. */
  miss(...users: string[]): void {
    for (const user of users) if (this.missed.size < 10_000) this.missed.add(user)
  }

  /** Drops what is held; its deliveries will not be confirmed. */
  dropHeld(): Delivery[] {
    const deliveries: Delivery[] = []
    for (const { frame, delivery } of this.held.values()) {
      deliveries.push(delivery)
      this.miss(frame[3], frame[4])
    }
    this.held.clear()
    this.batch = []
    return deliveries
  }

  /** Whether a forward with this number is new; the link may be another than that which carried the one before. */
  accepts(incarnation: string, number: number): boolean {
    if (this.received?.incarnation !== incarnation) this.received = { incarnation, number: 0 }
    if (number <= this.received.number) return false
    this.received.number = number
    return true
  }
}
