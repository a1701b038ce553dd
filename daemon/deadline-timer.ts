import { timerDelay } from '../src/common/time.ts'

/**
 * Calls a function at a deadline that changes often. When the deadline moves later, the armed timer stays and re-arms
 * itself when it fires, so a busy server, whose deadline moves with each message, does not arm a timer per message.
 */
export class DeadlineTimer {
  readonly #onDeadline: () => void
  #deadline = Number.POSITIVE_INFINITY
  #timer: NodeJS.Timeout | undefined
  /** The deadline of the armed timer. */
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

  /** Clears the deadline. */
  stop(): void {
    clearTimeout(this.#timer)
    this.#deadline = Number.POSITIVE_INFINITY
    this.#armedFor = Number.POSITIVE_INFINITY
  }

  #arm(now: number): void {
    this.#armedFor = this.#deadline
    this.#timer = setTimeout(
      () => {
        this.#armedFor = Number.POSITIVE_INFINITY
        const now = performance.now()
        if (this.#deadline <= now) this.#onDeadline()
        else if (this.#deadline < Number.POSITIVE_INFINITY) this.#arm(now)
      },
      timerDelay(this.#deadline - now),
    )
  }
}
