import { crc32 } from 'node:zlib'
import * as z from 'zod'
import { readFileBytes } from '../storage/files/open-file.ts'
import { writeFileAtomically } from '../storage/files/write-file-atomically.ts'
import { ChangeIndex, packedLength } from './change-index.ts'
import type { EarlyReceipt } from './early-receipts.ts'
import { areEntriesValid, BYTES_PER_ENTRY, type IndexColumns, packColumns, unpackColumns } from './index-columns.ts'
import type { PackedRows } from './thread-rows.ts'

/** Identifies the layout. An index with another one, such as that of 0.2.0, is ignored and rebuilt. */
const MAGIC = 'mesh-chat index 8'
/**
 * The magic; the CRC-32 of all that follows (uint32); the length of the details as JSON, padded with spaces to a multiple of
 * 8 (float64); the number of indexed bytes of the history (float64). The details, the changes, the columns and the rows by
 * thread (uint32) follow. All parts but the last are aligned to 8 bytes, that to 4.
 */
const HEADER_BYTES = 40
const CHECKSUM_OFFSET = 20
const CHECKED_FROM = 24
const ALIGNMENT = 8
const BYTES_PER_ROW = 4
/** Room for the details and the header in the size of an index, above that of the history. */
const SPARE_BYTES = 1 << 16

const detailsSchema = z.object({
  names: z.array(z.string()),
  /** `[at, a, b, delivered, of]` for each early receipt. */
  receipts: z.array(z.tuple([z.number(), z.int(), z.int(), z.int(), z.int()])),
  /** The number of changes. */
  changes: z.int().min(0),
  /** The number of rows of each name. */
  counts: z.array(z.int().min(0)),
})
type Details = z.infer<typeof detailsSchema>

/** The entries of the first `indexedBytes` bytes of a history file. */
export interface SavedIndex {
  indexedBytes: number
  /** The correspondents and rooms, each once; `columns.peer` has their numbers. */
  names: readonly string[]
  columns: IndexColumns
  rows: PackedRows
  /** The messages among them that change other ones. */
  changes: ChangeIndex
  /** Receipts in the indexed bytes whose messages are not. */
  receipts: readonly EarlyReceipt[]
}

/**
 * Reads an index file; undefined if it is missing or unusable.
 * @param historyBytes size of the history: an index is smaller, and covers at most that
 */
export function readIndex(file: string, historyBytes: number): SavedIndex | undefined {
  let bytes: Buffer
  try {
    bytes = readFileBytes(file, historyBytes + SPARE_BYTES)
  } catch {
    return undefined
  }
  if (bytes.length < HEADER_BYTES || bytes.toString('latin1', 0, MAGIC.length) !== MAGIC) return undefined
  if (bytes.readUInt32LE(CHECKSUM_OFFSET) !== crc32(bytes.subarray(CHECKED_FROM))) return undefined
  const detailsLength = bytes.readDoubleLE(HEADER_BYTES - 16)
  const indexedBytes = bytes.readDoubleLE(HEADER_BYTES - 8)
  const details = parseDetails(bytes, detailsLength)
  if (details === undefined) return undefined
  const content = alignedBuffer(bytes)
  const changesStart = HEADER_BYTES + detailsLength
  const changes = ChangeIndex.unpack(content, changesStart, details.changes, indexedBytes)
  if (changes === undefined) return undefined
  const columnsStart = changesStart + packedLength(details.changes)
  const size = (content.byteLength - columnsStart) / (BYTES_PER_ENTRY + BYTES_PER_ROW)
  const { names, counts } = details
  if (!Number.isInteger(size) || counts.reduce((sum, count) => sum + count, 0) !== size) return undefined
  const rowsStart = columnsStart + size * BYTES_PER_ENTRY
  const columns = unpackColumns(content, columnsStart, rowsStart)
  if (columns === undefined) return undefined
  if (!Number.isSafeInteger(indexedBytes) || indexedBytes > historyBytes) return undefined
  const rows = { rows: new Uint32Array(content, rowsStart, size), counts }
  const receipts = details.receipts.map(
    ([at, a, b, delivered, of]): EarlyReceipt => [{ at, a, b }, of === 0 ? { delivered } : { delivered, of }],
  )
  return { indexedBytes, names, columns, rows, changes, receipts }
}

/** The memory of a view, whose columns are aligned in it. A small one shares its memory with others: it is copied. */
function alignedBuffer({ buffer, byteOffset, byteLength }: Buffer): ArrayBuffer {
  const isWhole = byteOffset === 0 && byteLength === buffer.byteLength
  return (isWhole ? buffer : buffer.slice(byteOffset, byteOffset + byteLength)) as ArrayBuffer
}

function parseDetails(bytes: Buffer, length: number): Details | undefined {
  if (!Number.isInteger(length / ALIGNMENT) || length < 0 || HEADER_BYTES + length > bytes.length) return undefined
  try {
    const details = detailsSchema.safeParse(JSON.parse(bytes.toString('utf8', HEADER_BYTES, HEADER_BYTES + length)))
    return details.success ? details.data : undefined
  } catch {
    return undefined
  }
}

/** The details as JSON, padded. */
function packDetails(details: Details): Buffer {
  const json = Buffer.from(JSON.stringify(details))
  return Buffer.concat([json], Math.ceil(json.length / ALIGNMENT) * ALIGNMENT).fill(' ', json.length)
}

/**
 * Replaces an index file. Errors are ignored, and it need not survive a power cut: the index can be rebuilt. Entries are checked
 * here, and only the checksum is when they are read: the first frame waits for that.
 */
export function writeIndex(file: string, { indexedBytes, names, columns, rows, changes, receipts }: SavedIndex): void {
  if (!areEntriesValid(columns, names.length, indexedBytes)) return
  try {
    const header = Buffer.alloc(HEADER_BYTES)
    header.write(MAGIC, 'latin1')
    const packedDetails = packDetails({
      names: [...names],
      receipts: receipts.map(([{ at, a, b }, { delivered, of = 0 }]) => [at, a, b, delivered, of]),
      changes: changes.size,
      counts: [...rows.counts],
    })
    header.writeDoubleLE(packedDetails.length, HEADER_BYTES - 16)
    header.writeDoubleLE(indexedBytes, HEADER_BYTES - 8)
    const packedRows = Buffer.from(rows.rows.buffer, rows.rows.byteOffset, rows.rows.byteLength)
    const content = [packedDetails, ...changes.pack(), ...packColumns(columns), packedRows]
    let checksum = crc32(header.subarray(CHECKED_FROM))
    // The CRC-32 of an empty buffer does not continue the checksum.
    for (const part of content) if (part.length > 0) checksum = crc32(part, checksum)
    header.writeUInt32LE(checksum, CHECKSUM_OFFSET)
    writeFileAtomically(file, [header, ...content], { durable: false })
  } catch {
    // No space: the next start indexes again.
  }
}
