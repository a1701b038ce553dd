/**
 * Calls when a time has come that is set anew after each step. A timer that is set too early stays: it looks again
 * when it fires. So a busy server, whose deadline moves with each message, arms no timer per message.
 */
export class DeadlineTimer {
  readonly #onDeadline: () => void
  #deadline = Number.POSITIVE_INFINITY
  #timer: NodeJS.Timeout | undefined
  /** The deadline that the timer was armed for. */
  #armedFor = Number.POSITIVE_INFINITY

  constructor(onDeadline: () => void) {
    this.#onDeadline = onDeadline
  }

  /** @param deadline on the clock of `performance.now`, ms; Infinity: never */
  set(deadline: number): void {
    this.#deadline = deadline
    if (deadline >= this.#armedFor) return
    clearTimeout(this.#timer)
    this.#arm(performance.now())
  }

  /** Never rings again, unless a deadline is set. */
  stop(): void {
    clearTimeout(this.#timer)
    this.#deadline = Number.POSITIVE_INFINITY
    this.#armedFor = Number.POSITIVE_INFINITY
  }

  #arm(now: number): void {
    const wait = Math.max(1, Math.ceil(this.#deadline - now))
    this.#armedFor = this.#deadline
    this.#timer = setTimeout(() => {
      this.#armedFor = Number.POSITIVE_INFINITY
      const now = performance.now()
      if (this.#deadline <= now) this.#onDeadline()
      else if (this.#deadline < Number.POSITIVE_INFINITY) this.#arm(now)
    }, wait)
  }
}
