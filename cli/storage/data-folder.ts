import { mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { syncFolder } from './files/write-file-atomically.ts'

/** The name of the program's folders, among the data and among the settings of the user. */
let folderName = 'mesh-chat'

/**
 * Keeps all files of this process in folders with another name, apart from those of daily use. To be called before any file
 * is opened.
 */
export function setFolderName(name: string): void {
  folderName = name
}

export function getFolderName(): string {
  return folderName
}

/**
 * The folder that holds histories, outboxes, keys and pins. Created on first use, for its owner only. If that is not
 * possible, whoever writes into it gets the error.
 */
export function dataFolder(): string {
  const folder = join(process.env.XDG_STATE_HOME || join(homedir(), '.local', 'state'), folderName)
  try {
    return makePrivateFolder(folder)
  } catch {
    return folder
  }
}

/**
 * Creates a folder, and the folders that contain it, for its owner only, so that they survive a power cut. An existing
 * folder keeps its permissions.
 */
export function makePrivateFolder(path: string): string {
  const first = mkdirSync(path, { recursive: true, mode: 0o700 })
  for (let created = path; first !== undefined && created.length >= first.length; created = dirname(created)) {
    syncFolder(dirname(created))
  }
  return path
}
