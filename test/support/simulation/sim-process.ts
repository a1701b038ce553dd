import type { Timeline } from './timeline.ts'

/** When the simulation begins, ms since 1970. */
export const WALL = 1_700_000_000_000

/** A simulated program with its own wall clock. It may be killed, and frozen: then its timers and inputs wait. */
export abstract class Process {
  readonly name: string
  protected readonly timeline: Timeline
  /** Counts the runs of the program. */
  life = 0
  running = false
  frozenAt: number | undefined
  /** What its wall clock is ahead of the truth, ms. */
  skew = 0
  #missed: (() => void)[] = []
  #wakeAt = Number.POSITIVE_INFINITY
  #flushing = false

  constructor(name: string, timeline: Timeline) {
    this.name = name
    this.timeline = timeline
  }

  /** When its core wants a tick. */
  protected abstract get deadline(): number
  protected abstract get gathered(): boolean
  protected abstract beat(type: 'tick' | 'flush'): void

  get frozen(): boolean {
    return this.frozenAt !== undefined
  }

  get wall(): number {
    return WALL + this.timeline.now + this.skew
  }

  begin(): void {
    this.life++
    this.running = true
    this.frozenAt = undefined
    this.#missed = []
    this.#wakeAt = Number.POSITIVE_INFINITY
    this.#flushing = false
  }

  end(): void {
    this.running = false
    this.frozenAt = undefined
  }

  /** SIGSTOP. */
  freeze(): void {
    this.frozenAt ??= this.timeline.now
  }

  /** SIGCONT. */
  thaw(): void {
    this.frozenAt = undefined
  }

  /** After SIGCONT: the timers that were due meanwhile. */
  catchUp(): void {
    const missed = this.#missed
    this.#missed = []
    for (const run of missed) run()
  }

  /** Runs something of this life of the program later; not before it continues when it is frozen then. */
  timer(ms: number, run: () => void): void {
    this.#timerAt(this.timeline.now + ms, run)
  }

  #timerAt(at: number, run: () => void): void {
    const { life } = this
    const due = () => {
      if (!this.running || this.life !== life) return
      if (this.frozen) this.#missed.push(due)
      else run()
    }
    this.timeline.at(at, due)
  }

  /** To be called after each step of the core: asks for its next tick, and for the end of its turn. */
  protected stepped(): void {
    this.#wake(this.deadline)
    if (!this.gathered || this.#flushing) return
    this.#flushing = true
    this.timer(0.1, () => {
      this.#flushing = false
      this.beat('flush')
    })
  }

  #wake(deadline: number): void {
    if (deadline >= this.#wakeAt) return
    this.#wakeAt = deadline
    // A timer takes a millisecond at least.
    this.#timerAt(Math.max(deadline, this.timeline.now + 1), () => {
      if (this.#wakeAt !== deadline) return
      this.#wakeAt = Number.POSITIVE_INFINITY
      if (this.deadline <= this.timeline.now) this.beat('tick')
      else this.#wake(this.deadline)
    })
  }
}
