/** Numbers in few columns. */

const UNITS = ['', 'k', 'M', 'G', 'T', 'P']

/** A count in at most five columns. */
export function formatCount(value: number): string {
  let rest = value
  let unit = 0
  for (let most = 99_999.5; rest >= most && unit < UNITS.length - 1; most = 999.5) {
    rest /= 1_000
    unit++
  }
  return unit === 0 ? `${Math.round(rest)}` : `${Math.min(9_999, Math.round(rest))}${UNITS[unit]}`
}

/** Something a second; below ten with a decimal. Nothing known: a dash. */
export function formatRate(value: number | undefined): string {
  if (value === undefined) return '-'
  return value > 0 && value < 9.95 ? value.toFixed(1) : formatCount(value)
}

/** A round trip, ms, in at most five columns. */
export function formatMs(ms: number | undefined): string {
  if (ms === undefined) return '-'
  if (ms < 9.95) return ms.toFixed(1)
  return ms < 9_999.5 ? `${Math.round(ms)}` : `${formatCount(ms / 1_000)}s`
}

/** A length of time, in its largest unit or two, at most five columns. */
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

/** An eighth of a row, to a whole one. */
export const BARS = Array.from('▁▂▃▄▅▆▇█')

/** One column for each value, the newest at the right end; `most` is as high as can be. A gap stays empty. */
export function sparkline(values: readonly (number | undefined)[], columns: number, max: number): string {
  const shown = columns <= 0 ? [] : values.slice(-columns)
  const bars = shown.map(value => {
    if (value === undefined) return ' '
    // Something is seen to be more than nothing, however little it is.
    const bar = value <= 0 ? 0 : Math.max(1, Math.round((value / max) * (BARS.length - 1)))
    return BARS[Math.min(BARS.length - 1, bar)]
  })
  return bars.join('').padStart(Math.max(0, columns))
}

/** What a sparkline's height is to be: the most that it shows, but not less than one, so that a trickle looks like one. */
export function sparklineMax(values: Iterable<readonly (number | undefined)[]>): number {
  let max = 1
  for (const series of values) for (const value of series) max = Math.max(max, value ?? 0)
  return max
}
