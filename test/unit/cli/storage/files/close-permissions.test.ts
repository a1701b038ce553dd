/** Files that other users of the machine could read are closed and reported. */
import { chmodSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { openFilesNotice } from '../../../../../cli/session/mesh-notices.ts'
import { closePermissions } from '../../../../../cli/storage/files/close-permissions.ts'
import { stopAll, temporaryFolder } from '../../../../support/programs/processes.ts'

let folder = ''
beforeEach(() => {
  folder = temporaryFolder()
})
afterAll(stopAll)

const mode = (path: string) => statSync(path).mode & 0o777

/** Creates a file with these permissions, whatever the umask. */
function createFile(path: string, permissions: number): string {
  writeFileSync(path, 'x')
  chmodSync(path, permissions)
  return path
}

test('open files and folders are closed at any depth, and listed; others are left alone', () => {
  chmodSync(folder, 0o755)
  const deep = join(folder, 'meshes', 'one', 'users', 'Anna')
  mkdirSync(deep, { recursive: true, mode: 0o700 })
  chmodSync(join(folder, 'meshes'), 0o750)
  const history = createFile(join(deep, 'history.jsonl'), 0o644)
  const key = createFile(join(folder, 'Anna.key'), 0o640)
  const own = createFile(join(folder, 'Billy.jsonl'), 0o400)
  const { closed, failed } = closePermissions(folder)
  expect([...closed].sort()).toEqual([folder, join(folder, 'Anna.key'), join(folder, 'meshes'), history].sort())
  expect(failed).toEqual([])
  expect([folder, join(folder, 'meshes'), history, key, own].map(mode)).toEqual([0o700, 0o700, 0o600, 0o600, 0o400])
  expect(closePermissions(folder)).toEqual({ closed: [], failed: [] })
})

test('symbolic links are not followed', () => {
  const elsewhere = createFile(join(temporaryFolder(), 'elsewhere'), 0o644)
  symlinkSync(elsewhere, join(folder, 'link'))
  expect(closePermissions(folder).closed).toEqual([])
  expect(mode(elsewhere)).toBe(0o644)
})

test('the notice names the files, and warns about a key', () => {
  expect(openFilesNotice({ closed: [], failed: [] })).toBeUndefined()
  expect(openFilesNotice({ closed: ['/a', '/b', '/c', '/d'], failed: ['/e'] })?.text).toBe(
    'Other users of this machine had access to /a, /b, /c and 1 more; it is closed now. ' +
      'Other users of this machine have access to /e; change the owner or delete it',
  )
  expect(openFilesNotice({ closed: ['/Anna.key'], failed: [] })?.text).toContain('make a new one')
})
