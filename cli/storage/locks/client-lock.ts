import { chmodSync, closeSync, constants, lstatSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { readFileText } from '../files/open-file.ts'
import { describeThisProcess, isDescribedProcessAlive } from './process-identity.ts'

/** Longest path of a socket, bytes: 104 on macOS and 108 on Linux, with the terminating 0. */
const MAX_SOCKET_PATH_BYTES = 100
/** How long to wait for an answer of the owner's system, ms. */
const CONNECT_TIMEOUT_MS = 2_000

/** What a lock file tells without asking: `ask` must be asked with `isLockHeld`. */
type LockState = 'free' | 'held' | 'ask'

/**
 * A lock that the system drops when its process ends, however it ends: a Unix socket that the process listens on. It works
 * between processes and containers of one machine that share a folder. Where the file system has no sockets, the file names
 * the process instead, and only processes that see each other's process ids respect it.
 */
export class ClientLock {
  readonly #file: string
  readonly #server: Server | undefined

  private constructor(file: string, server: Server | undefined) {
    this.#file = file
    this.#server = server
  }

  /**
   * Takes a lock with a random name.
   * @throws Error if no file can be created
   */
  static take(folder: string, name: string): ClientLock {
    const file = join(folder, name)
    const server = withSocketPath(folder, name, listen)
    if (server === undefined) writeFileSync(file, describeThisProcess(), { flag: 'wx', mode: 0o600 })
    return new ClientLock(file, server)
  }

  release(): void {
    this.#server?.close()
    try {
      rmSync(this.#file, { force: true })
    } catch {
      // Nobody listens any more: that is enough.
    }
  }
}

/** The state of a lock, as far as its file tells. */
export function lockState(folder: string, name: string): LockState {
  try {
    const file = join(folder, name)
    if (lstatSync(file).isSocket()) return 'ask'
    return isDescribedProcessAlive(readFileText(file)) ? 'held' : 'free'
  } catch (error) {
    // A missing lock holds nothing, nor does anything that no client makes.
    return ['ENOENT', 'EISDIR', 'EFTYPE', 'EFBIG', 'ELOOP'].includes((error as NodeJS.ErrnoException).code ?? '')
      ? 'free'
      : 'held'
  }
}

/** Whether the process that took a lock runs. In doubt, it does. */
export async function isLockHeld(folder: string, name: string): Promise<boolean> {
  const state = lockState(folder, name)
  if (state !== 'ask') return state === 'held'
  return new Promise(resolve => {
    const answer = (isHeld: boolean) => {
      clearTimeout(timer)
      resolve(isHeld)
    }
    const timer = setTimeout(() => answer(true), CONNECT_TIMEOUT_MS)
    const socket = withSocketPath(folder, name, path => connect(path))
    if (socket === undefined) return answer(true)
    socket.on('connect', () => {
      socket.destroy()
      answer(true)
    })
    socket.on('error', error => {
      answer(!['ECONNREFUSED', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? ''))
    })
  })
}

/** Listens on a socket; undefined if the file system has none. */
function listen(path: string): Server | undefined {
  const server = createServer(socket => socket.destroy())
  // The file name is used for the lock alone: what happens to connections is of no interest.
  server.on('error', () => {})
  server.unref()
  // In a worker of a cluster, the primary would listen.
  server.listen({ path, exclusive: true })
  if (!server.listening) return undefined
  try {
    chmodSync(path, 0o600)
  } catch {
    // The folder is for its owner only.
  }
  return server
}

/** Calls a function with a path of a socket that is short enough; undefined if there is none. */
function withSocketPath<Result>(folder: string, name: string, run: (path: string) => Result): Result | undefined {
  const path = join(folder, name)
  if (Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES) return run(path)
  if (process.platform !== 'linux') return undefined
  let descriptor: number | undefined
  try {
    descriptor = openSync(folder, constants.O_DIRECTORY)
    return run(`/proc/self/fd/${descriptor}/${name}`)
  } catch {
    return undefined
  } finally {
    if (descriptor !== undefined) closeSync(descriptor)
  }
}
