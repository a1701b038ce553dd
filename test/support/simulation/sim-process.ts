import type { Timeline } from './timeline.ts'

/** Wall-clock time at which every simulation begins, ms since 1970. */
export const SIMULATION_EPOCH_MS = 1_700_000_000_000

/** A simulated process with its own wall clock. It can be killed, and frozen; timers and packets wait while it is frozen. */
export abstract class SimProcess {
  readonly name: string
  protected readonly timeline: Timeline
  /** Number of times it has started. */
  generation = 0
  running = false
  frozenAt: number | undefined
  /** How far its wall clock is ahead of the true time, ms. */
  skew = 0
  #missedTimers: (() => void)[] = []
  #tickAt = Number.POSITIVE_INFINITY
  #isFlushScheduled = false

  constructor(name: string, timeline: Timeline) {
    this.name = name
    this.timeline = timeline
  }

  /** When its core needs its next tick, monotonic ms. */
  protected abstract get deadline(): number
  protected abstract get needsFlush(): boolean
  /** How long after a step the turn of the event loop ends, ms. */
  protected abstract nextTurnMs(): number
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

  /** After SIGCONT: runs the timers that came due while it was frozen. */
  runMissedTimers(): void {
    const missed = this.#missedTimers
    this.#missedTimers = []
    for (const run of missed) run()
  }

  /** A timer of this run of the process: cancelled when it is killed, delayed while it is frozen. */
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

  /** Call this after each step of the core: schedules its next tick, and the flush at the end of the event-loop turn. */
  protected scheduleTickAndFlush(): void {
    this.#scheduleTick(this.deadline)
    if (!this.needsFlush || this.#isFlushScheduled) return
    this.#isFlushScheduled = true
    this.setTimer(this.nextTurnMs(), () => {
      this.#isFlushScheduled = false
      this.stepCore('flush')
    })
  }

  #scheduleTick(deadline: number): void {
    if (deadline >= this.#tickAt) return
    this.#tickAt = deadline
    // Node's timers take at least a millisecond.
    this.#setTimerAt(Math.max(deadline, this.timeline.now + 1), () => {
      if (this.#tickAt !== deadline) return
      this.#tickAt = Number.POSITIVE_INFINITY
      if (this.deadline <= this.timeline.now) this.stepCore('tick')
      else this.#scheduleTick(this.deadline)
    })
  }
}
