import { type Context, MAX_CLOCK_DIFFERENCE_MS } from './context.ts'

/** Two answers agree if they differ by at most this much, ms. */
const MAX_DISAGREEMENT_MS = 60_000
/** Answers that are remembered. */
const MAX_DOUBTED = 8

/**
 * Decides whether to believe the time of a server. It is believed if it is near this machine's clock, or near the time of
 * the mesh as known. Otherwise one of the clocks is wrong: a second answer with the same time decides that it is this
 * machine's.
 */
export class ServerTimes {
  /** The times that were not believed, minus the monotonic clock, ms. */
  readonly #doubted: number[] = []

  /**
   * @param offset the time in the server's answer minus the monotonic clock, ms
   * @returns `ask-again`: it is the first time that is not believed
   */
  judge(offset: number, { now, wall, clockOffset }: Pick<Context, 'now' | 'wall' | 'clockOffset'>): TimeTrust {
    const isNear = (other: number, limit: number) => Math.abs(offset - other) <= limit
    if (isNear(wall - now, MAX_CLOCK_DIFFERENCE_MS)) return 'believed'
    if (clockOffset !== undefined && isNear(clockOffset, MAX_CLOCK_DIFFERENCE_MS)) return 'believed'
    if (this.#doubted.some(other => isNear(other, MAX_DISAGREEMENT_MS))) return 'believed'
    this.#doubted.push(offset)
    if (this.#doubted.length === 1) return 'ask-again'
    if (this.#doubted.length > MAX_DOUBTED) this.#doubted.shift()
    return 'wrong'
  }
}

type TimeTrust = 'believed' | 'ask-again' | 'wrong'

export function describeClockDifference(ms: number): string {
  const hours = Math.round(Math.abs(ms) / 3_600_000)
  return `the clock of the server is ${hours} hours ${ms < 0 ? 'behind' : 'ahead of'} the clock of this machine; set the wrong one`
}
