/** Bounds of times and delays: the one place that decides which of them are possible. All in ms. */

/** 2000-01-01 UTC: no time of this program is earlier. */
export const MIN_TIME_MS = 946_684_800_000
/** 2100-01-01 UTC: no time of this program is later. Dates up to it can be formatted everywhere. */
export const MAX_TIME_MS = 4_102_444_800_000

/** The longest delay of a timer: Node.js and browsers run a timer with a longer one at once (32-bit overflow). */
const MAX_TIMER_MS = 2 ** 31 - 1

/** Whether a value is a possible time, ms since 1970. */
export function isTime(value: unknown): value is number {
  return typeof value === 'number' && value >= MIN_TIME_MS && value <= MAX_TIME_MS
}

/** The nearest possible time: a clock that was never set, or a file, may have another. */
export function clampTime(ms: number): number {
  return Math.min(MAX_TIME_MS, Math.max(MIN_TIME_MS, Number.isNaN(ms) ? MIN_TIME_MS : ms))
}

/**
 * The delay of a timer that is due in `ms`: whole ms, at least 1, at most 24.8 days. A timer for a later deadline fires
 * early: its function must check the deadline and set the timer again.
 */
export function timerDelay(ms: number): number {
  return Number.isNaN(ms) ? 1 : Math.min(MAX_TIMER_MS, Math.max(1, Math.ceil(ms)))
}
