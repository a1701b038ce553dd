import { mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** The folder that holds histories, outboxes and keys. Created on first use, readable by its owner only. */
export function dataFolder(): string {
  const folder = join(process.env.XDG_STATE_HOME || join(homedir(), '.local', 'state'), 'mesh-chat')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return folder
}
