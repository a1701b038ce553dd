import { mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** The folder that holds histories, outboxes, keys and pins. Created on first use, for its owner only. */
export function dataFolder(): string {
  return makePrivateFolder(join(process.env.XDG_STATE_HOME || join(homedir(), '.local', 'state'), 'mesh-chat'))
}

/** Creates a folder, and the folders that contain it, for its owner only. An existing folder keeps its permissions. */
export function makePrivateFolder(path: string): string {
  mkdirSync(path, { recursive: true, mode: 0o700 })
  return path
}
