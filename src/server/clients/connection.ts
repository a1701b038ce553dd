import { TokenBucket } from '../../common/token-bucket.ts'
import type { Limits } from '../../protocol/limits.ts'
import type { Delivery } from '../delivery.ts'
import type { ClientInput } from '../types.ts'

/** Recent messages remembered per original client. It ignores ids, so the server drops messages that are sent again. */
const MAX_RECENT_MESSAGES = 256

/** Typing notices of a connection that are passed on: per second, and at once. */
const TYPING_PER_SECOND = 1
const TYPING_BURST = 5

const NONE: ReadonlySet<string> = new Set()

/** What a client supports, as it says when it identifies. */
type ClientFeatures = Pick<
  Extract<ClientInput, { type: 'identify' }>,
  'protocol' | 'connections' | 'rooms' | 'views' | 'typing'
>

/** One identified connection of a user to this server. */
export class Connection {
  readonly id: number
  readonly user: string
  /** 1: an original client, which confirms nothing; 2: a client that confirms received messages. */
  readonly protocol: 1 | 2
  /** Whether the client subscribed to connection counts. */
  readonly wantsConnectionCounts: boolean
  /** Whether the client knows rooms and receipts. */
  readonly knowsRooms: boolean
  /** Whether the client wants typing notices. */
  readonly wantsTyping: boolean
  /** Whether the client takes a view of a long roster. */
  readonly takesViews: boolean
  /** When it got the ticket of its claim last; monotonic ms. */
  ticketAt = Number.NEGATIVE_INFINITY
  /** The rooms that the user may join; undefined: any. */
  readonly allowedRooms: ReadonlySet<string> | undefined
  /** Created for connections that are in a room. */
  #rooms: Set<string> | undefined
  /** Created for connections that watch names. */
  #watched: Set<string> | undefined
  readonly #limits: Limits
  /** Created at the first request. */
  #rateLimiter: TokenBucket | undefined
  /** Messages sent and not confirmed, oldest first; undefined for a message that has no delivery to answer. */
  #unconfirmed: (Delivery | undefined)[] | undefined
  #head = 0
  #confirmedCount = 0
  /** Created at the first typing notice. */
  #typingLimiter: TokenBucket | undefined
  /** Created for original clients only. */
  #recent: Set<string> | undefined

  constructor(
    id: number,
    user: string,
    { protocol, connections = false, rooms = false, views = false, typing = false }: ClientFeatures,
    limits: Limits,
    allowedRooms?: readonly string[],
  ) {
    this.id = id
    this.user = user
    this.protocol = protocol
    this.wantsConnectionCounts = connections
    this.knowsRooms = rooms
    this.wantsTyping = typing
    this.takesViews = views
    this.allowedRooms = allowedRooms && new Set(allowedRooms)
    this.#limits = limits
  }

  /** Takes a token for a message or a request; see `TokenBucket`. */
  takeToken(now: number): number {
    const { messagesPerSecond, burst } = this.#limits
    this.#rateLimiter ??= new TokenBucket(messagesPerSecond, burst, now)
    return this.#rateLimiter.take(now)
  }

  /** Takes tokens for work whose cost is known afterwards. */
  spendTokens(tokens: number): void {
    this.#rateLimiter?.spend(tokens)
  }

  /** The rooms that this connection is in. */
  get rooms(): ReadonlySet<string> {
    return this.#rooms ?? NONE
  }

  addRoom(room: string): void {
    this.#rooms ??= new Set()
    this.#rooms.add(room)
  }

  /** Returns false if it was not in the room. */
  removeRoom(room: string): boolean {
    return this.#rooms?.delete(room) === true
  }

  /** Whether a typing notice of this connection may be passed on now; monotonic ms. */
  takeTyping(now: number): boolean {
    this.#typingLimiter ??= new TokenBucket(TYPING_PER_SECOND, TYPING_BURST, now)
    return this.#typingLimiter.take(now) === 0
  }

  /** The names that its view of the roster watches, in the order in which they were added. */
  get watched(): ReadonlySet<string> {
    return this.#watched ?? NONE
  }

  addWatched(name: string): void {
    this.#watched ??= new Set()
    this.#watched.add(name)
  }

  removeWatched(name: string): void {
    this.#watched?.delete(name)
  }

  /** Messages sent to this connection and not confirmed. */
  get unconfirmedCount(): number {
    return (this.#unconfirmed?.length ?? 0) - this.#head
  }

  /** Records a sent message; `confirm` returns its delivery later. */
  trackSent(delivery: Delivery | undefined): void {
    this.#unconfirmed ??= []
    this.#unconfirmed.push(delivery)
  }

  /**
   * Confirms messages up to a total.
   * @param count messages that the client has received since it identified
   * @returns the deliveries that this confirms
   */
  confirm(count: number): Delivery[] {
    const deliveries: Delivery[] = []
    const unconfirmed = this.#unconfirmed
    if (unconfirmed === undefined) return deliveries
    while (this.#confirmedCount < count && this.#head < unconfirmed.length) {
      const delivery = unconfirmed[this.#head]
      unconfirmed[this.#head++] = undefined
      this.#confirmedCount++
      if (delivery !== undefined) deliveries.push(delivery)
    }
    if (this.#head === unconfirmed.length) {
      this.#unconfirmed = undefined
      this.#head = 0
    } else if (this.#head > 1_024) {
      this.#unconfirmed = unconfirmed.slice(this.#head)
      this.#head = 0
    }
    return deliveries
  }

  /** Removes and returns the unconfirmed deliveries of a closed connection. */
  takeUnconfirmed(): Delivery[] {
    const deliveries: Delivery[] = []
    for (const delivery of this.#unconfirmed?.slice(this.#head) ?? [])
      if (delivery !== undefined) deliveries.push(delivery)
    this.#unconfirmed = undefined
    this.#head = 0
    return deliveries
  }

  /** Whether an original client was already sent this message; remembers it. `message`: its sender and id. */
  isDuplicate(message: string): boolean {
    this.#recent ??= new Set()
    if (this.#recent.has(message)) return true
    this.#recent.add(message)
    if (this.#recent.size > MAX_RECENT_MESSAGES) for (const oldest of this.#recent) return !this.#recent.delete(oldest)
    return false
  }
}
