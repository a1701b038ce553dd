import { closeSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import { type Columns, packColumns, unpackColumns } from './columns.ts'

/** Names the layout; another layout has another name, and is made anew. */
const MAGIC = 'mesh-chat index 2'
/** Magic, and the bytes of the history that it covers. A multiple of eight. */
const HEADER = 32

/** What an index holds: the entries of the first `covered` bytes of a history. */
export interface SavedIndex {
  covered: number
  columns: Columns
}

/** The index in a file; undefined where there is none, or none that can be used. */
export function readIndex(file: string): SavedIndex | undefined {
  let bytes: Buffer
  try {
    bytes = readFileSync(file)
  } catch {
    return undefined
  }
  if (bytes.length < HEADER || bytes.toString('latin1', 0, MAGIC.length) !== MAGIC) return undefined
  const covered = bytes.readDoubleLE(HEADER - 8)
  const own = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer
  const columns = unpackColumns(own, HEADER)
  return columns === undefined ? undefined : { covered, columns }
}

/** Writes an index so that a reader sees the old one or this one, never a part. What cannot be written is done without. */
export function writeIndex(file: string, { covered, columns }: SavedIndex): void {
  const temporary = `${file}.${process.pid}`
  try {
    const header = Buffer.alloc(HEADER)
    header.write(MAGIC, 'latin1')
    header.writeDoubleLE(covered, HEADER - 8)
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
