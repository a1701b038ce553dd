import { renameSync, rmdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { isOutboxFree, isOutboxName } from '../history/outbox-file.ts'
import { importRejected, REJECTED_FILE_NAME } from '../history/rejected-file.ts'
import { makePrivateFolder } from './data-folder.ts'
import { DRAFTS_FILE_NAME, DraftsFile } from './drafts-file.ts'
import { importHistory, namesIn } from './files/import-lines.ts'
import { KnownKeysFile } from './known-keys-file.ts'
import { OPERATORS_FILE_NAME, OperatorsFile } from './operators-file.ts'
import { READ_MARKS_FILE_NAME, ReadMarksFile } from './read-marks-file.ts'
import { ROOMS_FILE_NAME, RoomsFile } from './rooms-file.ts'
import { usersFolder } from './user-folder.ts'

/**
 * Moves the files of all users from one mesh folder to another: two addresses turned out to be one mesh. The outbox of a
 * client that runs, or may run, stays: the clients of the other folder take it over later. Safe against a crash at any point.
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
    if (name === 'history.jsonl' || name.startsWith('import-')) importHistory(file, to)
    else if (name === 'history.index') rmSync(file, { force: true })
    else if (name === REJECTED_FILE_NAME) importRejected(file, to)
    else if (name === 'known-keys.jsonl') KnownKeysFile.in(to).import(file)
    else if (name === ROOMS_FILE_NAME) RoomsFile.in(to).import(file)
    else if (name === OPERATORS_FILE_NAME) OperatorsFile.in(to).import(file)
    else if (name === DRAFTS_FILE_NAME) DraftsFile.in(to).import(file)
    else if (name === READ_MARKS_FILE_NAME) ReadMarksFile.in(to).import(file)
    else if (isOutboxName(name) && isOutboxFree(from, name)) moveOutbox(file, to, name)
  }
  removeIfEmpty(from)
}

function moveOutbox(file: string, to: string, name: string): void {
  makePrivateFolder(to)
  try {
    renameSync(file, join(to, name))
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
