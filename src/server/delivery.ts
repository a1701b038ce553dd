import { type Fate, MAX_RECEIPT_NAMES, type Message } from '../protocol/messages.ts'

/** A sender learns who has a message in rooms with at most this number of other members. */
const MAX_NAMED_MEMBERS = 32

/** Who gets the delivery result: the client that sent the message, or the peer that forwarded it. */
export type DeliveryOrigin =
  | {
      kind: 'client'
      connection: number
      call: number | undefined
      message: Pick<Message, 'id' | 'at' | 'from' | 'to'>
    }
  /** `waitsForAll`: a peer of 0.2, which takes one result for each message. */
  | { kind: 'peer'; peer: string; incarnation: string; number: number; waitsForAll: boolean }

/** Gets the result of a delivery. */
export interface DeliveryObserver {
  /** The result is known. Called once. */
  onSettled(delivery: Delivery): void
  /** After the result: more receivers have confirmed the message (`isNew`), or the last one has answered. */
  onLateAnswer(delivery: Delivery, isNew: boolean): void
  /** All have answered: some receiver has confirmed the message, and another one may not have it. */
  onMissed(delivery: Delivery): void
}

/**
 * One message in delivery: collects the answers of its receivers. It is settled by the first confirmation, or when all
 * have answered; who confirms later is reported as a receipt.
 */
export class Delivery {
  readonly origin: DeliveryOrigin
  /** When to stop waiting for answers; monotonic ms. */
  readonly deadline: number
  readonly #observer: DeliveryObserver
  /** The members of the room to which the message goes; undefined: it goes to a user. */
  readonly #audience: Audience | undefined
  #delivered = 0
  /** Whether a receiver has confirmed the message, rather than only been sent it. */
  #isConfirmed = false
  #isUnconfirmed = false
  #pendingAnswers = 0
  #isSettled = false

  constructor(origin: DeliveryOrigin, deadline: number, observer: DeliveryObserver, audience?: Audience) {
    this.origin = origin
    this.deadline = deadline
    this.#observer = observer
    this.#audience = audience
  }

  /** Whether the result was reported. */
  get isSettled(): boolean {
    return this.#isSettled
  }

  /** Connections of the recipient that have the message; in a room: other members. */
  get delivered(): number {
    return this.#audience?.delivered ?? this.#delivered
  }

  get audience(): Audience | undefined {
    return this.#audience
  }

  /** Whether more receivers may confirm the message. */
  get isPending(): boolean {
    return this.#pendingAnswers > 0
  }

  /** Whether the message is to be sent again: some receiver has not confirmed it, and no other one has it safely. */
  get isUnconfirmed(): boolean {
    return !this.#isConfirmed && (this.#isUnconfirmed || this.isPending)
  }

  get result(): Fate {
    const { delivered } = this
    return {
      ok: true,
      // The first confirmation may come before the count.
      delivered: this.#isConfirmed ? Math.max(1, delivered) : delivered,
      ...(this.isUnconfirmed ? { unconfirmed: true } : {}),
      ...audienceFields(this.#audience),
    }
  }

  /** Adds a connection or peer that will answer. */
  expectAnswer(): void {
    this.#pendingAnswers++
  }

  /** Counts a connection that never confirms: a written message counts as delivered. */
  countDelivered(): void {
    this.#delivered++
  }

  /** A receiver is unreachable and will not answer. */
  markUnconfirmed(): void {
    this.#isUnconfirmed = true
  }

  /** Records that a local connection has the message. */
  recordConfirmation(user: string): void {
    this.#pendingAnswers--
    this.#isConfirmed = true
    if (this.#audience === undefined) this.#delivered++
    const isNew = this.#audience?.add(user) ?? true
    this.#handleAnswer(isNew)
  }

  /** Records the answer of a peer for `delivered` connections, or that a connection or peer will not answer. */
  recordAnswer(delivered: number, unconfirmed = false): void {
    this.#pendingAnswers--
    this.#isUnconfirmed ||= unconfirmed
    this.#isConfirmed ||= delivered > 0 && !unconfirmed
    if (this.#audience === undefined) this.#delivered += delivered
    this.#handleAnswer(delivered > 0)
  }

  /** More connections of a peer have confirmed the message. */
  recordMore(more: number, names: readonly string[]): void {
    if (this.#audience === undefined) this.#delivered += more
    const isNew = this.#audience?.addMore(more, names) ?? more > 0
    if (isNew && this.#isSettled) this.#observer.onLateAnswer(this, true)
  }

  /** Reports the result unless answers are pending. */
  settleIfComplete(): void {
    if (this.#pendingAnswers > 0) return
    this.settle()
  }

  /** Reports the result now. */
  settle(): void {
    if (this.#isSettled) return
    this.#isSettled = true
    this.#observer.onSettled(this)
  }

  #handleAnswer(hasMore: boolean): void {
    if (this.#isSettled) {
      if (hasMore || !this.isPending) this.#observer.onLateAnswer(this, hasMore)
    } else if (this.#isConfirmed && !this.#waitsForAll) this.settle()
    else this.settleIfComplete()
    if (!this.isPending && this.#isConfirmed && this.#isUnconfirmed) this.#observer.onMissed(this)
  }

  get #waitsForAll(): boolean {
    return this.origin.kind === 'peer' && this.origin.waitsForAll
  }
}

function audienceFields(audience: Audience | undefined): Pick<Extract<Fate, { ok: true }>, 'of' | 'names'> {
  if (audience === undefined) return {}
  const { of, names } = audience
  return names.length === 0 ? { of } : { of, names }
}

/**
 * The other members of a room when a message was sent to it, and who of them has it. Members are counted; those who are
 * on several servers, and all in a small room, are known by name, so that each counts once.
 */
export class Audience {
  /** How many there were. */
  readonly of: number
  /** Whether all are known by name, and told to the sender. */
  readonly isSmall: boolean
  readonly #isInSeveralPlaces: (user: string) => boolean
  #counted = 0
  readonly #names = new Set<string>()
  /** Names that `takeNewNames` has not returned; for the server of the sender. */
  #newNames: string[] = []

  /** @param isInSeveralPlaces whether a member has several connections in the room */
  constructor(of: number, isInSeveralPlaces: (user: string) => boolean) {
    this.of = of
    this.isSmall = of <= MAX_NAMED_MEMBERS
    this.#isInSeveralPlaces = isInSeveralPlaces
  }

  /** How many have the message; a peer may count more than there were. */
  get delivered(): number {
    return Math.min(this.of, this.#counted + this.#names.size)
  }

  /** Who has the message, in a small room. */
  get names(): string[] {
    return this.isSmall ? [...this.#names].slice(0, MAX_RECEIPT_NAMES) : []
  }

  /** Members that are counted, not named. */
  get counted(): number {
    return this.#counted
  }

  /** Adds a member of this server. Returns false for one that is known to have the message. */
  add(user: string): boolean {
    if (this.isSmall || this.#names.has(user) || this.#isInSeveralPlaces(user)) return this.addMore(0, [user])
    this.#counted++
    return true
  }

  /** Adds members of a peer: a number of counted ones, and named ones. Returns whether there are any new ones. */
  addMore(counted: number, names: readonly string[]): boolean {
    let isNew = counted > 0
    this.#counted += counted
    for (const name of names) {
      if (this.#names.has(name)) continue
      this.#names.add(name)
      this.#newNames.push(name)
      isNew = true
    }
    return isNew
  }

  takeNewNames(): string[] {
    const names = this.#newNames
    this.#newNames = []
    return names
  }
}

/** Pending deliveries, ordered by deadline. All deliveries in one queue have the same timeout. */
export class DeadlineQueue {
  #queue: Delivery[] = []
  #head = 0

  /** Deliveries in the queue; settled ones are dropped when they reach its head. */
  get size(): number {
    return this.#queue.length - this.#head
  }

  /** The next deadline; Infinity if no delivery is pending. */
  get deadline(): number {
    this.#dropSettled()
    return this.#queue[this.#head]?.deadline ?? Number.POSITIVE_INFINITY
  }

  push(delivery: Delivery): void {
    this.#queue.push(delivery)
  }

  /** Removes and returns the first delivery that is due. */
  takeDue(now: number): Delivery | undefined {
    this.#dropSettled()
    const first = this.#queue[this.#head]
    if (first === undefined || first.deadline > now) return undefined
    this.#head++
    return first
  }

  #dropSettled(): void {
    while (this.#queue[this.#head]?.isSettled) this.#head++
    if (this.#head === this.#queue.length) {
      this.#queue.length = 0
      this.#head = 0
    } else if (this.#head > 1_024 && this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head)
      this.#head = 0
    }
  }
}
