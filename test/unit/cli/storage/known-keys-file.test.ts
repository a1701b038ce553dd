/** The file of known keys: the last entry counts, damaged lines are skipped, an import does not replace a known key. */
import { appendFileSync, existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { KnownKeysFile } from '../../../../cli/storage/known-keys-file.ts'
import { stopAll, temporaryFolder } from '../../../support/programs/processes.ts'
import { keyNamed } from '../../../support/simulation/plain-identity.ts'

let folder = ''
beforeEach(() => {
  folder = join(temporaryFolder(), 'Anna')
})
afterAll(stopAll)

test('incomplete and invalid lines are skipped; the lines after them are read', () => {
  const keys = KnownKeysFile.in(folder)
  expect(keys.read().size).toBe(0)
  keys.pin('Billy', keyNamed('Billy'))
  const file = join(folder, 'known-keys.jsonl')
  expect(statSync(file).mode & 0o777).toBe(0o600)
  appendFileSync(file, `{"user":"Eve","key":"short"}\n{"user":"\\u0000","key":"${keyNamed('x')}"}\n{"user":"Dora","ke`)
  keys.pin('Carla', keyNamed('Carla'))
  keys.pin('__proto__', keyNamed('proto'))
  keys.pin('Billy', keyNamed('a new one'))
  expect([...KnownKeysFile.in(folder).read()]).toEqual([
    ['Billy', keyNamed('a new one')],
    ['Carla', keyNamed('Carla')],
    ['__proto__', keyNamed('proto')],
  ])
})

test('an import adds the keys of unknown users only, and removes the file', () => {
  const keys = KnownKeysFile.in(folder)
  keys.pin('Billy', keyNamed('Billy'))
  const other = new KnownKeysFile(join(folder, 'other'))
  other.pin('Billy', keyNamed('another Billy'))
  other.pin('Carla', keyNamed('Carla'))
  keys.import(join(folder, 'other'))
  expect([...keys.read()]).toEqual([
    ['Billy', keyNamed('Billy')],
    ['Carla', keyNamed('Carla')],
  ])
  expect(existsSync(join(folder, 'other'))).toBe(false)
  keys.import(join(folder, 'other'))
  expect(keys.read().size).toBe(2)
})
