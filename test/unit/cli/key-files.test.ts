/** Whose key is whose, on disk: for its owner only, whole or not at all, whoever else writes at the same time. */

import { generateKeyPairSync } from 'node:crypto'
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeEach, expect, test, vi } from 'vitest'
import { KeyError, KeyFiles } from '../../../cli/keys/key-files.ts'
import { stopAll, temporaryFolder } from '../../support/programs/processes.ts'
import { keyNamed } from '../../support/simulation/plain-identity.ts'

/** Called once, when a file is there and what is to be in it is not. */
const writing = vi.hoisted(() => ({ interrupt: undefined as (() => void) | undefined }))
vi.mock('node:fs', async original => {
  const fs = await original<typeof import('node:fs')>()
  return {
    ...fs,
    writeFileSync: (file: string, text: string, options: { mode?: number; flag?: string }) => {
      const { interrupt } = writing
      if (interrupt === undefined) return fs.writeFileSync(file, text, options)
      writing.interrupt = undefined
      fs.writeFileSync(file, '', options)
      interrupt()
      fs.writeFileSync(file, text, { mode: 0o600 })
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

test('a key is made for its owner only, and nothing else is left', () => {
  const files = new KeyFiles('Anna')
  const key = files.load()
  expect(mode('Anna.key')).toBe(0o600)
  expect(readdirSync(folder)).toEqual(['Anna.key'])
  expect(new KeyFiles('Anna').load().export({ format: 'jwk' })).toEqual(key.export({ format: 'jwk' }))
  chmodSync(files.keyFile, 0o640)
  expect(() => files.load()).toThrow(/chmod 600/)
})

test('two programs that start at once come to one key, wherever one interrupts the other', () => {
  const one = new KeyFiles('Anna')
  const other = new KeyFiles('Anna')
  let loaded: unknown
  writing.interrupt = () => {
    loaded = other.load().export({ format: 'jwk' })
  }
  const key = one.load().export({ format: 'jwk' })
  expect(loaded).toEqual(key)
  expect(readdirSync(folder)).toEqual(['Anna.key'])
})

test('an import is readable by its owner only, whatever lay in its place', () => {
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

test('garbage is imported as nothing, and says so', () => {
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
    expect(() => files.import(one, true)).toThrow('what was given is no Ed25519 private key in PEM')
  }
  expect(files.load().export({ format: 'jwk' }).x).toBe(x)
})

test('what was torn, or is no key, is passed over; what comes behind it is not', () => {
  const files = new KeyFiles('Anna')
  files.pin('Billy', keyNamed('Billy'))
  const known = join(folder, 'Anna.known-keys')
  expect(mode('Anna.known-keys')).toBe(0o600)
  appendFileSync(known, `{"user":"Eve","key":"short"}\n{"user":"\\u0000","key":"${keyNamed('x')}"}\n{"user":"Dora","ke`)
  files.pin('Carla', keyNamed('Carla'))
  files.pin('__proto__', keyNamed('proto'))
  files.pin('Billy', keyNamed('a new one'))
  expect([...new KeyFiles('Anna').knownKeys()]).toEqual([
    ['Billy', keyNamed('a new one')],
    ['Carla', keyNamed('Carla')],
    ['__proto__', keyNamed('proto')],
  ])
})
