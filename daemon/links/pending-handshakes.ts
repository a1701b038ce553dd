import { exceeds } from '../../src/protocol/limits.ts'

/**
 * Handshakes of dialling peers under way. Above the limit, the address with the most loses its oldest: strangers of one
 * address take no place of a peer at another.
 */
export class PendingHandshakes {
  readonly #limit: number
  /** What aborts each, oldest first, by address. */
  readonly #byAddress = new Map<string, Set<() => void>>()
  #size = 0

  /** @param limit 0: unlimited */
  constructor(limit: number) {
    this.#limit = limit
  }

  get size(): number {
    return this.#size
  }

  /**
   * Adds one, and aborts another if there are too many.
   * @param abort must remove it
   */
  add(address: string, abort: () => void): void {
    const aborts = this.#byAddress.get(address) ?? new Set()
    this.#byAddress.set(address, aborts.add(abort))
    this.#size++
    if (exceeds(this.#size, this.#limit)) this.#oldestOfLargest()?.()
  }

  remove(address: string, abort: () => void): void {
    const aborts = this.#byAddress.get(address)
    if (aborts?.delete(abort) !== true) return
    this.#size--
    if (aborts.size === 0) this.#byAddress.delete(address)
  }

  #oldestOfLargest(): (() => void) | undefined {
    let largest: Set<() => void> | undefined
    for (const aborts of this.#byAddress.values()) if (aborts.size > (largest?.size ?? 0)) largest = aborts
    for (const oldest of largest ?? []) return oldest
    return undefined
  }
}
