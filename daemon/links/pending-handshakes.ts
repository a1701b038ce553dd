import { exceeds } from '../../src/protocol/limits.ts'

/**
 * Handshakes of dialling peers under way. Above the limit, the address with the most loses its oldest: strangers of one
 * address take no place of a peer at another. Of several such addresses chance decides: if it was always the oldest, strangers
 * with many addresses could displace a peer that cannot return (of version 0.1) at every attempt.
 */
export class PendingHandshakes {
  readonly #limit: number
  /** What aborts each, oldest first, by address. */
  readonly #byAddress = new Map<string, Set<() => void>>()
  readonly #random: () => number
  #size = 0

  /**
   * @param limit 0: unlimited
   * @param random from 0 up to 1
   */
  constructor(limit: number, random: () => number) {
    this.#limit = limit
    this.#random = random
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
    let largest: Set<() => void>[] = []
    for (const aborts of this.#byAddress.values()) {
      const most = largest[0]?.size ?? 0
      if (aborts.size > most) largest = [aborts]
      else if (aborts.size === most) largest.push(aborts)
    }
    for (const oldest of largest[Math.floor(this.#random() * largest.length)] ?? []) return oldest
    return undefined
  }
}
