import { exceeds } from '../../../src/protocol/limits.ts'

/** A connection with bytes in memory that its client has not finished, or not read. */
export interface Holder {
  readonly heldBytes: number
  readonly isIdentified: boolean
  /** Closes the connection; it holds nothing after that. */
  exceed(reason: string): void
}

/**
 * The bytes that clients' connections hold, all together: of messages whose end has not arrived, and what waits for
 * connections that have not identified. Above the limit, the connection with the most is closed, and one that has not
 * identified before any other: strangers cannot displace users.
 */
export class HeldBytes {
  readonly #limit: number
  readonly #holders = new Set<Holder>()
  #total = 0

  /** @param limit 0: unlimited */
  constructor(limit: number) {
    this.#limit = limit
  }

  get total(): number {
    return this.#total
  }

  /** A connection holds `change` bytes more. */
  change(holder: Holder, change: number): void {
    this.#total += change
    if (holder.heldBytes > 0) this.#holders.add(holder)
    else this.#holders.delete(holder)
    while (exceeds(this.#total, this.#limit)) {
      const largest = this.#largest()
      if (largest === undefined) return
      largest.exceed('too many bytes of unfinished messages on this server')
    }
  }

  #largest(): Holder | undefined {
    let largest: Holder | undefined
    for (const holder of this.#holders) {
      const isBetter =
        largest === undefined ||
        (holder.isIdentified === largest.isIdentified ? holder.heldBytes > largest.heldBytes : !holder.isIdentified)
      if (isBetter) largest = holder
    }
    return largest
  }
}
