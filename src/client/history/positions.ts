/** Ranges of messages, and what orders and identifies messages in them. */
import { FNV_SEEDS, fnv1a } from '../../common/fnv1a.ts'
import type { Message } from '../../protocol/messages.ts'

/**
 * A range of messages. Within it are the messages whose position, (hybrid time, hash), is at least `from` and below `to`;
 * without `to`, it has no end. Without a hash, a bound is before all messages of its time. The hash instead of the id
 * divides messages of one time, because the index of a history has the hashes, but has to read ids from disk.
 */
export interface Range {
  from: number
  fromHash?: string | undefined
  to?: number | undefined
  toHash?: string | undefined
}

/** The number of messages in a range, and a hash of their ids that does not depend on their order. */
export interface Fingerprint extends Range {
  count: number
  hash: string
}

/** A message's place in the order of ranges: by time, then by hash. */
export interface Position extends MessageHash {
  at: number
}

/** Positions as columns, ordered. */
export interface PositionColumns {
  /** Hybrid times, ascending. */
  readonly at: Float64Array
  /** The two halves of each message's hash, `messageHash` with seed A and B. */
  readonly hashA: Int32Array
  readonly hashB: Int32Array
}

const [SEED_A, SEED_B] = FNV_SEEDS

/** The first index below `length` for which `isBefore` is false; `length` if there is none (binary search). */
export function lowerBound(length: number, isBefore: (index: number) => boolean): number {
  let low = 0
  let high = length
  while (low < high) {
    const middle = (low + high) >> 1
    if (isBefore(middle)) low = middle + 1
    else high = middle
  }
  return low
}

/** A unique key of a message, the same on every client. Names contain no line breaks. */
export function messageKey({ from, id }: Pick<Message, 'from' | 'id'>): string {
  return `${from}\n${id}`
}

/** A 64-bit hash, as two signed halves. */
export interface MessageHash {
  a: number
  b: number
}

/** The hash of a message's key. */
export function messageHash(message: Pick<Message, 'from' | 'id'>): MessageHash {
  const key = messageKey(message)
  return { a: fnv1a(key, SEED_A), b: fnv1a(key, SEED_B) }
}

export function comparePositions(one: Position, other: Position): number {
  return one.at - other.at || (one.a >>> 0) - (other.a >>> 0) || (one.b >>> 0) - (other.b >>> 0)
}

/** A hash on the wire: 16 hexadecimal digits. */
export function formatHash({ a, b }: MessageHash): string {
  return [a, b].map(half => (half >>> 0).toString(16).padStart(8, '0')).join('')
}

function parseHash(hash = ''): MessageHash {
  const half = (digits: string) => (digits === '' ? 0 : Number.parseInt(digits, 16) | 0)
  return { a: half(hash.slice(0, 8)), b: half(hash.slice(8)) }
}

export function boundsOf({ from, fromHash, to, toHash }: Range): { from: Position; to: Position | undefined } {
  return {
    from: { at: from, ...parseHash(fromHash) },
    to: to === undefined ? undefined : { at: to, ...parseHash(toHash) },
  }
}

export function rangeOf(
  from: number,
  fromHash: string | undefined,
  to: number | undefined,
  toHash: string | undefined,
): Range {
  return {
    from,
    ...(fromHash === undefined ? {} : { fromHash }),
    ...(to === undefined ? {} : { to }),
    ...(toHash === undefined ? {} : { toHash }),
  }
}

/** Number of entries before a position, in columns that are ordered by position. */
export function entriesBefore({ at, hashA, hashB }: PositionColumns, position: Position): number {
  const entry: Position = { at: 0, a: 0, b: 0 }
  return lowerBound(at.length, index => {
    entry.at = at[index] ?? 0
    entry.a = hashA[index] ?? 0
    entry.b = hashB[index] ?? 0
    return comparePositions(entry, position) < 0
  })
}
