/** The programs of the previous release, built from this repository's history. */
import { execFileSync, spawnSync } from 'node:child_process'
import { symlinkSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { temporaryFolder } from './processes.ts'

/** Version 0.1.0; a clone may lack its tag. */
const COMMIT = '733a6afb0741eaddbcb62af48d9caa3c13512538'

/** Why the tests with the previous release are skipped; undefined: they run. */
export const previousReleaseMissingReason =
  spawnSync('git', ['cat-file', '-e', `${COMMIT}^{commit}`]).status === 0
    ? undefined
    : `the history does not have the commit of version 0.1.0, ${COMMIT}; fetch it with git fetch --unshallow`

if (previousReleaseMissingReason !== undefined)
  console.log(`Skipping the tests with the previous release: ${previousReleaseMissingReason}`)

/** Builds the previous release with this checkout's dependencies. Returns its folder. */
export function buildPreviousRelease(): string {
  const folder = temporaryFolder()
  const files = execFileSync('git', ['archive', COMMIT], { maxBuffer: 256 * 1024 * 1024 })
  execFileSync('tar', ['-x', '-C', folder], { input: files })
  symlinkSync(resolve('node_modules'), join(folder, 'node_modules'))
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: folder, stdio: 'pipe' })
  return folder
}
