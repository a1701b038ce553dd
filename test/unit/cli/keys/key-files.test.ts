/** Key files: names, permissions, atomic writes, concurrent processes, invalid content. */
import { generateKeyPairSync } from 'node:crypto'
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeEach, expect, test, vi } from 'vitest'
import { KeyError, KeyFiles } from '../../../../cli/keys/key-files.ts'
import { encodeFileName } from '../../../../cli/storage/user-folder.ts'
import { stopAll, temporaryFolder } from '../../../support/programs/processes.ts'

/** Called once, between the creation of a file and the writing of its content. */
const writing = vi.hoisted(() => ({ interrupt: undefined as (() => void) | undefined }))
vi.mock('node:fs', async original => {
  const fs = await original<typeof import('node:fs')>()
  return {
    ...fs,
    writeSync: (descriptor: number, bytes: Uint8Array, offset: number) => {
      const { interrupt } = writing
      writing.interrupt = undefined
      interrupt?.()
      return fs.writeSync(descriptor, bytes, offset)
    },
  }
})

const before = process.env.XDG_STATE_HOME
let folder = ''
beforeEach(() => {
  const home = temporaryFolder()
  process.env.XDG_STATE_HOME = home
  folder = join(home, 'mesh-chat')
})
afterAll(() => {
  if (before === undefined) delete process.env.XDG_STATE_HOME
  else process.env.XDG_STATE_HOME = before
  stopAll()
})

const pem = () => generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
const mode = (file: string) => statSync(join(folder, file)).mode & 0o777
const annaKey = `identities/${encodeFileName('Anna')}.key`
const keyNames = () => readdirSync(join(folder, 'identities'))

test('a new key is readable by its owner only, and leaves no temporary file', () => {
  const files = new KeyFiles('Anna')
  const key = files.load()
  expect(mode(annaKey)).toBe(0o600)
  expect(keyNames()).toEqual([`${encodeFileName('Anna')}.key`])
  expect(new KeyFiles('Anna').load().export({ format: 'jwk' })).toEqual(key.export({ format: 'jwk' }))
  chmodSync(files.keyFile, 0o640)
  expect(() => files.load()).toThrow(/chmod 600/)
})

test('two processes that start at the same time load the same key', () => {
  const one = new KeyFiles('Anna')
  const other = new KeyFiles('Anna')
  let loaded: unknown
  writing.interrupt = () => {
    loaded = other.load().export({ format: 'jwk' })
  }
  const key = one.load().export({ format: 'jwk' })
  expect(loaded).toEqual(key)
  expect(keyNames()).toEqual([`${encodeFileName('Anna')}.key`])
})

test('an imported key is readable by its owner only, and replaces a symbolic link instead of following it', () => {
  mkdirSync(folder, { recursive: true })
  const elsewhere = join(folder, 'elsewhere')
  writeFileSync(elsewhere, 'not to be touched', { mode: 0o644 })
  symlinkSync(elsewhere, join(folder, 'Anna.key'))
  new KeyFiles('Anna').import(pem(), true)
  expect(mode('Anna.key')).toBe(0o600)
  expect(readFileSync(elsewhere, 'utf8')).toBe('not to be touched')
  writeFileSync(join(folder, 'Billy.key'), pem(), { mode: 0o644 })
  new KeyFiles('Billy').import(pem(), true)
  expect(mode('Billy.key')).toBe(0o600)
})

test('importing anything but an Ed25519 private key fails and keeps the stored key', () => {
  const files = new KeyFiles('Anna')
  const { x } = files.load().export({ format: 'jwk' })
  const rsa = generateKeyPairSync('rsa', { modulusLength: 1_024 }).privateKey
  const publicOnly = generateKeyPairSync('ed25519').publicKey
  const garbage = [
    '',
    'garbage',
    '\u0000'.repeat(100),
    pem().slice(0, 60),
    pem().replace(/[A-Za-z]{4}/, '!!!!'),
    rsa.export({ format: 'pem', type: 'pkcs8' }).toString(),
    publicOnly.export({ format: 'pem', type: 'spki' }).toString(),
    `-----BEGIN PRIVATE KEY-----\n${'A'.repeat(1_000_000)}\n-----END PRIVATE KEY-----\n`,
  ]
  for (const one of garbage) {
    expect(() => files.import(one, true)).toThrow(KeyError)
    expect(() => files.import(one, true)).toThrow('the imported key is not an Ed25519 private key in PEM')
  }
  expect(files.load().export({ format: 'jwk' }).x).toBe(x)
})

test('importing a different key needs --replace; importing the same key does not', () => {
  const files = new KeyFiles('Anna')
  const own = files.load().export({ format: 'pem', type: 'pkcs8' }).toString()
  expect(files.import(own, false).export({ format: 'jwk' })).toEqual(files.load().export({ format: 'jwk' }))
  expect(() => files.import(pem(), false)).toThrow('already has a different key')
  expect(files.load().export({ format: 'pem', type: 'pkcs8' })).toBe(own)
  const other = pem()
  files.import(other, true)
  expect(files.load().export({ format: 'pem', type: 'pkcs8' })).toBe(other)
})

test('a key file of 0.1 is used in its place, and only for exactly its name', () => {
  mkdirSync(folder, { recursive: true })
  const own = pem()
  writeFileSync(join(folder, 'Anna.key'), own, { mode: 0o600 })
  expect(new KeyFiles('Anna').load().export({ format: 'pem', type: 'pkcs8' })).toBe(own)
  expect(new KeyFiles('anna').hasKey).toBe(false)
  const other = pem()
  new KeyFiles('Anna').import(other, true)
  expect(readFileSync(join(folder, 'Anna.key'), 'utf8')).toBe(other)
})

test('every name has its own key file, whatever its characters and length', () => {
  const names = ['Anna', 'anna', 'Anna.key', '..', 'a/b', '会'.repeat(64), `${'会'.repeat(63)}議`]
  const keys = names.map(name => new KeyFiles(name).load().export({ format: 'jwk' }).x)
  expect(new Set(keys).size).toBe(names.length)
  expect(names.map(name => new KeyFiles(name).load().export({ format: 'jwk' }).x)).toEqual(keys)
})
