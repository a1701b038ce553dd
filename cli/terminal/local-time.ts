import { clampTime } from '../../src/common/time.ts'

/** The local date and time to the minute, `2026-11-24 09:05`. */
export function localDateTime(at: number): string {
  const date = new Date(clampTime(at))
  const two = (part: number) => `${part}`.padStart(2, '0')
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`
}
