/** Times on the screen and in output. They come from other programs and files: no value makes these functions throw. */
import { clampTime } from '../../src/common/time.ts'

const DAY_FORMAT = new Intl.DateTimeFormat('en-GB', { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' })

/** The local time of day, HH:MM. */
export function formatTimeOfDay(at: number): string {
  const date = new Date(clampTime(at))
  return `${`${date.getHours()}`.padStart(2, '0')}:${`${date.getMinutes()}`.padStart(2, '0')}`
}

/** The local day, such as `Monday, 5 January 2026`. */
export function formatDay(at: number): string {
  return DAY_FORMAT.format(clampTime(at))
}

/** Identifies a local day: two times have the same value if they are on the same day. */
export function localDay(at: number): string {
  const date = new Date(clampTime(at))
  return `${date.getFullYear()}-${date.getMonth()}-${date.getDate()}`
}
