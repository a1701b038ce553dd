/** Options that select the user and the servers: defaults, precedence, one-line errors. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command } from 'commander'
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  addServerOptions,
  addUserOptions,
  connectionTarget,
  parseNameOption,
  resolveServers,
  type ServerArguments,
} from '../../../cli/options.ts'
import { KnownMeshes } from '../../../cli/session/known-meshes.ts'
import { SettingsFile } from '../../../cli/settings.ts'
import { stopAll, temporaryFolder } from '../../support/programs/processes.ts'

const previous = { cwd: process.cwd(), XDG_CONFIG_HOME: process.env.XDG_CONFIG_HOME }
let folder = ''
let settings: SettingsFile

/** Thrown in place of the exit of the process. */
class Exit extends Error {}

beforeEach(() => {
  folder = temporaryFolder()
  process.env.XDG_CONFIG_HOME = join(folder, 'settings')
  mkdirSync(join(folder, 'work'))
  process.chdir(join(folder, 'work'))
  settings = new SettingsFile()
  vi.spyOn(console, 'error').mockImplementation(line => {
    throw new Exit(line)
  })
  vi.stubEnv('MESH_CHAT_TOKEN', '')
  vi.stubEnv('XDG_STATE_HOME', join(folder, 'state'))
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
  process.chdir(previous.cwd)
})
afterAll(() => {
  if (previous.XDG_CONFIG_HOME === undefined) delete process.env.XDG_CONFIG_HOME
  else process.env.XDG_CONFIG_HOME = previous.XDG_CONFIG_HOME
  stopAll()
})

const servers = (args: ServerArguments = {}) => resolveServers(args, settings).servers
const target = (args: Parameters<typeof connectionTarget>[0]) => connectionTarget({ port: '1', ...args }, settings)

function writeConfig(config: object): void {
  writeFileSync('config.json', JSON.stringify(config))
}

const server = (n: number) => ({ id: `server-${n}`, ip: `10.0.0.${n}`, port: 3000 + n })
const url = (n: number) => `http://10.0.0.${n}:${3000 + n}`

describe('servers', () => {
  test('are those of --server, in their order', () => {
    const urls = ['https://b.example:1', 'http://a.example:2/']
    expect(servers({ server: urls, port: '99' })).toEqual(urls)
  })

  test('are the address of --host and --port, each with a default', () => {
    expect(servers({ port: '4000' })).toEqual(['http://127.0.0.1:4000'])
    expect(servers({ host: 'a.example' })).toEqual(['http://a.example:3001'])
    expect(servers({ host: '::1', port: '4000' })).toEqual(['http://[::1]:4000'])
  })

  test('default to port 3001 of this machine', () => {
    expect(servers()).toEqual(['http://127.0.0.1:3001'])
  })

  test('default to those of ./config.json, starting at a random one', () => {
    writeConfig({ servers: [1, 2, 3].map(server) })
    vi.spyOn(Math, 'random').mockReturnValue(0.5)
    expect(servers()).toEqual([url(2), url(1), url(3)])
    vi.mocked(Math.random).mockReturnValue(0.99)
    expect(servers()).toEqual([url(3), url(1), url(2)])
  })

  test('of a ./config.json with TLS have https URLs', () => {
    writeConfig({ servers: [server(1)], tls: { cert: 'c', key: 'k' } })
    expect(servers()).toEqual(['https://10.0.0.1:3001'])
  })

  test('of the config are left out if the last server is known to be of another mesh', () => {
    writeConfig({ servers: [server(1), server(2)] })
    settings.save({ server: url(3) })
    expect(servers()).toEqual([url(3), url(1), url(2)])
    const pins = KnownMeshes.onDisk()
    const mesh = pins.findOrAdd([url(3)])
    expect(servers()).toEqual([url(3)])
    pins.addOrigin(mesh, url(2))
    expect(servers()).toEqual([url(3), url(1), url(2)])
  })

  test('start with the last one used, once', () => {
    writeConfig({ servers: [1, 2].map(server) })
    settings.save({ server: url(2) })
    expect(servers()).toEqual([url(2), url(1)])
    settings.save({ server: 'http://other:1' })
    expect(servers()).toEqual(['http://other:1', url(1), url(2)])
  })

  test('of an invalid ./config.json are ignored', () => {
    writeConfig({ servers: 'none' })
    expect(servers()).toEqual(['http://127.0.0.1:3001'])
  })
})

describe('user', () => {
  test('is the one of --user, else the last one', () => {
    expect(target({ user: ' Anna ' }).user).toBe('Anna')
    settings.save({ user: 'Billy' })
    expect(target({}).user).toBe('Billy')
    expect(target({ user: 'Anna' }).user).toBe('Anna')
  })

  test('without one there is an error', () => {
    expect(() => target({})).toThrow('mesh-chat: no user name given; add --user NAME')
  })
})

describe('token', () => {
  test('is the content of --token-file, else MESH_CHAT_TOKEN, else none', () => {
    expect(target({ user: 'Anna' }).token).toBeUndefined()
    vi.stubEnv('MESH_CHAT_TOKEN', 'from environment')
    expect(target({ user: 'Anna' }).token).toBe('from environment')
    writeFileSync('token', ' from file\n')
    expect(target({ user: 'Anna', tokenFile: 'token' }).token).toBe('from file')
  })
})

test('--ca is read as PEM, --insecure is passed on', () => {
  writeFileSync('ca.pem', 'PEM')
  expect(target({ user: 'Anna', ca: 'ca.pem', insecure: true })).toMatchObject({ ca: 'PEM', insecure: true })
  expect(target({ user: 'Anna' })).toMatchObject({ ca: undefined, insecure: undefined })
})

test.each<[string, () => unknown, RegExp]>([
  ['a port that is not a number', () => servers({ port: 'x' }), /--port x is not a port; give a number/],
  ['port 0', () => servers({ port: '0' }), /--port 0 is not a port/],
  ['port 65536', () => servers({ port: '65536' }), /--port 65536 is not a port/],
  ['a fraction as port', () => servers({ port: '1.5' }), /--port 1.5 is not a port/],
  ['a server without a scheme', () => servers({ server: ['a.example:1'] }), /--server a.example:1 is not a server URL/],
  ['a server with a path', () => servers({ server: ['http://a:1/x'] }), /is not a server URL; give http:\/\/HOST:PORT/],
  [
    'a missing token file',
    () => target({ user: 'Anna', tokenFile: 'missing' }),
    /--token-file: cannot read missing: no such file;/,
  ],
  ['a missing CA file', () => target({ user: 'Anna', ca: 'missing' }), /--ca: cannot read missing: no such file;/],
  ['an empty name', () => parseNameOption('--to', ' '), /--to: /],
])('%s is an error that names the option', (_, run, error) => {
  expect(run).toThrow(Exit)
  expect(run).toThrow(error)
})

test('commands accept the options that their arguments type lists', () => {
  const parse = (command: Command, args: string[]) => command.exitOverride().parse(args, { from: 'user' }).opts()
  const common = ['--port', '1', '--host', 'h', '--ca', 'f', '--server', 'http://a:1', 'http://b:2']
  const expected = { port: '1', host: 'h', ca: 'f', server: ['http://a:1', 'http://b:2'] }
  expect(parse(addServerOptions(new Command()), common)).toEqual(expected)
  const user = ['--user', 'Anna', '--token-file', 't', '--insecure']
  expect(parse(addUserOptions(new Command()), [...user, ...common])).toEqual({
    ...expected,
    user: 'Anna',
    tokenFile: 't',
    insecure: true,
  })
})
