import type { Message } from '../../protocol/messages.ts'

/** A message that arrives this long after its time is late, ms. */
const LATE_AFTER_MS = 60_000
/** A message is late if it is dated this long before a message that this user has already sent in the thread, ms. */
const MAX_CROSSING_MS = 5_000
/** Threads whose newest messages are remembered. */
const MAX_THREADS = 10_000

/**
 * Detects messages that arrive late: they were held on their way, or claim an earlier time than they were written. A
 * user interface shows them at their time, where the user may have read already.
 */
export class LateMessages {
  readonly #user: string
  /** The hybrid time of the newest message from each user, and to each user. */
  readonly #received = new Map<string, number>()
  readonly #sent = new Map<string, number>()

  constructor(user: string) {
    this.#user = user
  }

  /** Number of threads that are remembered. */
  get size(): number {
    return Math.max(this.#received.size, this.#sent.size)
  }

  /**
   * Whether a message from another user arrives late.
   * @param wall the server's clock, ms since 1970
   */
  isLate({ at, from }: Message, wall: number): boolean {
    if (from === this.#user) return false
    const afterSent = (this.#sent.get(from) ?? 0) - MAX_CROSSING_MS
    return at < wall - LATE_AFTER_MS || at < (this.#received.get(from) ?? 0) || at < afterSent
  }

  /** Notes a message of this user's history. */
  observe({ at, from, to }: Message): void {
    const isOwn = from === this.#user
    const newest = isOwn ? this.#sent : this.#received
    const thread = isOwn ? to : from
    const before = newest.get(thread) ?? 0
    newest.delete(thread)
    newest.set(thread, Math.max(before, at))
    if (newest.size > MAX_THREADS) for (const oldest of newest.keys()) return void newest.delete(oldest)
  }
}
