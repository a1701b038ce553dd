/** Threads that Alt and a digit opens. */
const MAX_NUMBER = 9

/**
 * The numbers of threads. A thread keeps its number as long as it is listed; a free one goes to the first thread without
 * one. So no key opens another thread than it did a moment before.
 */
export class ThreadNumbers {
  /** The thread of each number, starting with 1. */
  readonly #names: (string | undefined)[] = Array.from({ length: MAX_NUMBER }, () => undefined)

  /** Takes back the numbers of threads that are not listed, and gives free ones to the first others. */
  assign(listed: readonly string[]): void {
    const names = new Set(listed)
    for (const [at, name] of this.#names.entries()) {
      if (name === undefined) continue
      if (names.has(name)) names.delete(name)
      else this.#names[at] = undefined
    }
    const waiting = names.values()
    for (const [at, name] of this.#names.entries()) this.#names[at] = name ?? waiting.next().value
  }

  /** The threads that have a number, in the order of the numbers. */
  get names(): string[] {
    return this.#names.filter(name => name !== undefined)
  }

  /** The number of a thread; undefined: it has none. */
  find(name: string): number | undefined {
    const at = this.#names.indexOf(name)
    return at < 0 ? undefined : at + 1
  }
}
