/** The smallest step of hybrid logical time: a double holds ms since 1970 with ten fractional bits. */
export const LOGICAL_STEP_MS = 1 / 1024

/** A server rejects a message whose time is further ahead of its own clock than this, ms. */
export const MAX_CLOCK_AHEAD_MS = 60_000

/**
 * A last time further ahead than this, ms, is forgotten: the clock that it came from was wrong. Clocks of servers that are
 * wrong by less change which time is plausible; times that only grow are better then, though some are rejected for a while.
 */
const MAX_LAST_AHEAD_MS = 300_000

/**
 * A hybrid logical clock (Kulkarni et al., "Logical Physical Clocks", 2014) in one number: ms since 1970, with the
 * logical part in the fraction. Each new time is later than all times returned or observed before, so an answer sorts
 * after its question even if the clocks of the machines differ.
 */
export class HybridClock {
  #last = 0

  /** Returns the time of an event that happens now; `wall`: ms since 1970. */
  tick(wall: number): number {
    this.#forgetWrongTime(wall)
    const physical = Math.floor(wall)
    this.#last = physical > this.#last ? physical : this.#last + LOGICAL_STEP_MS
    return this.#last
  }

  /** Observes a time from another machine. Ignores a time too far ahead: that clock is wrong. */
  observe(at: number, wall: number): void {
    this.#forgetWrongTime(wall)
    if (at > this.#last && at <= wall + MAX_CLOCK_AHEAD_MS) this.#last = Math.ceil(at * 1024) / 1024
  }

  /** Whether a server would reject the next time as ahead of its clock. */
  isAhead(wall: number): boolean {
    return this.#last > wall + MAX_CLOCK_AHEAD_MS
  }

  /** Forgets all times: the clock that they came from was wrong. */
  reset(): void {
    this.#last = 0
  }

  /** Forgets a last time that came from a wrong clock: servers would reject all times after it. */
  #forgetWrongTime(wall: number): void {
    if (this.#last > Math.ceil(wall) + MAX_LAST_AHEAD_MS) this.#last = 0
  }
}

/** The order of messages: by hybrid time, then by id. */
export function compareMessages(a: { at: number; id: string }, b: { at: number; id: string }): number {
  return a.at - b.at || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
}
