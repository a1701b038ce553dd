/** The folder of the Unix sockets of workers. A primary process that is killed leaves it. */
import { lstatSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isProcessAlive } from '../src/programs/process-alive.ts'

const PREFIX = 'mesh-chatd-'
const FOLDER = /^mesh-chatd-(?:(\d+)-)?[A-Za-z0-9]{6}$/
/** A folder that has changed within this time is in use: a worker that exits is restarted sooner. */
const MIN_AGE_MS = 60_000
/** Most folders that are checked at a start. */
const MAX_CHECKED = 100

/** Creates the folder of this process. Only its user can open it. */
export function createSocketFolder(): string {
  return mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-`))
}

/**
 * Removes the folders that killed primary processes of this user have left: those with no such process, no socket that
 * accepts connections, and no change within a minute. The process may be in another container that shares the folder of
 * temporary files, so its id alone decides nothing.
 */
export async function removeStaleFolders(now = Date.now()): Promise<void> {
  const root = tmpdir()
  let names: string[] = []
  try {
    names = readdirSync(root).filter(name => FOLDER.test(name))
  } catch {
    return
  }
  for (const name of names.slice(0, MAX_CHECKED)) {
    const folder = join(root, name)
    try {
      if (isOld(folder, now) && !isProcessAlive(Number(FOLDER.exec(name)?.[1])) && !(await isInUse(folder)))
        rmSync(folder, { recursive: true, force: true })
    } catch {
      // It is gone already, or cannot be read.
    }
  }
}

function isOld(folder: string, now: number): boolean {
  const found = lstatSync(folder)
  return found.isDirectory() && found.uid === process.getuid?.() && now - found.mtimeMs > MIN_AGE_MS
}

/** Whether a process accepts connections at a socket of the folder. */
async function isInUse(folder: string): Promise<boolean> {
  for (const name of readdirSync(folder)) if (await accepts(join(folder, name))) return true
  return false
}

function accepts(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
