/** One measured quantity: a sample per round, optionally with those of a yardstick and with targets. */
export interface Measure {
  name: string
  unit: string
  samples: number[]
  /** The system that mesh-chat is compared to, measured in the same rounds. */
  yardstick?: { name: string; samples: number[] }
  /** Target for the ratio to the yardstick, or for the value itself without a yardstick. */
  aim?: { atMost: number } | { atLeast: number }
  /** Upper limit of the value itself, in addition to the target for the ratio. */
  limit?: number
}

export interface Benchmark {
  name: string
  /** What is measured, in one phrase. */
  about: string
  run(small: boolean): Promise<Measure[]>
}

export interface Result extends Measure {
  median: number
  spread: [number, number]
  /** Median of the ratios to the yardstick, round by round. */
  ratio?: number
  met?: boolean
}

export function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const high = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] ?? Number.NaN) + high) / 2
}

/** The value below which this share of the samples lies. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

export function evaluate(measure: Measure): Result {
  const { samples, yardstick, aim, limit } = measure
  const result: Result = { ...measure, median: median(samples), spread: [Math.min(...samples), Math.max(...samples)] }
  if (yardstick !== undefined) {
    result.ratio = median(samples.map((sample, round) => sample / (yardstick.samples[round] ?? Number.NaN)))
  }
  const judged = result.ratio ?? result.median
  if (aim !== undefined) result.met = 'atMost' in aim ? judged <= aim.atMost : judged >= aim.atLeast
  if (limit !== undefined) result.met = result.met !== false && result.median <= limit
  return result
}

function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return '-'
  if (value === 0) return '0'
  const size = Math.abs(value)
  return size >= 1_000
    ? Math.round(value).toLocaleString('en')
    : size >= 100
      ? value.toFixed(0)
      : size >= 10
        ? value.toFixed(1)
        : size >= 1
          ? value.toFixed(2)
          : value.toFixed(3)
}

/** The median, with the range of several different samples. */
function formatSamples(samples: readonly number[]): string {
  const [least, most] = [Math.min(...samples), Math.max(...samples)]
  const middle = formatNumber(median(samples))
  return least === most ? middle : `${middle} (${formatNumber(least)} to ${formatNumber(most)})`
}

function describeTarget({ aim, limit, yardstick }: Measure): string {
  const parts: string[] = []
  if (aim !== undefined)
    parts.push('atMost' in aim ? `≤ ${formatNumber(aim.atMost)}` : `≥ ${formatNumber(aim.atLeast)}`)
  if (parts.length > 0 && yardstick !== undefined) parts[0] += ' of yardstick'
  if (limit !== undefined) parts.push(`≤ ${formatNumber(limit)}`)
  return parts.join(', ')
}

/** A Markdown table: the median (with the range over all rounds), the yardstick, the ratio, the target, and whether it is met. */
export function table(results: readonly Result[]): string {
  const rows = [['measure', 'unit', 'mesh-chat', 'yardstick', 'ratio', 'target', '']]
  for (const result of results) {
    const { yardstick, ratio, met } = result
    rows.push([
      result.name,
      result.unit,
      formatSamples(result.samples),
      yardstick === undefined ? '' : `${yardstick.name}: ${formatSamples(yardstick.samples)}`,
      ratio === undefined ? '' : formatNumber(ratio),
      describeTarget(result),
      met === undefined ? '' : met ? '✓' : '✗',
    ])
  }
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map(row => row[column]?.length ?? 0))) ?? []
  const line = (row: string[]) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  const [head = [], ...body] = rows.map(line)
  return [head, `| ${widths.map(width => '-'.repeat(width)).join(' | ')} |`, ...body].join('\n')
}
