import type { StoredReceipt } from '../../src/client/history/message-log.ts'
import {
  comparePositions,
  entriesBefore,
  type Position,
  type PositionColumns,
} from '../../src/client/history/positions.ts'
import { mergeReceipts } from './receipt-counts.ts'

/** The index entry of one message. `a` and `b` are the halves of its hash. */
export interface IndexEntry extends Position {
  /** Number of the correspondent or room in the index's list of names. */
  peer: number
  /** Position and length of the message's line in the history file, bytes. */
  offset: number
  length: number
}

/**
 * Index entries as columns, sorted by position, each message once. An update makes new columns, which may share memory; the
 * rows of the old ones do not change, except that receipts grow.
 */
export interface IndexColumns {
  readonly at: Float64Array
  readonly hashA: Int32Array
  readonly hashB: Int32Array
  readonly peer: Int32Array
  readonly offset: Float64Array
  readonly length: Uint32Array
  /** The receipt of a message: how many have confirmed it (0: no receipt), of how many (0: not a room). */
  readonly delivered: Uint16Array
  readonly of: Uint16Array
}

/** Room for later rows when columns are copied: appending costs a copy only now and then. */
const GROWTH = 1.25

export const BYTES_PER_ENTRY = 8 + 4 + 4 + 4 + 8 + 4 + 2 + 2

export const EMPTY_COLUMNS: IndexColumns = allocateColumns(0)

function allocateColumns(size: number): IndexColumns {
  return {
    at: new Float64Array(size),
    hashA: new Int32Array(size),
    hashB: new Int32Array(size),
    peer: new Int32Array(size),
    offset: new Float64Array(size),
    length: new Uint32Array(size),
    delivered: new Uint16Array(size),
    of: new Uint16Array(size),
  }
}

/** The row with this time and hash; -1 if there is none. */
export function indexOfEntry(columns: IndexColumns, entry: Position): number {
  const row = entriesBefore(columns, entry)
  const { at, hashA, hashB } = columns
  return at[row] === entry.at && hashA[row] === entry.a && hashB[row] === entry.b ? row : -1
}

/** The rows with this time and hash: of several messages, if their hashes are equal. */
export function rowsOfEntry(columns: IndexColumns, entry: Position): number[] {
  const rows: number[] = []
  const { at, hashA, hashB } = columns
  for (let row = entriesBefore(columns, entry); at[row] === entry.at; row++) {
    if (hashA[row] !== entry.a || hashB[row] !== entry.b) break
    rows.push(row)
  }
  return rows
}

/** Records the receipt of the message with this time and hash. Counts only grow. Returns false if there is no such message. */
export function recordReceipt(columns: IndexColumns, position: Position, receipt: StoredReceipt): boolean {
  const rows = rowsOfEntry(columns, position)
  for (const row of rows) {
    const { delivered, of = 0 } = mergeReceipts(receipt, receiptOf(columns, row))
    columns.delivered[row] = delivered
    columns.of[row] = of
  }
  return rows.length > 0
}

/** The positions of the messages in some rows. */
export function selectRows({ at, hashA, hashB }: IndexColumns, rows: Uint32Array): PositionColumns {
  const { length } = rows
  const selected = { at: new Float64Array(length), hashA: new Int32Array(length), hashB: new Int32Array(length) }
  for (let index = 0; index < length; index++) selected.at[index] = at[rows[index] ?? 0] ?? 0
  for (let index = 0; index < length; index++) selected.hashA[index] = hashA[rows[index] ?? 0] ?? 0
  for (let index = 0; index < length; index++) selected.hashB[index] = hashB[rows[index] ?? 0] ?? 0
  return selected
}

/** The receipt in a row; undefined: none. */
export function receiptOf({ delivered, of }: IndexColumns, row: number): StoredReceipt | undefined {
  const [count = 0, all = 0] = [delivered[row], of[row]]
  if (count === 0) return undefined
  return all === 0 ? { delivered: count } : { delivered: count, of: all }
}

/** Where the line of a message is. */
type LinePosition = Pick<IndexEntry, 'offset' | 'length'>

/**
 * Adds the entries that are missing. Cost: a sort of the added entries and, unless they come after all others, a copy of all
 * columns.
 * @param keyOf what identifies the message of a line; called only for entries with the same time and hash
 */
export function mergeEntries(
  columns: IndexColumns,
  added: IndexEntry[],
  keyOf: (line: LinePosition) => string,
): IndexColumns {
  added.sort(comparePositions)
  const newEntries: IndexEntry[] = []
  for (let start = 0, end = 0; start < added.length; start = end) {
    const first = added[start]
    if (first === undefined) break
    end = start + 1
    for (let next = added[end]; next !== undefined && comparePositions(first, next) === 0; next = added[end]) end++
    const rows = rowsOfEntry(columns, first)
    if (rows.length === 0 && end === start + 1) {
      newEntries.push(first)
      continue
    }
    const known = rows.map(row => keyOf({ offset: columns.offset[row] ?? 0, length: columns.length[row] ?? 0 }))
    const keys = new Set(known)
    for (const entry of added.slice(start, end)) {
      const key = keyOf(entry)
      if (!keys.has(key)) newEntries.push(entry)
      keys.add(key)
    }
  }
  if (newEntries.length === 0) return columns
  const { length: size } = columns.at
  if (entriesBefore(columns, newEntries[0] ?? { at: 0, a: 0, b: 0 }) === size) return appendEntries(columns, newEntries)
  const merged = allocateColumns(size + newEntries.length)
  let from = 0
  let to = 0
  for (const entry of newEntries) {
    const row = entriesBefore(columns, entry)
    copy(columns, from, row, merged, to)
    to += row - from
    from = row
    setRow(merged, to++, entry)
  }
  copy(columns, from, size, merged, to)
  return merged
}

/** Columns with room for more rows. `used`: the rows that some columns already show. */
interface Store {
  readonly columns: IndexColumns
  used: number
}

/** The store of columns that show its start, by their times. */
const stores = new WeakMap<Float64Array, Store>()

/** Adds entries that come after all others, the usual case. Rows that other columns show do not change. */
function appendEntries(columns: IndexColumns, entries: readonly IndexEntry[]): IndexColumns {
  const { length: size } = columns.at
  const length = size + entries.length
  let store = stores.get(columns.at)
  if (store === undefined || store.used !== size || store.columns.at.length < length) {
    store = { columns: allocateColumns(Math.ceil(length * GROWTH)), used: size }
    copy(columns, 0, size, store.columns, 0)
  }
  for (const entry of entries) setRow(store.columns, store.used++, entry)
  const { at, hashA, hashB, peer, offset, length: lengths, delivered, of } = store.columns
  const grown = {
    at: at.subarray(0, length),
    hashA: hashA.subarray(0, length),
    hashB: hashB.subarray(0, length),
    peer: peer.subarray(0, length),
    offset: offset.subarray(0, length),
    length: lengths.subarray(0, length),
    delivered: delivered.subarray(0, length),
    of: of.subarray(0, length),
  }
  stores.set(grown.at, store)
  return grown
}

function setRow(columns: IndexColumns, row: number, entry: IndexEntry): void {
  columns.at[row] = entry.at
  columns.hashA[row] = entry.a
  columns.hashB[row] = entry.b
  columns.peer[row] = entry.peer
  columns.offset[row] = entry.offset
  columns.length[row] = entry.length
}

function copy(source: IndexColumns, from: number, end: number, target: IndexColumns, to: number): void {
  if (from === end) return
  target.at.set(source.at.subarray(from, end), to)
  target.hashA.set(source.hashA.subarray(from, end), to)
  target.hashB.set(source.hashB.subarray(from, end), to)
  target.peer.set(source.peer.subarray(from, end), to)
  target.offset.set(source.offset.subarray(from, end), to)
  target.length.set(source.length.subarray(from, end), to)
  target.delivered.set(source.delivered.subarray(from, end), to)
  target.of.set(source.of.subarray(from, end), to)
}

/**
 * Whether all entries can be used.
 * @param names number of correspondents and rooms
 * @param bytes size of the indexed part of the history
 */
export function areEntriesValid(columns: IndexColumns, names: number, bytes: number): boolean {
  const { at, hashA, hashB, peer, offset, length } = columns
  // There may be millions of entries: a plain loop, without objects.
  let lastTime = Number.NEGATIVE_INFINITY
  let lastA = 0
  let lastB = 0
  for (let row = 0; row < at.length; row++) {
    const number = peer[row] ?? -1
    if (number < 0 || number >= names) return false
    const start = offset[row] ?? -1
    if (!Number.isSafeInteger(start) || start < 0 || start + (length[row] ?? 0) > bytes) return false
    const time = at[row] ?? Number.NaN
    const a = (hashA[row] ?? 0) >>> 0
    const b = (hashB[row] ?? 0) >>> 0
    const isInOrder = time > lastTime || (time === lastTime && (a > lastA || (a === lastA && b >= lastB)))
    if (!Number.isFinite(time) || !isInOrder) return false
    lastTime = time
    lastA = a
    lastB = b
  }
  return true
}

/** The columns as bytes. Wider columns come first, so that every column is aligned. */
export function packColumns({ at, offset, hashA, hashB, peer, length, delivered, of }: IndexColumns): Buffer[] {
  return [at, offset, hashA, hashB, peer, length, delivered, of].map(column =>
    Buffer.from(column.buffer, column.byteOffset, column.byteLength),
  )
}

/** Reads columns from bytes; undefined if the length is not a whole number of entries. */
export function unpackColumns(
  bytes: ArrayBuffer,
  offset: number,
  end: number = bytes.byteLength,
): IndexColumns | undefined {
  const size = (end - offset) / BYTES_PER_ENTRY
  if (!Number.isInteger(size)) return undefined
  let next = offset
  const take = (width: number) => {
    const start = next
    next += size * width
    return start
  }
  return {
    at: new Float64Array(bytes, take(8), size),
    offset: new Float64Array(bytes, take(8), size),
    hashA: new Int32Array(bytes, take(4), size),
    hashB: new Int32Array(bytes, take(4), size),
    peer: new Int32Array(bytes, take(4), size),
    length: new Uint32Array(bytes, take(4), size),
    delivered: new Uint16Array(bytes, take(2), size),
    of: new Uint16Array(bytes, take(2), size),
  }
}
