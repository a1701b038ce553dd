/** Most waits that are remembered, the latest ones. */
const MAX_WAITS = 100_000

/** Who has to wait before the next message to a room. Leaving a room and joining it again does not end a wait. */
export class SlowMode {
  /** By room and user: until when; monotonic ms, oldest first. */
  readonly #until = new Map<string, number>()

  /** Number of waits that are remembered. */
  get size(): number {
    return this.#until.size
  }

  /** How long a user has to wait, ms. */
  waitOf(room: string, user: string, now: number): number {
    return Math.max(0, (this.#until.get(keyOf(room, user)) ?? 0) - now)
  }

  /** A user has written to a room in which one has to wait. */
  start(room: string, user: string, waitMs: number, now: number): void {
    const key = keyOf(room, user)
    this.#until.delete(key)
    this.#until.set(key, now + waitMs)
    for (const [oldest, until] of this.#until) {
      if (until > now && this.#until.size <= MAX_WAITS) break
      this.#until.delete(oldest)
    }
  }
}

/** Names contain no line breaks. */
function keyOf(room: string, user: string): string {
  return `${room}\n${user}`
}
