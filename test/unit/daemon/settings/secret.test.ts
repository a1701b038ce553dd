/** The shared secret, and files that must be private. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import {
  checkRotation,
  isWildcard,
  readPreviousSecret,
  readPrivateFile,
  readSecret,
} from '../../../../daemon/settings/secret.ts'

const SECRET = 'sixteen letters.'
const folder = mkdtempSync(join(tmpdir(), 'mesh-chat-'))
afterAll(() => rmSync(folder, { recursive: true }))

function file(text: string, mode = 0o600): string {
  const path = join(folder, 'secret')
  writeFileSync(path, text)
  chmodSync(path, mode)
  return path
}

describe('readSecret', () => {
  test('the environment wins over the file, and no source gives an empty secret', () => {
    expect(readSecret(file(`${SECRET}\n`), {})).toBe(SECRET)
    expect(readSecret(file(SECRET), { MESH_CHAT_SECRET: `${SECRET}!` })).toBe(`${SECRET}!`)
    expect(readSecret(file(SECRET), { MESH_CHAT_SECRET: '' })).toBe(SECRET)
    expect(readSecret(undefined, {})).toBe('')
  })

  test('a secret that repeats characters is rejected', () => {
    for (const secret of ['s'.repeat(64), 'secret'.repeat(6)]) {
      expect(() => readSecret(undefined, { MESH_CHAT_SECRET: secret })).toThrow(
        'MESH_CHAT_SECRET: the secret repeats characters or is a sequence of them, and is easy to guess',
      )
    }
  })

  test('a secret below 16 characters is rejected with its source', () => {
    expect(() => readSecret(undefined, { MESH_CHAT_SECRET: SECRET.slice(1) })).toThrow(
      'MESH_CHAT_SECRET: the secret has fewer than 16 characters; make one with: openssl rand -base64 32',
    )
    const short = file(SECRET.slice(1))
    expect(() => readSecret(short, {})).toThrow(`${short}: the secret has fewer than 16 characters`)
    // White space around it does not count.
    expect(() => readSecret(file(`${SECRET.slice(1)}   \n`), {})).toThrow('fewer than 16')
  })

  test('a missing file is an error that names the field', () => {
    expect(() => readSecret(join(folder, 'none'), {})).toThrow(/^secretFile: cannot read .*none \(ENOENT/)
  })
})

describe('the previous secret', () => {
  test('comes from the environment or a private file, and is absent by default', () => {
    expect(readPreviousSecret(undefined, {})).toBeUndefined()
    expect(readPreviousSecret(file(`${SECRET}\n`), {})).toBe(SECRET)
    expect(readPreviousSecret(file('none\n'), {})).toBe('')
    expect(readPreviousSecret(undefined, { MESH_CHAT_PREVIOUS_SECRET: 'none' })).toBe('')
    expect(readPreviousSecret(file(SECRET), { MESH_CHAT_PREVIOUS_SECRET: `${SECRET}!` })).toBe(`${SECRET}!`)
    expect(() => readPreviousSecret(file(SECRET, 0o644), {})).toThrow('is readable by other users')
  })

  test('needs another, current secret', () => {
    expect(() => checkRotation('', SECRET)).toThrow('a previous secret is set, but no secret')
    expect(() => checkRotation(SECRET, SECRET)).toThrow('the secret and the previous secret are the same')
    expect(checkRotation(SECRET, `${SECRET}!`)).toBeUndefined()
    expect(checkRotation(SECRET, '')).toBeUndefined()
    expect(checkRotation('', undefined)).toBeUndefined()
  })
})

describe('readPrivateFile', () => {
  test.each([0o640, 0o604, 0o620, 0o601])('mode %o is rejected', mode => {
    const path = file(SECRET, mode)
    expect(() => readPrivateFile('secretFile', path)).toThrow(
      `${path} is readable by other users; fix it with: chmod 600 ${path}`,
    )
    expect(readPrivateFile('secretFile', path, text => text !== SECRET)).toBe(SECRET)
  })

  test.each([0o600, 0o400, 0o700])('mode %o is accepted', mode => {
    expect(readPrivateFile('secretFile', file(SECRET, mode))).toBe(SECRET)
  })
})

test('wildcard addresses are recognized', () => {
  expect(['0.0.0.0', '::'].every(isWildcard)).toBe(true)
  expect(['127.0.0.1', '::1', '0.0.0.0.example'].some(isWildcard)).toBe(false)
})
