import { closeSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import { type IndexColumns, packColumns, unpackColumns } from './index-columns.ts'

/** Names the layout; another layout has another name, and is made anew. */
const MAGIC = 'mesh-chat index 2'
/** Magic, and the bytes of the history that it covers. A multiple of eight. */
const HEADER_BYTES = 32

/** What an index holds: the entries of the first `covered` bytes of a history. */
export interface SavedIndex {
  indexedBytes: number
  columns: IndexColumns
}

/** The index in a file; undefined where there is none, or none that can be used. */
export function readIndex(file: string): SavedIndex | undefined {
  let bytes: Buffer
  try {
    bytes = readFileSync(file)
  } catch {
    return undefined
  }
  if (bytes.length < HEADER_BYTES || bytes.toString('latin1', 0, MAGIC.length) !== MAGIC) return undefined
  const covered = bytes.readDoubleLE(HEADER_BYTES - 8)
  const own = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer
  const columns = unpackColumns(own, HEADER_BYTES)
  return columns === undefined ? undefined : { indexedBytes: covered, columns }
}

/** Writes an index so that a reader sees the old one or this one, never a part. What cannot be written is done without. */
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
