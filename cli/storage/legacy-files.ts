/**
 * The files of 0.1: one history, outbox and list of known keys per user for all meshes, directly in the data folder. They
 * move into the first mesh that the user connects to. The user's key stays in its place.
 */
import { randomBytes } from 'node:crypto'
import { closeSync, readSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { dataFolder, makePrivateFolder } from './data-folder.ts'
import { importHistory, namesIn } from './files/import-lines.ts'
import { openToRead } from './files/open-file.ts'
import { syncFolder } from './files/write-file-atomically.ts'
import { KnownKeysFile } from './known-keys-file.ts'
import { mayHaveWritten } from './locks/process-identity.ts'

/** Bytes of a file that tell which kind of file it is. */
const START_BYTES = 64

const HISTORY_LINE = '{"message":'
const OUTBOX_LINE = /^\{"(?:held|released)":/

interface LegacyFiles {
  history: string | undefined
  index: string | undefined
  knownKeys: string | undefined
  /** Outbox files of processes that have ended, by process id. A client of 0.1 that runs keeps its own. */
  outboxes: { pid: number; file: string }[]
}

/** The extensionless name of a user's files in 0.1. */
export function legacyName(user: string): string {
  return encodeURIComponent(user)
}

/** Whether 0.1 left a history of this user. */
export function hasLegacyHistory(user: string): boolean {
  return findLegacyFiles(user).history !== undefined
}

/**
 * Moves the files that 0.1 left for a user into the user's folder in a mesh. Several processes may do so at once, and any
 * may be killed: the next call continues.
 * @returns whether a history or held messages were moved
 */
export function migrateLegacyFiles(user: string, folder: string): boolean {
  const { history, index, knownKeys, outboxes } = findLegacyFiles(user)
  let moved = false
  // The held messages first: a client that sees the history without them would not send them.
  for (const { pid, file } of outboxes) {
    // 0.1 may have left two files with one process id.
    moved = moveFile(file, folder, `outbox-${pid}-${randomBytes(6).toString('hex')}.jsonl`) || moved
  }
  if (knownKeys !== undefined) KnownKeysFile.in(folder).import(knownKeys)
  if (history !== undefined) moved = importHistory(history, folder) || moved
  if (index !== undefined) rmSync(index, { force: true })
  return moved
}

function findLegacyFiles(user: string): LegacyFiles {
  const folder = dataFolder()
  const name = legacyName(user)
  const outboxPrefix = `${name}.outbox-`
  const found: LegacyFiles = { history: undefined, index: undefined, knownKeys: undefined, outboxes: [] }
  // Compares exact names: the file system may ignore case.
  for (const entry of namesIn(folder)) {
    const file = join(folder, entry)
    // The history of the user `Anna.outbox-7` and an outbox of Anna have the same name: their lines differ.
    if (entry === `${name}.jsonl` && startOf(file).startsWith(HISTORY_LINE)) found.history = file
    else if (entry === `${name}.index`) found.index = file
    else if (entry === `${name}.known-keys`) found.knownKeys = file
    else if (entry.startsWith(outboxPrefix)) {
      const pid = Number(/^(\d+)\.jsonl(?:\.adopted)?$/.exec(entry.slice(outboxPrefix.length))?.[1])
      if (Number.isInteger(pid) && OUTBOX_LINE.test(startOf(file)) && !isInUse(pid, file))
        found.outboxes.push({ pid, file })
    }
  }
  return found
}

/** Whether the process that owns an outbox may run. */
function isInUse(pid: number, file: string): boolean {
  const info = statSync(file, { throwIfNoEntry: false })
  return info === undefined || mayHaveWritten(pid, info.mtimeMs)
}

/** The start of a file's first line with content. */
function startOf(file: string): string {
  try {
    const descriptor = openToRead(file)
    try {
      const buffer = Buffer.alloc(START_BYTES)
      return buffer.toString('utf8', 0, readSync(descriptor, buffer)).trimStart()
    } finally {
      closeSync(descriptor)
    }
  } catch {
    return ''
  }
}

/** Moves a file; returns false if another process has moved it. */
function moveFile(file: string, folder: string, name: string): boolean {
  makePrivateFolder(folder)
  try {
    renameSync(file, join(folder, name))
    syncFolder(folder)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}
