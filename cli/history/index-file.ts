import { closeSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import { type IndexColumns, packColumns, unpackColumns } from './index-columns.ts'

/** Identifies the layout. An index with another one is ignored and rebuilt. */
const MAGIC = 'mesh-chat index 3'
/** The magic, and the number of indexed bytes of the history (float64). A multiple of 8 for alignment. */
const HEADER_BYTES = 32

/** The entries of the first `indexedBytes` bytes of a history file. */
export interface SavedIndex {
  indexedBytes: number
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
  const indexedBytes = bytes.readDoubleLE(HEADER_BYTES - 8)
  // A copy starts at an aligned address, which the view of a pooled buffer may not.
  const aligned = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer
  const columns = unpackColumns(aligned, HEADER_BYTES)
  return columns === undefined ? undefined : { indexedBytes, columns }
}

/** Replaces an index file atomically. Errors are ignored: the index can be rebuilt. */
export function writeIndex(file: string, { indexedBytes, columns }: SavedIndex): void {
  const temporary = `${file}.${process.pid}`
  try {
    const header = Buffer.alloc(HEADER_BYTES)
    header.write(MAGIC, 'latin1')
    header.writeDoubleLE(indexedBytes, HEADER_BYTES - 8)
    const target = openSync(temporary, 'w', 0o600)
    for (const part of [header, ...packColumns(columns)]) {
      for (let done = 0; done < part.length; ) done += writeSync(target, part, done)
    }
    closeSync(target)
    renameSync(temporary, file)
  } catch {
    rmSync(temporary, { force: true })
  }
}
