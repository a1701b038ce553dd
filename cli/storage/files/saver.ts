/** Delay before a failed save is tried again, ms. */
const RETRY_MS = 1_000

/**
 * Saves one after the other, for all that asked meanwhile at once. A save that fails is tried again until it succeeds.
 */
export class Saver {
  readonly #save: () => Promise<void>
  readonly #report: (problem: Error | undefined) => void
  #waiting: (() => void)[] = []
  #isRunning = false
  #hasProblem = false
  #isClosed = false

  /**
   * @param save saves everything that is stored so far; rejects if that is not possible
   * @param report called when saving fails, and with `undefined` when it succeeds again
   */
  constructor(save: () => Promise<void>, report: (problem: Error | undefined) => void) {
    this.#save = save
    this.#report = report
  }

  /** Calls `done` once everything that is stored so far is saved. */
  save(done: () => void): void {
    this.#waiting.push(done)
    if (!this.#isRunning) void this.#run()
  }

  /** Stops trying. */
  close(): void {
    this.#isClosed = true
    this.#waiting = []
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    while (this.#waiting.length > 0) {
      const done = this.#waiting.splice(0)
      try {
        await this.#save()
      } catch (error) {
        if (this.#isClosed) break
        this.#waiting.unshift(...done)
        if (!this.#hasProblem) this.#report(error as Error)
        this.#hasProblem = true
        await new Promise(resolve => setTimeout(resolve, RETRY_MS).unref())
        continue
      }
      if (this.#isClosed) break
      if (this.#hasProblem) this.#report(undefined)
      this.#hasProblem = false
      for (const call of done) call()
    }
    this.#isRunning = false
  }
}
