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
      rooms: [],
    })
  })

  test('has origins of pages in canonical form', () => {
    const origins = ['https://Page.example:443', 'http://127.0.0.1:8080']
    expect(read({ servers: SERVERS, origins }).origins).toEqual(['https://page.example', 'http://127.0.0.1:8080'])
    for (const wrong of ['*', 'null', 'page.example', 'https://page.example/chat', 'ftp://page.example'])
      expect(errorOf({ servers: SERVERS, origins: [wrong] })).toContain('origins[0] must be an origin')
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

  test('rejects wildcards in origins and reads no character as a pattern', () => {
    for (const wrong of ['*', 'https://*', 'https://*.example.com', 'http://127.0.0.1:*', 'null', '/https:.*/'])
      expect(errorOf({ servers: SERVERS, origins: [wrong] })).toContain('origins[0] must be an origin')
    expect(errorOf({ servers: SERVERS, origins: ['https://*.example.com'] })).toContain('without wildcards')
    const origins = ['https://münchen.example', 'https://a$b.example/', 'http://[::1]:80']
    expect(read({ servers: SERVERS, origins }).origins).toEqual([
      'https://xn--mnchen-3ya.example',
      'https://a$b.example',
      'http://[::1]',
    ])
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

describe('the rooms of a valid config', () => {
  const roomsOf = (...rooms: object[]) => read({ servers: SERVERS, rooms }).rooms

  test('need a name only, and are open to everyone', () => {
    expect(roomsOf({ name: '#ops' })).toEqual([
      { name: '#ops', operators: [], write: 'all', hidden: false, slowSeconds: 0 },
    ])
  })

  test('have all settings', () => {
    const room = {
      name: '#News',
      topic: 'What is new ',
      operators: ['Anna'],
      members: ['Billy'],
      write: 'operators',
      history: 30,
      hidden: true,
      slow: 5,
    }
    expect(roomsOf(room)).toEqual([
      {
        name: '#news',
        topic: 'What is new',
        operators: ['Anna'],
        members: ['Billy'],
        write: 'operators',
        historyDays: 30,
        hidden: true,
        slowSeconds: 5,
      },
    ])
  })

  test('have names of rooms and users in canonical form, each user once', () => {
    const names = ['Ame\u0301lie', 'Am\u00e9lie', ' Billy ']
    const [room] = roomsOf({ name: '#CAFE\u0301', operators: names, members: names })
    const users = ['Am\u00e9lie', 'Billy']
    expect(room).toMatchObject({ name: '#caf\u00e9', operators: users, members: users })
  })

  test('give newcomers no history with "none", and as much as clients want without the field', () => {
    const days = [{ history: 'none' }, { history: 1 }, { history: 3_650 }, {}].map(
      (history, at) => roomsOf({ name: `#room-${at}`, ...history })[0]?.historyDays,
    )
    expect(days).toEqual([0, 1, 3_650, undefined])
  })

  test('have no topic if it is empty', () => {
    expect(roomsOf({ name: '#ops', topic: ' ' })[0]?.topic).toBeUndefined()
  })

  test('may have operators only as members', () => {
    expect(roomsOf({ name: '#ops', operators: ['Anna'], members: [] })[0]).toMatchObject({ members: [] })
  })
})

describe('an error in a room names the field and the fix', () => {
  const HISTORY = 'must be "none" or a whole number of days from 1 to 3650; correct this field'
  const SLOW = 'must be a whole number of seconds from 0 to 3600; correct this field'
  const ROOM_NAME = 'is invalid: a room name has # and then 1 to 63 letters, digits or any of - _ .; correct this field'
  test.each<[string, object, string]>([
    ['a missing name', { name: undefined }, 'name is missing; add it'],
    ['a name without #', { name: 'ops' }, `name ${ROOM_NAME}`],
    ['a name with a space', { name: '#the ops' }, `name ${ROOM_NAME}`],
    ['a number as name', { name: 1 }, 'name is invalid: a room name must be a string; correct this field'],
    ['a long topic', { topic: 'x'.repeat(501) }, 'topic must be a text of at most 500 characters; correct this field'],
    ['a topic of two lines', { topic: 'a\nb' }, 'topic must be one line, without control characters; correct'],
    ['a topic with an escape', { topic: '\u001b[2J' }, 'topic must be one line, without control characters; correct'],
    ['one operator as text', { operators: 'Anna' }, 'operators must be a list of user names; correct this field'],
    ['an empty user name', { operators: ['Anna', ''] }, 'operators[1] is invalid: a user name cannot be empty'],
    ['an invalid member', { members: [7] }, 'members[0] is invalid: a user name must be a string; correct this field'],
    [
      'too many members',
      { members: Array.from({ length: 10_001 }, (_, n) => `user ${n}`) },
      'members must list at most 10000 users; correct this field',
    ],
    ['unknown writers', { write: 'members' }, 'write must be all or operators; correct this field'],
    [
      'no operators who could write',
      { write: 'operators' },
      'write is operators, but the room has none, so nobody could write; add users to its operators',
    ],
    [
      'nobody who could join',
      { members: [] },
      'members is empty and the room has no operators, so nobody could join; add users, or remove this field',
    ],
    ...[0, 3_651, 1.5, 'all', '7', null].map((history): [string, object, string] => [
      `the history ${history}`,
      { history },
      `history ${HISTORY}`,
    ]),
    ...[-1, 3_601, 0.5, '5'].map((slow): [string, object, string] => [`the pace ${slow}`, { slow }, `slow ${SLOW}`]),
    ['a text for hidden', { hidden: 'yes' }, 'hidden must be true or false; correct this field'],
    ['a mistyped field', { topik: 'x' }, 'topik is not a field; did you mean topic?'],
    [
      'an unknown field',
      { password: 'x' },
      'password is not a field; remove it; the known names are name, topic, operators,',
    ],
  ])('%s', (_, fields, error) => {
    const rooms = [{ name: '#first' }, { name: '#ops', ...fields }]
    expect(errorOf({ servers: SERVERS, rooms })).toContain(`FILE: rooms[1].${error}`)
  })

  test('a name that is used twice, in any spelling', () => {
    const rooms = [{ name: '#ops' }, { name: '#dev' }, { name: '#Ops' }]
    expect(errorOf({ servers: SERVERS, rooms })).toBe(
      'FILE: rooms[2].name #ops is used twice; give each room its own name',
    )
  })

  test('no list, and too many rooms', () => {
    expect(errorOf({ servers: SERVERS, rooms: { '#ops': {} } })).toBe(
      'FILE: rooms must be a list of rooms; correct this field',
    )
    expect(errorOf({ servers: SERVERS, rooms: ['#ops'] })).toBe(
      'FILE: rooms[0] must be a JSON object; correct this field',
    )
    const rooms = Array.from({ length: 1_001 }, (_, n) => ({ name: `#room-${n}` }))
    expect(errorOf({ servers: SERVERS, rooms })).toBe('FILE: rooms must list at most 1000 rooms; correct this field')
  })
})

test('an address may have brackets, or be an internationalised name', () => {
  const servers = ['[::1]', 'bücher.example'].map((ip, at) => ({ id: `server-${at}`, ip, port: 3001 }))
  const urls = read({ servers }).servers.map(server => toServerAddress(server).url)
  expect(urls).toEqual(['http://[::1]:3001', 'http://xn--bcher-kva.example:3001'])
})

describe('an error names the file, the field and the fix', () => {
  test.each([
    ['no servers', { servers: [] }, 'servers must list at least one server; correct this field'],
    ['no list of servers', {}, 'servers is missing; add it'],
    ['no object', '[]', 'the file must be a JSON object; correct the file'],
    ['a missing port', { servers: [{ id: 'a', ip: '::1' }] }, 'servers[0].port is missing; add it'],
    [
      'a bad port',
      { servers: [...SERVERS, { ...SERVERS[0], port: 0 }] },
      'servers[1].port must be a whole number from 1 to 65535; correct this field',
    ],
    [
      'a port as text',
      { servers: [{ ...SERVERS[0], port: '3001' }] },
      'servers[0].port must be a whole number from 1 to 65535; correct this field',
    ],
    [
      'a bad id',
      { servers: [{ ...SERVERS[0], id: 'a b' }] },
      'servers[0].id must be 1 to 64 letters, digits or any of . _ - /; correct this field',
    ],
    ...['', 'host name', '10.0.0.1:3000', 'http://10.0.0.1', '[10.0.0.1]', 'a/b', 'fe80::1%eth0', '10.1'].map(
      (ip): [string, unknown, string] => [
        `the address ${ip}`,
        { servers: [...SERVERS, { id: 'server-2', ip, port: 3002 }] },
        'servers[1].ip must be an IP address or a host name, without scheme, port or spaces; correct this field',
      ],
    ),
    ['an unknown field of a server', { servers: [{ ...SERVERS[0], prot: 1 }] }, 'servers[0].prot is not a field'],
    ['a mistyped field', { servers: SERVERS, auht: 'key' }, 'auht is not a field; did you mean auth?'],
    [
      'an unknown field',
      { servers: SERVERS, comment: 'x' },
      'comment is not a field; remove it; the known names are servers, secretFile,',
    ],
    [
      'a mistyped limit',
      { servers: SERVERS, limits: { textBites: 1 } },
      'limits.textBites is not a limit; did you mean textBytes?',
    ],
    [
      'an unknown limit',
      { servers: SERVERS, limits: { speed: 1 } },
      'limits.speed is not a limit; remove it; the known names are messagesPerSecond,',
    ],
    [
      'a negative limit',
      { servers: SERVERS, limits: { burst: -1 } },
      'limits.burst must be a number, 0 or more; correct this field',
    ],
    [
      'an auth mode',
      { servers: SERVERS, auth: 'password' },
      'auth must be one of open, key, token; correct this field',
    ],
    ['half of TLS', { servers: SERVERS, tls: { cert: 'c' } }, 'tls.key is missing; add it'],
    [
      'a mistyped field of TLS',
      { servers: SERVERS, tls: { cert: 'c', key: 'k', caa: 'a' } },
      'tls.caa is not a field; did you mean ca?',
    ],
    ['a name', { servers: SERVERS, names: ['chat.example.com'] }, 'names[0] must be an origin such as https'],
    [
      'a name with a wildcard',
      { servers: SERVERS, names: ['https://*.a.example'] },
      'names[0] must be an origin without wildcards; list each origin',
    ],
    ['a name with a path', { servers: SERVERS, names: ['https://a/b'] }, 'names[0] must be an origin such as https'],
    [
      'a backbone',
      { servers: SERVERS, backbone: 'http://a' },
      'backbone[0] must be nats://HOST:PORT or tls://HOST:PORT; correct this field',
    ],
  ])('%s', (_, config, error) => {
    expect(errorOf(config)).toContain(`FILE: ${error}`)
  })

  test('syntax', () => {
    expect(errorOf('{')).toMatch(/^FILE is not JSON: .*; fix the syntax$/)
  })

  test('an id that is used twice', () => {
    expect(errorOf({ servers: [...SERVERS, ...SERVERS] })).toBe(
      'FILE: servers: id server-1 is used twice; give each server its own id',
    )
  })

  test('a missing file', () => {
    const missing = join(folder, 'missing.json')
    expect(() => readConfig(missing)).toThrow(`cannot read ${missing}: no such file; choose another with --config FILE`)
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
