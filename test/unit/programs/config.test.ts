import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest'
import { ConfigError, readConfig, readLocalConfig, toServerAddress } from '../../../src/programs/config.ts'
import { packageFile } from '../../../src/programs/package.ts'
import { DEFAULT_LIMITS } from '../../../src/protocol/limits.ts'

const folder = mkdtempSync(join(tmpdir(), 'mesh-chat-config-'))
const file = join(folder, 'config.json')
afterAll(() => rmSync(folder, { recursive: true }))
afterEach(() => {
  vi.restoreAllMocks()
  rmSync(file, { force: true })
})

const SERVERS = [{ id: 'server-1', ip: '127.0.0.1', port: 3001 }]
function write(config: unknown): void {
  writeFileSync(file, typeof config === 'string' ? config : JSON.stringify(config))
}
function read(config: unknown) {
  write(config)
  return readConfig(file)
}
function errorOf(config: unknown): string {
  try {
    read(config)
  } catch (error) {
    if (error instanceof ConfigError) return error.message.replace(`${file}`, 'FILE')
  }
  return 'no ConfigError'
}

describe('a valid config', () => {
  test('needs servers only, and has the default limits', () => {
    expect(read({ servers: SERVERS })).toEqual({
      file,
      servers: SERVERS,
      limits: DEFAULT_LIMITS,
      secretFile: undefined,
      previousSecretFile: undefined,
      names: [],
      origins: [],
      auth: undefined,
      tokenKeyFile: undefined,
      tls: undefined,
      backbone: undefined,
    })
  })

  test('has origins of pages in canonical form', () => {
    const origins = ['https://Page.example:443', 'http://127.0.0.1:8080']
    expect(read({ servers: SERVERS, origins }).origins).toEqual(['https://page.example', 'http://127.0.0.1:8080'])
    for (const wrong of ['*', 'null', 'page.example', 'https://page.example/chat', 'ftp://page.example'])
      expect(errorOf({ servers: SERVERS, origins: [wrong] })).toContain('origins.0: must be an origin')
  })

  test('replaces single limits, and 0 turns one off', () => {
    expect(read({ servers: SERVERS, limits: { burst: 7, connections: 0 } }).limits).toEqual({
      ...DEFAULT_LIMITS,
      burst: 7,
      connections: 0,
    })
  })

  test('has absolute paths: relative ones start at the folder of the file', () => {
    const tls = { cert: 'cert.pem', key: '/etc/key.pem', ca: '../ca.pem' }
    const config = read({
      servers: SERVERS,
      secretFile: 'secret',
      previousSecretFile: 'old',
      tokenKeyFile: 'keys/token',
      tls,
    })
    expect(config).toMatchObject({
      secretFile: join(folder, 'secret'),
      previousSecretFile: join(folder, 'old'),
      tokenKeyFile: join(folder, 'keys/token'),
      tls: { cert: join(folder, 'cert.pem'), key: '/etc/key.pem', ca: join(folder, '../ca.pem') },
    })
  })

  test('takes the names of all servers and of one, as origins', () => {
    const servers = [{ ...SERVERS[0], names: ['http://One.example:80/'] }]
    const config = read({ servers, names: ['https://chat.example.com/'] })
    expect([config.names, config.servers[0]?.names]).toEqual([['https://chat.example.com'], ['http://one.example']])
  })

  test('takes one NATS URL or several', () => {
    expect(read({ servers: SERVERS, backbone: 'nats://a:4222' }).backbone).toEqual(['nats://a:4222'])
    expect(read({ servers: SERVERS, backbone: ['nats://a', 'tls://b'] }).backbone).toEqual(['nats://a', 'tls://b'])
  })
})

describe('an error names the file, the field and the fix', () => {
  test.each([
    ['syntax', '{', /^FILE is not JSON: .*; fix the syntax$/],
    ['no servers', { servers: [] }, /^FILE: servers: .*; correct this field$/],
    ['no object', '[]', /^FILE: the file: .*; correct this field$/],
    ['a bad port', { servers: [{ ...SERVERS[0], port: 0 }] }, /^FILE: servers\.0\.port: .*; correct this field$/],
    ['a bad id', { servers: [{ ...SERVERS[0], id: 'a b' }] }, /^FILE: servers\.0\.id: must be 1 to 64 letters/],
    ['an unknown limit', { servers: SERVERS, limits: { speed: 1 } }, /^FILE: limits.*; correct this field$/],
    ['a negative limit', { servers: SERVERS, limits: { burst: -1 } }, /^FILE: limits\.burst: .*; correct this field$/],
    ['a name', { servers: SERVERS, names: ['chat.example.com'] }, /^FILE: names\.0: must be an origin such as https/],
    ['a name', { servers: SERVERS, names: ['https://a/b'] }, /^FILE: names\.0: must be an origin such as https/],
    ['an auth mode', { servers: SERVERS, auth: 'password' }, /^FILE: auth: .*; correct this field$/],
    [
      'a backbone',
      { servers: SERVERS, backbone: 'http://a' },
      /^FILE: backbone\.0: must be nats:\/\/HOST:PORT or tls:/,
    ],
  ])('%s', (_, config, error) => {
    expect(errorOf(config)).toMatch(error)
  })

  test('an id that is used twice', () => {
    expect(errorOf({ servers: [...SERVERS, ...SERVERS] })).toBe(
      'FILE: servers: id server-1 is used twice; give each server its own id',
    )
  })

  test('a missing file', () => {
    const missing = join(folder, 'missing.json')
    expect(() => readConfig(missing)).toThrow(
      new RegExp(`^cannot read ${missing}: ENOENT.*; choose another with --config FILE$`),
    )
  })
})

describe('without a file name', () => {
  test('the config of the working folder is read', () => {
    vi.spyOn(process, 'cwd').mockReturnValue(folder)
    write({ servers: SERVERS })
    expect(readConfig(undefined).file).toBe(file)
    expect(readLocalConfig()?.file).toBe(file)
  })

  test('else the config of the package', () => {
    vi.spyOn(process, 'cwd').mockReturnValue(folder)
    expect(readConfig(undefined).file).toBe(packageFile('config.json'))
    expect(readLocalConfig()).toBeUndefined()
  })

  test('an invalid local config is an error, or no local config', () => {
    vi.spyOn(process, 'cwd').mockReturnValue(folder)
    write('{')
    expect(() => readConfig(undefined)).toThrow(ConfigError)
    expect(readLocalConfig()).toBeUndefined()
  })
})

test('a server address has http or https, and brackets around IPv6', () => {
  const server = { id: 'a', ip: '::1', port: 3001 }
  expect(toServerAddress(server)).toEqual({ id: 'a', url: 'http://[::1]:3001' })
  expect(toServerAddress({ ...server, ip: 'a.example' }, true)).toEqual({ id: 'a', url: 'https://a.example:3001' })
})
