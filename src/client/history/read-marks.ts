/** How soon the user's other clients are told that something was read, ms: many messages read at once cost one frame. */
const TELL_MS = 300

/** Up to where each thread was read, on any client of the user. */
export class ReadMarks {
  #marks = new Map<string, number>()
  /** Threads whose marks the other clients may not know yet. */
  #untold = new Set<string>()
  #tellAt = Number.POSITIVE_INFINITY

  /** When `take` has something, monotonic ms. */
  get deadline(): number {
    return this.#tellAt
  }

  /** This client has read a thread up to a hybrid time. */
  read(thread: string, at: number, now: number): void {
    if (!this.learn(thread, at)) return
    this.#untold.add(thread)
    this.#tellAt = Math.min(this.#tellAt, now + TELL_MS)
  }

  /** Another client has; whether that was news. */
  learn(thread: string, at: number): boolean {
    if (at <= (this.#marks.get(thread) ?? 0)) return false
    this.#marks.set(thread, at)
    return true
  }

  /** A client came that knows none: it is told all. */
  tellAll(now: number): void {
    for (const thread of this.#marks.keys()) this.#untold.add(thread)
    if (this.#untold.size > 0) this.#tellAt = Math.min(this.#tellAt, now + TELL_MS)
  }

  /** The marks to be told now, at most so many; the rest soon after. */
  take(most: number, now: number): [thread: string, at: number][] {
    if (now < this.#tellAt) return []
    const marks: [string, number][] = []
    for (const thread of this.#untold) {
      if (marks.length === most) break
      this.#untold.delete(thread)
      marks.push([thread, this.#marks.get(thread) ?? 0])
    }
    this.#tellAt = this.#untold.size > 0 ? now + TELL_MS : Number.POSITIVE_INFINITY
    return marks
  }
}
