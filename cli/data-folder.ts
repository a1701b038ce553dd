import { mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** Where all histories and keys lie; made when it is not there, for its owner only. */
export function dataFolder(): string {
  const folder = join(process.env.XDG_STATE_HOME || join(homedir(), '.local', 'state'), 'mesh-chat')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return folder
}
