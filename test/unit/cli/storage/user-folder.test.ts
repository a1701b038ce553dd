/** Names as file names: different names never meet, and no name is too long. */
import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { encodeFileName } from '../../../../cli/storage/user-folder.ts'
import { stopAll, temporaryFolder } from '../../../support/programs/processes.ts'

afterAll(stopAll)

const NAMES = [
  'Anna',
  'anna',
  'ANNA',
  'Anna.outbox-999999',
  'Anna.jsonl',
  'Anna/../Billy',
  '..',
  '.',
  '~',
  'con',
  'a'.repeat(64),
  `${'a'.repeat(63)}b`,
  '会'.repeat(64),
  `${'会'.repeat(63)}議`,
  '👨‍👩‍👧'.repeat(20),
  '%41nna',
  encodeFileName('Anna'),
]

test('the encoded name is short and has letters, digits and %, _ and - only', () => {
  for (const name of NAMES) expect(encodeFileName(name), name).toMatch(/^[A-Za-z0-9_%]{0,40}-[0-9a-f]{16}$/)
  expect(encodeFileName('Anna')).toMatch(/^Anna-/)
  expect(encodeFileName('é b')).toMatch(/^%C3%A9%20b-/)
})

test('different names are different files, also where case is ignored', () => {
  const encoded = NAMES.map(name => encodeFileName(name).toLowerCase())
  expect(new Set(encoded).size).toBe(NAMES.length)
  const folder = temporaryFolder()
  for (const name of NAMES) mkdirSync(join(folder, encodeFileName(name)))
  expect(readdirSync(folder)).toHaveLength(NAMES.length)
})

test('an encoded name never ends inside an encoded character', () => {
  for (const name of ['会'.repeat(9), `a${'会'.repeat(9)}`, `aa${'会'.repeat(9)}`]) {
    const [readable = ''] = encodeFileName(name).split('-')
    expect(name.startsWith(decodeURIComponent(readable))).toBe(true)
  }
})
