/** Locks between processes: one at a time, also after a crash. */
import { spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { withFileLock } from '../../../../../cli/storage/locks/file-lock.ts'
import { stopAll, temporaryFolder } from '../../../../support/programs/processes.ts'

let folder = ''
let lock = ''
beforeEach(() => {
  folder = temporaryFolder()
  lock = join(folder, 'list.lock')
})
afterAll(stopAll)

test('the lock exists while the function runs, and not after it, even if it throws', () => {
  expect(withFileLock(lock, () => existsSync(lock))).toBe(true)
  expect(existsSync(lock)).toBe(false)
  expect(() =>
    withFileLock(lock, () => {
      throw new Error('failed')
    }),
  ).toThrow('failed')
  expect(existsSync(lock)).toBe(false)
})

test('the lock of a process that has ended is removed', () => {
  writeFileSync(lock, `${spawnSync(process.execPath, ['--version']).pid}`)
  expect(withFileLock(lock, () => 'done')).toBe('done')
})

test('a lock in a folder that does not exist is an error', () => {
  expect(() => withFileLock(join(folder, 'missing', 'list.lock'), () => {})).toThrow('ENOENT')
})
