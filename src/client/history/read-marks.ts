/** Delay before read marks are sent to the user's other clients, ms, so that many marks cost one frame. */
const SEND_DELAY_MS = 300

/** Most threads whose read mark is kept, the latest ones that changed: siblings could name any number. */
export const MAX_READ_MARKS = 10_000

/** Read marks: the hybrid time up to which each thread was read, on any client of the user. */
export class ReadMarks {
  #marks = new Map<string, number>()
  /** Threads whose marks the other clients may lack. */
  #unsent = new Set<string>()
  #sendAt = Number.POSITIVE_INFINITY

  /** When `takeDue` has marks, monotonic ms. */
  get deadline(): number {
    return this.#sendAt
  }

  /** This client has read a thread up to a hybrid time. */
  markRead(thread: string, at: number, now: number): void {
    if (!this.update(thread, at)) return
    this.#unsent.add(thread)
    this.#sendAt = Math.min(this.#sendAt, now + SEND_DELAY_MS)
  }

  /** Raises a mark to `at`. Returns false if it was that far already. */
  update(thread: string, at: number): boolean {
    if (at <= (this.#marks.get(thread) ?? 0)) return false
    this.#marks.delete(thread)
    this.#marks.set(thread, at)
    const [oldest] = this.#marks.keys()
    if (this.#marks.size > MAX_READ_MARKS && oldest !== undefined) {
      this.#marks.delete(oldest)
      this.#unsent.delete(oldest)
    }
    return true
  }

  /** Queues all marks for sending: another client connected that may lack them. */
  queueAll(now: number): void {
    for (const thread of this.#marks.keys()) this.#unsent.add(thread)
    if (this.#unsent.size > 0) this.#sendAt = Math.min(this.#sendAt, now + SEND_DELAY_MS)
  }

  /** Takes at most `limit` marks to send now; the rest are due after another delay. */
  takeDue(limit: number, now: number): [thread: string, at: number][] {
    if (now < this.#sendAt) return []
    const marks: [string, number][] = []
    for (const thread of this.#unsent) {
      if (marks.length === limit) break
      this.#unsent.delete(thread)
      marks.push([thread, this.#marks.get(thread) ?? 0])
    }
    this.#sendAt = this.#unsent.size > 0 ? now + SEND_DELAY_MS : Number.POSITIVE_INFINITY
    return marks
  }
}
