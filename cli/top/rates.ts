import type { ServerStatus } from '../../src/protocol/status.ts'

const COUNTERS = ['accepted', 'refused', 'forwarded', 'delivered'] as const

/** Messages a second, of each kind that a server counts. */
export type Rates = Record<(typeof COUNTERS)[number], number>

/**
 * How fast a server counted from one reading to the next, by its own clock, so that an answer that took its time, or is
 * told twice, shows no false peak. `same`: it has told nothing newer. Undefined: the two are not of one life, or make no
 * sense together.
 */
export function ratesBetween(before: ServerStatus, after: ServerStatus): Rates | 'same' | undefined {
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

/** The last values of something, one a reading; undefined where there was none. */
export class Series {
  /** One for each column of a wide screen. */
  static readonly MAX_VALUES = 200
  readonly #values: (number | undefined)[] = []

  push(value: number | undefined): void {
    if (this.#values.push(value) > Series.MAX_VALUES) this.#values.shift()
  }

  get last(): number | undefined {
    return this.#values.at(-1)
  }

  /** The last so many, the newest last. */
  tail(count: number): readonly (number | undefined)[] {
    return count <= 0 ? [] : this.#values.slice(-count)
  }
}
