/** Short forms of numbers, and sparklines. */

const UNITS = ['', 'k', 'M', 'G', 'T', 'P']

/** A count in at most 5 columns. */
export function formatCount(value: number): string {
  let rest = value
  let unit = 0
  for (let most = 99_999.5; rest >= most && unit < UNITS.length - 1; most = 999.5) {
    rest /= 1_000
    unit++
  }
  return unit === 0 ? `${Math.round(rest)}` : `${Math.min(9_999, Math.round(rest))}${UNITS[unit]}`
}

/** A count, `-` if unknown. */
export function formatOptional(value: number | undefined): string {
  return value === undefined ? '-' : formatCount(value)
}

/** A rate per second, below 10 with one decimal; `-` if unknown. */
export function formatRate(value: number | undefined): string {
  if (value === undefined) return '-'
  return value > 0 && value < 9.95 ? value.toFixed(1) : formatCount(value)
}

/** A round trip, ms, in at most 5 columns; `-` if unknown. */
export function formatMs(ms: number | undefined): string {
  if (ms === undefined) return '-'
  if (ms < 9.95) return ms.toFixed(1)
  return ms < 9_999.5 ? `${Math.round(ms)}` : `${formatCount(ms / 1_000)}s`
}

/** A duration in at most 5 columns. */
export function formatDuration(ms: number): string {
  const seconds = Math.floor(ms / 1_000)
  if (seconds < 60) return `${seconds}s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes}m`
  const hours = Math.floor(minutes / 60)
  if (hours < 10) return `${hours}h${`${minutes % 60}`.padStart(2, '0')}`
  if (hours < 48) return `${hours}h`
  return `${formatCount(Math.floor(hours / 24))}d`
}

/** Bars of 1/8 to 8/8 of a row. */
export const BARS = Array.from('▁▂▃▄▅▆▇█')

/** One column per value, the newest at the right. `max` is a full bar; a gap is blank. */
export function sparkline(values: readonly (number | undefined)[], columns: number, max: number): string {
  const shown = columns <= 0 ? [] : values.slice(-columns)
  const bars = shown.map(value => {
    if (value === undefined) return ' '
    // Any value above 0 is distinguishable from 0.
    const bar = value <= 0 ? 0 : Math.max(1, Math.round((value / max) * (BARS.length - 1)))
    return BARS[Math.min(BARS.length - 1, bar)]
  })
  return bars.join('').padStart(Math.max(0, columns))
}

/** The value of a full bar: the maximum of all series, but at least 1, so that a low rate looks low. */
export function sparklineMax(values: Iterable<readonly (number | undefined)[]>): number {
  let max = 1
  for (const series of values) for (const value of series) max = Math.max(max, value ?? 0)
  return max
}
