import type { HybridClock } from '../common/hybrid-clock.ts'
import type { SessionEvent } from './events.ts'
import type { SessionEffect, SessionOptions } from './types.ts'

/** State that the modules of a session share during a step. */
export interface Context {
  readonly options: SessionOptions
  readonly clock: HybridClock
  /** The identified connection; undefined while offline. */
  onlineConnection: number | undefined
  /** The server's wall clock minus this machine's monotonic clock, ms; undefined before the first identification. */
  clockOffset: number | undefined
  /** Monotonic time of this step, ms. */
  now: number
  /** Wall clock of this step, ms since 1970. */
  wall: number
  effects: SessionEffect[]
}

export function emit(context: Context, event: SessionEvent): void {
  context.effects.push({ type: 'event', event })
}

/** The server's wall clock, advanced by this machine's monotonic clock: this machine's wall clock may jump. */
export function serverTime({ clockOffset, now, wall }: Context): number {
  return clockOffset === undefined ? wall : now + clockOffset
}
