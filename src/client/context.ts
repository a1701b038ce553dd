import type { HybridClock } from '../common/hybrid-clock.ts'
import { clampTime, isTime } from '../common/time.ts'
import type { SessionEvent } from './events.ts'
import type { Saves } from './history/saves.ts'
import type { SessionEffect, SessionOptions } from './types.ts'

/** State that the modules of a session share during a step. */
export interface Context {
  readonly options: SessionOptions
  readonly clock: HybridClock
  readonly saves: Saves
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

/** Most difference between the clocks of this machine and of a server, ms: a server with another time is not used. */
export const MAX_CLOCK_DIFFERENCE_MS = 24 * 3_600_000

/** The server's wall clock, advanced by this machine's monotonic clock: this machine's wall clock may jump. */
export function serverTime({ clockOffset, now, wall }: Context): number {
  return clampTime(clockOffset === undefined ? wall : now + clockOffset)
}

/**
 * Whether a message or a read mark from the mesh can have this time. A time far in the future would stay the newest for
 * ever, and mark everything as read. The margin allows for clocks that are wrong or change during a connection.
 */
export function isPlausibleTime(context: Context, at: number): boolean {
  return isTime(at) && at <= serverTime(context) + MAX_CLOCK_DIFFERENCE_MS
}
