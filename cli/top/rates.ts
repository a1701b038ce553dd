import type { ServerStatus } from '../../src/protocol/status.ts'

const COUNTERS = ['accepted', 'refused', 'forwarded', 'delivered'] as const

/** Messages per second, by counter of the server. */
export type Rates = Record<(typeof COUNTERS)[number], number>

type CountedStatus = Pick<ServerStatus, (typeof COUNTERS)[number] | 'incarnation' | 'uptime'>

/**
 * The rates of a server's counters between two readings. Time is the server's uptime, so that a delayed answer causes no
 * peak. Returns `same` if both readings are from the same moment, undefined if the server restarted in between or a
 * counter went backwards.
 */
export function ratesBetween(before: CountedStatus, after: CountedStatus): Rates | 'same' | undefined {
  if (before.incarnation !== after.incarnation) return undefined
  const elapsed = (after.uptime - before.uptime) / 1_000
  if (elapsed === 0) return 'same'
  const rates = { accepted: 0, refused: 0, forwarded: 0, delivered: 0 }
  for (const kind of COUNTERS) {
    const increase = after[kind] - before[kind]
    if (increase < 0 || elapsed < 0.001) return undefined
    rates[kind] = increase / elapsed
  }
  return rates
}

/** The latest values of a metric, one per reading; undefined for a gap. */
export class Series {
  /** Values kept: one per column of a wide screen. */
  static readonly MAX_VALUES = 200
  readonly #values: (number | undefined)[] = []

  push(value: number | undefined): void {
    if (this.#values.push(value) > Series.MAX_VALUES) this.#values.shift()
  }

  get last(): number | undefined {
    return this.#values.at(-1)
  }

  /** The last `count` values, newest last. */
  tail(count: number): readonly (number | undefined)[] {
    return count <= 0 ? [] : this.#values.slice(-count)
  }
}

export type ReadonlySeries = Pick<Series, 'last' | 'tail'>
