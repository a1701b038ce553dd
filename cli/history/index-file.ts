import { crc32 } from 'node:zlib'
import * as z from 'zod'
import { readFileBytes } from '../storage/open-file.ts'
import { writeFileAtomically } from '../storage/write-file-atomically.ts'
import { areEntriesValid, type IndexColumns, packColumns, unpackColumns } from './index-columns.ts'

/** Identifies the layout. An index with another one, such as that of 0.2.0, is ignored and rebuilt. */
const MAGIC = 'mesh-chat index 5'
/**
 * The magic; the CRC-32 of all that follows (uint32); the length of the correspondents' names as JSON, padded with spaces to a multiple of 8 (float64); the number
 * of indexed bytes of the history (float64). The names and the columns follow. All parts are aligned to 8 bytes.
 */
const HEADER_BYTES = 40
const CHECKSUM_OFFSET = 20
const CHECKED_FROM = 24
const ALIGNMENT = 8
/** Room for the names and the header in the size of an index, above that of the history. */
const SPARE_BYTES = 1 << 16

const namesSchema = z.array(z.string())

/** The entries of the first `indexedBytes` bytes of a history file. */
export interface SavedIndex {
  indexedBytes: number
  /** The correspondents, each once; `columns.peer` has their numbers. */
  names: readonly string[]
  columns: IndexColumns
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
  const namesLength = bytes.readDoubleLE(HEADER_BYTES - 16)
  const indexedBytes = bytes.readDoubleLE(HEADER_BYTES - 8)
  const names = parseNames(bytes, namesLength)
  // A copy starts at an aligned address, which the view of a pooled buffer may not.
  const aligned = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer
  const columns = names === undefined ? undefined : unpackColumns(aligned, HEADER_BYTES + namesLength)
  if (names === undefined || columns === undefined) return undefined
  if (!Number.isSafeInteger(indexedBytes) || indexedBytes > historyBytes) return undefined
  return areEntriesValid(columns, names.length, indexedBytes) ? { indexedBytes, names, columns } : undefined
}

function parseNames(bytes: Buffer, length: number): string[] | undefined {
  if (!Number.isInteger(length / ALIGNMENT) || length < 0 || HEADER_BYTES + length > bytes.length) return undefined
  try {
    const names = namesSchema.safeParse(JSON.parse(bytes.toString('utf8', HEADER_BYTES, HEADER_BYTES + length)))
    return names.success ? names.data : undefined
  } catch {
    return undefined
  }
}

/** The names as JSON, padded. */
function packNames(names: readonly string[]): Buffer {
  const json = Buffer.from(JSON.stringify(names))
  return Buffer.concat([json], Math.ceil(json.length / ALIGNMENT) * ALIGNMENT).fill(' ', json.length)
}

/** Replaces an index file. Errors are ignored, and it need not survive a power cut: the index can be rebuilt. */
export function writeIndex(file: string, { indexedBytes, names, columns }: SavedIndex): void {
  try {
    const header = Buffer.alloc(HEADER_BYTES)
    header.write(MAGIC, 'latin1')
    const packedNames = packNames(names)
    header.writeDoubleLE(packedNames.length, HEADER_BYTES - 16)
    header.writeDoubleLE(indexedBytes, HEADER_BYTES - 8)
    const content = [packedNames, ...packColumns(columns)]
    let checksum = crc32(header.subarray(CHECKED_FROM))
    // The CRC-32 of an empty buffer does not continue the checksum.
    for (const part of content) if (part.length > 0) checksum = crc32(part, checksum)
    header.writeUInt32LE(checksum, CHECKSUM_OFFSET)
    writeFileAtomically(file, [header, ...content], { durable: false })
  } catch {
    // No space: the next start indexes again.
  }
}
