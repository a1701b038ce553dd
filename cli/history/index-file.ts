import { readFileSync } from 'node:fs'
import * as z from 'zod'
import { writeFileAtomically } from '../storage/write-file-atomically.ts'
import { type IndexColumns, packColumns, unpackColumns } from './index-columns.ts'

/** Identifies the layout. An index with another one is ignored and rebuilt. */
const MAGIC = 'mesh-chat index 4'
/**
 * The magic; the length of the correspondents' names as JSON, padded with spaces to a multiple of 8 (float64); the number
 * of indexed bytes of the history (float64). The names and the columns follow. All parts are aligned to 8 bytes.
 */
const HEADER_BYTES = 40
const ALIGNMENT = 8

const namesSchema = z.array(z.string())

/** The entries of the first `indexedBytes` bytes of a history file. */
export interface SavedIndex {
  indexedBytes: number
  /** The correspondents, each once; `columns.peer` has their numbers. */
  names: readonly string[]
  columns: IndexColumns
}

/** Reads an index file; undefined if it is missing or unusable. */
export function readIndex(file: string): SavedIndex | undefined {
  let bytes: Buffer
  try {
    bytes = readFileSync(file)
  } catch {
    return undefined
  }
  if (bytes.length < HEADER_BYTES || bytes.toString('latin1', 0, MAGIC.length) !== MAGIC) return undefined
  const namesLength = bytes.readDoubleLE(HEADER_BYTES - 16)
  const indexedBytes = bytes.readDoubleLE(HEADER_BYTES - 8)
  const names = parseNames(bytes, namesLength)
  // A copy starts at an aligned address, which the view of a pooled buffer may not.
  const aligned = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer
  const columns = names === undefined ? undefined : unpackColumns(aligned, HEADER_BYTES + namesLength)
  if (names === undefined || columns === undefined) return undefined
  return columns.peer.every(peer => peer >= 0 && peer < names.length) ? { indexedBytes, names, columns } : undefined
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
    writeFileAtomically(file, [header, packedNames, ...packColumns(columns)], { durable: false })
  } catch {
    // No space: the next start indexes again.
  }
}
