/** How soon the user's other clients are told that something was read, ms: many messages read at once cost one frame. */
const SEND_DELAY_MS = 300

/** Up to where each thread was read, on any client of the user. */
export class ReadMarks {
  #marks = new Map<string, number>()
  /** Threads whose marks the other clients may not know yet. */
  #unsent = new Set<string>()
  #sendAt = Number.POSITIVE_INFINITY

  /** When `take` has something, monotonic ms. */
  get deadline(): number {
    return this.#sendAt
  }

  /** This client has read a thread up to a hybrid time. */
  markRead(thread: string, at: number, now: number): void {
    if (!this.update(thread, at)) return
    this.#unsent.add(thread)
    this.#sendAt = Math.min(this.#sendAt, now + SEND_DELAY_MS)
  }

  /** Another client has; whether that was news. */
  update(thread: string, at: number): boolean {
    if (at <= (this.#marks.get(thread) ?? 0)) return false
    this.#marks.set(thread, at)
    return true
  }

  /** A client came that knows none: it is told all. */
  queueAll(now: number): void {
    for (const thread of this.#marks.keys()) this.#unsent.add(thread)
    if (this.#unsent.size > 0) this.#sendAt = Math.min(this.#sendAt, now + SEND_DELAY_MS)
  }

  /** The marks to be told now, at most so many; the rest soon after. */
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
