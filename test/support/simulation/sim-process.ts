import type { Timeline } from './timeline.ts'

/** When the simulation begins, ms since 1970. */
export const SIMULATION_EPOCH_MS = 1_700_000_000_000

/** A simulated program with its own wall clock. It may be killed, and frozen: then its timers and inputs wait. */
export abstract class SimProcess {
  readonly name: string
  protected readonly timeline: Timeline
  /** Counts the runs of the program. */
  generation = 0
  running = false
  frozenAt: number | undefined
  /** What its wall clock is ahead of the truth, ms. */
  skew = 0
  #missedTimers: (() => void)[] = []
  #tickAt = Number.POSITIVE_INFINITY
  #isFlushScheduled = false

  constructor(name: string, timeline: Timeline) {
    this.name = name
    this.timeline = timeline
  }

  /** When its core wants a tick. */
  protected abstract get deadline(): number
  protected abstract get needsFlush(): boolean
  protected abstract stepCore(type: 'tick' | 'flush'): void

  get frozen(): boolean {
    return this.frozenAt !== undefined
  }

  get wall(): number {
    return SIMULATION_EPOCH_MS + this.timeline.now + this.skew
  }

  markStarted(): void {
    this.generation++
    this.running = true
    this.frozenAt = undefined
    this.#missedTimers = []
    this.#tickAt = Number.POSITIVE_INFINITY
    this.#isFlushScheduled = false
  }

  markStopped(): void {
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
  runMissedTimers(): void {
    const missed = this.#missedTimers
    this.#missedTimers = []
    for (const run of missed) run()
  }

  /** Runs something of this life of the program later; not before it continues when it is frozen then. */
  setTimer(ms: number, run: () => void): void {
    this.#setTimerAt(this.timeline.now + ms, run)
  }

  #setTimerAt(at: number, run: () => void): void {
    const { generation } = this
    const due = () => {
      if (!this.running || this.generation !== generation) return
      if (this.frozen) this.#missedTimers.push(due)
      else run()
    }
    this.timeline.at(at, due)
  }

  /** To be called after each step of the core: asks for its next tick, and for the end of its turn. */
  protected scheduleTickAndFlush(): void {
    this.#scheduleTick(this.deadline)
    if (!this.needsFlush || this.#isFlushScheduled) return
    this.#isFlushScheduled = true
    this.setTimer(0.1, () => {
      this.#isFlushScheduled = false
      this.stepCore('flush')
    })
  }

  #scheduleTick(deadline: number): void {
    if (deadline >= this.#tickAt) return
    this.#tickAt = deadline
    // A timer takes a millisecond at least.
    this.#setTimerAt(Math.max(deadline, this.timeline.now + 1), () => {
      if (this.#tickAt !== deadline) return
      this.#tickAt = Number.POSITIVE_INFINITY
      if (this.deadline <= this.timeline.now) this.stepCore('tick')
      else this.#scheduleTick(this.deadline)
    })
  }
}
