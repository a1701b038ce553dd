import type { StoredReceipt } from '../../src/client/history/message-log.ts'
import type { Position } from '../../src/client/history/positions.ts'
import { isMore, mergeReceipts } from './receipt-counts.ts'

/** Most receipts that wait for their message, the latest ones. */
const MAX_EARLY = 10_000

/** A receipt with the position of its message. */
export type EarlyReceipt = readonly [position: Position, receipt: StoredReceipt]

/** Receipts whose messages are not indexed yet: another client of the user may write the message later. */
export class EarlyReceipts {
  /** By position, latest last. */
  readonly #receipts = new Map<string, EarlyReceipt>()

  add(position: Position, receipt: StoredReceipt): void {
    const key = keyOf(position)
    const known = this.#receipts.get(key)?.[1]
    if (!isMore(receipt, known)) return
    this.#receipts.delete(key)
    this.#receipts.set(key, [position, mergeReceipts(receipt, known)])
    const [oldest] = this.#receipts.keys()
    if (this.#receipts.size > MAX_EARLY && oldest !== undefined) this.#receipts.delete(oldest)
  }

  get(position: Position): StoredReceipt | undefined {
    return this.#receipts.get(keyOf(position))?.[1]
  }

  /** Removes and returns the receipts of messages that have come. */
  takeAll(positions: readonly Position[]): EarlyReceipt[] {
    if (this.#receipts.size === 0) return []
    return positions.flatMap(position => {
      const key = keyOf(position)
      const found = this.#receipts.get(key)
      this.#receipts.delete(key)
      return found === undefined ? [] : [found]
    })
  }

  clear(): void {
    this.#receipts.clear()
  }

  [Symbol.iterator](): Iterator<EarlyReceipt> {
    return this.#receipts.values()
  }
}

function keyOf({ at, a, b }: Position): string {
  return `${at} ${a} ${b}`
}
