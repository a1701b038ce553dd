/** The smallest step of hybrid logical time: a double holds ms since 1970 with ten bits behind the point. */
const LOGICAL_STEP_MS = 1 / 1024

/** A server refuses a message whose time is more than this ahead of its own clock, in ms. */
export const MAX_CLOCK_AHEAD_MS = 60_000

/**
 * A hybrid logical clock (Kulkarni et al., "Logical Physical Clocks", 2014) in one number: ms since 1970, the logical
 * part in the fraction. A time given is above every time given or seen before, so an answer sorts behind its question
 * whatever the machines' clocks say.
 */
export class HybridClock {
  #last = 0

  /** The time for something that happens now; `wall` is the best known ms since 1970. */
  tick(wall: number): number {
    const physical = Math.floor(wall)
    this.#last = physical > this.#last ? physical : this.#last + LOGICAL_STEP_MS
    return this.#last
  }

  /** Takes note of a time seen elsewhere. One too far ahead is a broken clock and is not followed. */
  observe(at: number, wall: number): void {
    if (at > this.#last && at <= wall + MAX_CLOCK_AHEAD_MS) this.#last = Math.ceil(at * 1024) / 1024
  }
}

/** Order of messages everywhere: by hybrid time, then by id. */
export function compareMessages(a: { at: number; id: string }, b: { at: number; id: string }): number {
  return a.at - b.at || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
}
