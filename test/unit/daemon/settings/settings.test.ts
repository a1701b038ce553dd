/** The command line and the config of a server together. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  NO_CONFIG,
  parsePort,
  parseWorkerCount,
  peersOf,
  resolveSettings,
  type ServeArguments,
} from '../../../../daemon/settings/settings.ts'
import { readConfig } from '../../../../src/programs/config.ts'

const SECRET = 'sixteen letters.'
const folder = mkdtempSync(join(tmpdir(), 'mesh-chat-'))
const servers = [1, 2, 3].map(n => ({ id: `server-${n}`, ip: '127.0.0.1', port: 3_000 + n }))
const config = (more: object = {}) => {
  const file = join(folder, 'config.json')
  writeFileSync(file, JSON.stringify({ servers, ...more }))
  return file
}
const resolve = (args: ServeArguments, more?: object) => resolveSettings({ config: config(more), ...args })

beforeEach(() => vi.stubEnv('MESH_CHAT_SECRET', undefined))
afterEach(() => vi.unstubAllEnvs())
afterAll(() => rmSync(folder, { recursive: true }))

describe('with a config', () => {
  test('host and port come from the entry of the id', () => {
    const settings = resolve({ id: 'server-2' })
    expect(settings).toMatchObject({ id: 'server-2', host: '127.0.0.1', port: 3_002, linkPort: 0, auth: 'open' })
    expect(settings.backbone).toEqual([])
    expect(settings.self).toEqual(servers[1])
  })

  test('options override the config', () => {
    const args = { id: 'server-1', port: '4000', host: '127.0.0.9', linkPort: '5000', auth: 'key' } as const
    expect(resolve(args, { auth: 'open' })).toMatchObject({
      port: 4_000,
      host: '127.0.0.9',
      linkPort: 5_000,
      auth: 'key',
    })
    const url = 'nats://127.0.0.1:4222'
    expect(resolve({ id: 'server-1', backbone: [url] }, { backbone: 'nats://127.0.0.1:1' }).backbone).toEqual([url])
  })

  test('names come from the config, the entry of the server, and the options', () => {
    const named = servers.map((server, at) => (at === 0 ? { ...server, names: ['https://one.example'] } : server))
    const more = { servers: named, names: ['https://all.example'] }
    const args = { id: 'server-1', name: ['http://lb.example:8080/'] }
    expect(resolve(args, more).names).toEqual(['https://all.example', 'https://one.example', 'http://lb.example:8080'])
    expect(resolve({ id: 'server-2' }, more).names).toEqual(['https://all.example'])
    expect(() => resolve({ id: 'server-1', name: ['lb.example'] })).toThrow('--name lb.example is not an origin; give')
  })

  test('an unknown id is an error that lists the ids', () => {
    expect(() => resolve({ id: 'server-9' })).toThrow(
      /config\.json has no server "server-9"; choose one of: server-1, server-2, server-3$/,
    )
    expect(() => resolve({})).toThrow('the server id is missing; set it with --id ID')
  })

  test('the token key is read with auth: token only', () => {
    writeFileSync(join(folder, 'key'), 'x'.repeat(32), { mode: 0o600 })
    const more = { auth: 'token', tokenKeyFile: 'key' }
    expect(resolve({ id: 'server-1' }, more).tokenKey?.algorithm).toBe('HS256')
    expect(resolve({ id: 'server-1', auth: 'open' }, more).tokenKey).toBeUndefined()
  })

  test('the peers are all other servers', () => {
    expect(peersOf(readConfig(config()), 'server-2')).toEqual([
      { id: 'server-1', url: 'http://127.0.0.1:3001' },
      { id: 'server-3', url: 'http://127.0.0.1:3003' },
    ])
  })
})

describe('without a config', () => {
  const join_ = { id: 'new', join: ['http://127.0.0.1:3001'] }

  test('--join needs an id and a port', () => {
    const settings = resolveSettings({ ...join_, port: '3005' })
    expect(settings).toMatchObject({ host: '127.0.0.1', port: 3_005, config: NO_CONFIG })
    expect(() => resolveSettings(join_)).toThrow('the port of new is missing; set it with --port PORT')
    expect(() => resolveSettings({ ...join_, id: 'not an id', port: '3005' })).toThrow(/^--id: /)
  })

  test('--backbone with --port needs no config', () => {
    const settings = resolveSettings({ id: 'new', port: '3005', backbone: ['nats://127.0.0.1:4222'] })
    expect(settings.config).toBe(NO_CONFIG)
  })

  test('--backbone and --join exclude each other', () => {
    const args = { ...join_, port: '3005', backbone: ['nats://127.0.0.1:4222'] }
    expect(() => resolveSettings(args)).toThrow('give --backbone or --join, not both')
  })

  test('a joining server on a reachable address needs a secret and auth', () => {
    const args = { ...join_, port: '3005', host: '10.0.0.1' }
    expect(() => resolveSettings(args)).toThrow('the mesh has no secret')
    vi.stubEnv('MESH_CHAT_SECRET', SECRET)
    expect(() => resolveSettings(args)).toThrow('auth is not set')
    expect(resolveSettings({ ...args, auth: 'open' })).toMatchObject({ secret: SECRET, auth: 'open' })
  })
})

test.each([
  [{ join: ['127.0.0.1:3001'] }, '127.0.0.1:3001 is not a server URL'],
  [{ advertise: 'ftp://x' }, 'ftp://x is not a server URL; give http://HOST:PORT or https://HOST:PORT'],
  [{ backbone: ['localhost'] }, '--backbone localhost is not a NATS URL; give nats://HOST:PORT or tls://HOST:PORT'],
])('the invalid URL in %o is an error', (args, message) => {
  expect(() => resolve({ id: 'server-1', ...args })).toThrow(message)
})

test('ports are integers from 0 to 65535', () => {
  expect(['0', '1', '65535'].map(port => parsePort('--port', port))).toEqual([0, 1, 65_535])
  for (const port of ['-1', '65536', '1.5', 'x', 'Infinity'])
    expect(() => parsePort('--port', port)).toThrow(`--port ${port} is not a port; give a number from 0 to 65535`)
})

test('a worker count is a number from 1 to 512, or auto', () => {
  expect(['1', '512'].map(parseWorkerCount)).toEqual([1, 512])
  expect(parseWorkerCount('auto')).toBe(availableParallelism())
  for (const count of ['0', '513', '1.5', 'many', ''])
    expect(() => parseWorkerCount(count)).toThrow(`--workers ${count} is not valid`)
})

describe('a config with a NATS password', () => {
  const backbone = ['nats://10.0.0.5:4222', 'tls://mesh:password@10.0.0.6:4222']
  const settingsOf = (mode: number, more: object) => {
    const file = config({ secretFile: 'secret', auth: 'open', ...more })
    writeFileSync(join(folder, 'secret'), SECRET, { mode: 0o600 })
    chmodSync(file, mode)
    try {
      return resolveSettings({ id: 'server-1', config: file })
    } finally {
      chmodSync(file, 0o600)
    }
  }

  test('must be private', () => {
    for (const mode of [0o644, 0o640, 0o604, 0o660])
      expect(() => settingsOf(mode, { backbone })).toThrow(
        /has a NATS password .* fix it with: chmod 600 .*config.json$/,
      )
    // A user name alone is a NATS token.
    expect(() => settingsOf(0o644, { backbone: 'nats://token@10.0.0.5:4222' })).toThrow('chmod 600')
    expect(settingsOf(0o600, { backbone }).backbone).toEqual(backbone)
  })

  test('may be readable by others without a password', () => {
    expect(settingsOf(0o644, { backbone: 'nats://10.0.0.5:4222' }).backbone).toEqual(['nats://10.0.0.5:4222'])
  })
})

test('origins of pages come from the config and --origin, in canonical form', () => {
  const settings = resolve(
    { id: 'server-1', origin: ['http://127.0.0.1:8080/'] },
    { origins: ['https://page.example'] },
  )
  expect(settings.origins).toEqual(['https://page.example', 'http://127.0.0.1:8080'])
  expect(() => resolve({ id: 'server-1', origin: ['*'] })).toThrow('--origin * is not an origin')
})
