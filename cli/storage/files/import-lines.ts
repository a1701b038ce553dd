import { randomBytes } from 'node:crypto'
import { closeSync, linkSync, readdirSync, readSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { makePrivateFolder } from '../data-folder.ts'
import { AppendFile } from './append-file.ts'
import { openToRead } from './open-file.ts'
import { syncFolder } from './write-file-atomically.ts'

/** Bytes to copy at once. */
const CHUNK_BYTES = 1 << 20
const NEWLINE = 10
/** A history that was moved into the folder, but is not part of the folder's history yet. */
const IMPORT_NAME = /^import-[0-9a-f]+\.jsonl$/

/**
 * Moves a history file into a user's folder and adds its lines to the history there. Safe against a crash at any point,
 * and against other processes that do the same: a line may be added twice, and `History` counts each message once.
 * @returns false if the file does not exist
 */
export function importHistory(file: string, folder: string): boolean {
  makePrivateFolder(folder)
  try {
    renameSync(file, join(folder, `import-${randomBytes(6).toString('hex')}.jsonl`))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
  finishImports(folder)
  return true
}

/** Adds the lines of all imported files to the history, also of those that a crash left behind. */
export function finishImports(folder: string): void {
  for (const name of namesIn(folder)) {
    if (IMPORT_NAME.test(name)) moveLines(join(folder, name), join(folder, 'history.jsonl'))
  }
}

/** The names in a folder; none if it does not exist. */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return []
    throw error
  }
}

function moveLines(from: string, to: string): void {
  try {
    // Makes it the history, unless there is one.
    linkSync(from, to)
    syncFolder(dirname(to))
  } catch {
    try {
      if (!isSameFile(from, to)) appendLines(from, to)
    } catch (error) {
      // Another process has finished the import.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
      throw error
    }
  }
  rmSync(from, { force: true })
}

/** Whether two names belong to one file: a crash came between `linkSync` and `rmSync`. */
function isSameFile(from: string, to: string): boolean {
  const [one, other] = [statSync(from), statSync(to, { throwIfNoEntry: false })]
  return one.ino === other?.ino && one.dev === other.dev
}

/** Appends whole lines, so that lines of other processes stay whole too. They are safe on disk before the source goes. */
function appendLines(from: string, to: string): void {
  const source = openToRead(from)
  try {
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES)
    const target = new AppendFile(to)
    let rest = Buffer.alloc(0)
    for (let read = readSync(source, buffer); read > 0; read = readSync(source, buffer)) {
      const bytes = Buffer.concat([rest, buffer.subarray(0, read)])
      const end = bytes.lastIndexOf(NEWLINE) + 1
      rest = bytes.subarray(end)
      if (end === 0) continue
      target.append(bytes.toString('utf8', 0, end - 1))
      target.saveNow()
    }
    if (rest.length > 0) target.append(rest.toString())
    target.saveNow()
  } finally {
    closeSync(source)
  }
}
