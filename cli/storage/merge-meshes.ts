import { randomBytes } from 'node:crypto'
import { renameSync, rmdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { makePrivateFolder } from './data-folder.ts'
import { importHistory, namesIn } from './import-lines.ts'
import { KnownKeysFile } from './known-keys-file.ts'
import { isProcessAlive } from './process-alive.ts'
import { usersFolder } from './user-folder.ts'

const OUTBOX_NAME = /^outbox-(\d+)(?:-[a-z0-9]+)?\.jsonl$/

/**
 * Moves the files of all users from one mesh folder to another: two addresses turned out to be one mesh. The outbox of
 * another process that runs stays: that process moves it when it learns the same. Safe against a crash at any point.
 */
export function mergeMeshFolders(from: string, to: string): void {
  const users = usersFolder(from)
  for (const user of namesIn(users)) mergeUser(join(users, user), join(usersFolder(to), user))
  removeIfEmpty(users)
  removeIfEmpty(dirname(users))
}

function mergeUser(from: string, to: string): void {
  for (const name of namesIn(from)) {
    const file = join(from, name)
    const pid = Number(OUTBOX_NAME.exec(name)?.[1])
    if (name === 'history.jsonl' || name.startsWith('import-')) importHistory(file, to)
    else if (name === 'history.index') rmSync(file, { force: true })
    else if (name === 'known-keys.jsonl') KnownKeysFile.in(to).import(file)
    else if (pid === process.pid || (Number.isInteger(pid) && !isProcessAlive(pid))) moveOutbox(file, to, pid)
  }
  removeIfEmpty(from)
}

function moveOutbox(file: string, to: string, pid: number): void {
  makePrivateFolder(to)
  try {
    renameSync(file, join(to, `outbox-${pid}-${randomBytes(6).toString('hex')}.jsonl`))
  } catch {
    // Another process has moved it.
  }
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder)
  } catch {
    // Not empty, or removed.
  }
}
