import type { StoredReceipt } from '../../src/client/history/message-log.ts'

/** Highest count of a receipt in the index. */
const MAX_COUNT = 0xffff

/** Whether a receipt says more than a known one. One without confirmations says nothing. */
export function isMore(receipt: StoredReceipt, known: StoredReceipt | undefined): boolean {
  if (receipt.delivered === 0) return false
  return toCount(receipt.delivered) > toCount(known?.delivered) || toCount(receipt.of) > toCount(known?.of)
}

/** The higher counts of two receipts of a message. */
export function mergeReceipts(one: StoredReceipt, other: StoredReceipt | undefined): StoredReceipt {
  const delivered = Math.max(toCount(one.delivered), toCount(other?.delivered))
  const of = Math.max(toCount(one.of), toCount(other?.of))
  return of === 0 ? { delivered } : { delivered, of }
}

function toCount(count = 0): number {
  return Math.min(count, MAX_COUNT)
}
