import { randomBytes } from 'node:crypto'
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { isProcessAlive } from '../../../src/programs/process-alive.ts'
import { readFileText } from '../files/open-file.ts'

/** How long to wait for another process, ms. The work under a lock takes a few milliseconds. */
const MAX_WAIT_MS = 5_000
const POLL_INTERVAL_MS = 5

/**
 * Runs a function while no other process runs one with the same lock file. The lock of a process that has ended, or
 * that holds it for longer than `MAX_WAIT_MS`, is removed.
 * @throws Error if the lock file cannot be written
 */
export function withFileLock<Result>(lockFile: string, run: () => Result): Result {
  const deadline = performance.now() + MAX_WAIT_MS
  while (!tryLock(lockFile)) {
    if (performance.now() > deadline || isAbandoned(lockFile)) removeLock(lockFile)
    else sleep(POLL_INTERVAL_MS)
  }
  try {
    return run()
  } finally {
    rmSync(lockFile, { force: true })
  }
}

/** Like `withFileLock`, but runs the function without the lock if the lock file cannot be written. */
export function withOptionalLock<Result>(lockFile: string, run: () => Result): Result {
  let hasStarted = false
  try {
    return withFileLock(lockFile, () => {
      hasStarted = true
      return run()
    })
  } catch (error) {
    if (hasStarted) throw error
    return run()
  }
}

function tryLock(lockFile: string): boolean {
  try {
    writeFileSync(lockFile, `${process.pid}`, { flag: 'wx', mode: 0o600 })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** Whether the process that created the lock has ended. */
function isAbandoned(lockFile: string): boolean {
  try {
    const text = readFileText(lockFile)
    // The file is empty for a moment after its creation.
    return text !== '' && !isProcessAlive(Number(text))
  } catch {
    return false
  }
}

/** Removes a lock by renaming it first: of several processes that try, one succeeds. */
function removeLock(lockFile: string): void {
  const removed = `${lockFile}.${randomBytes(6).toString('hex')}`
  try {
    renameSync(lockFile, removed)
    rmSync(removed, { force: true })
  } catch {
    // Another process was faster.
  }
}

/** Blocks this thread: the callers are synchronous. */
function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}
