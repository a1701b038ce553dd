/** `auth: token`: users prove their names by a token that the operator signs. */
import { spawnSync } from 'node:child_process'
import { createHmac, generateKeyPairSync } from 'node:crypto'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { io } from 'socket.io-client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ServerHarness } from '../../support/harness/server-harness.ts'
import {
  freePorts,
  Program,
  stopAll,
  temporaryFolder,
  until,
  untilToldOnline,
} from '../../support/programs/processes.ts'
import { keyNamed } from '../../support/simulation/plain-identity.ts'

const SECRET = 'the secret that the operator signs tokens with'

afterAll(stopAll)

const base64url = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
/** A hand-made token (RFC 7519). */
function forge(secret: string, claims: object, alg = 'HS256'): string {
  const signed = `${base64url({ alg })}.${base64url(claims)}`
  return `${signed}.${alg === 'none' ? '' : createHmac('sha256', secret).update(signed).digest('base64url')}`
}
const soon = () => Math.floor(Date.now() / 1_000) + 600

async function mesh(key: string, sign = key) {
  const folder = temporaryFolder()
  const [port = 0] = await freePorts(1)
  const file = join(folder, 'config.json')
  const servers = [{ id: 'server-1', ip: '127.0.0.1', port }]
  writeFileSync(file, JSON.stringify({ servers, auth: 'token', tokenKeyFile: 'token.key' }))
  writeFileSync(join(folder, 'token.key'), key, { mode: 0o600 })
  writeFileSync(join(folder, 'sign.key'), sign, { mode: 0o600 })
  const server = new Program('daemon', ['--id', 'server-1', '--config', file, '--log-format', 'text'])
  await until('it listens', () => server.out.includes('Listening for connections'))
  const make = (...args: string[]) =>
    spawnSync(process.execPath, ['dist/daemon/main.js', 'token', '--config', file, ...args], { encoding: 'utf8' })
  return { port, folder, make, server }
}

describe('with a secret (HS256)', () => {
  let port = 0
  let folder = ''
  let make: Awaited<ReturnType<typeof mesh>>['make']
  beforeAll(async () => {
    const made = await mesh(SECRET)
    port = made.port
    folder = made.folder
    make = made.make
  })

  /** The server's response to `identify`. */
  async function hello(more: object, user = 'Anna'): Promise<{ ok: boolean; code?: string; message?: string }> {
    const socket = io(`http://127.0.0.1:${port}`, { transports: ['websocket'], forceNew: true, reconnection: false })
    try {
      return await socket.timeout(60_000).emitWithAck('identify', { user, client: 'test/1', protocol: 2, ...more })
    } finally {
      socket.disconnect()
    }
  }

  test('a token is valid for its own user name only', async () => {
    const token = make('--user', 'Anna').stdout.trim()
    expect(await hello({ token })).toMatchObject({ ok: true, auth: 'token' })
    const other = await hello({ token }, 'Billy')
    expect(other).toEqual({ ok: false, code: 'unauthorized', message: 'the token is for Anna, not for Billy' })
  })

  test('forged, expired and malformed tokens are rejected', async () => {
    const valid = forge(SECRET, { sub: 'Anna', exp: soon() })
    expect(await hello({ token: valid })).toMatchObject({ ok: true })
    const [head, , signature] = valid.split('.')
    const forged = {
      none: {},
      'of another secret': { token: forge('another secret, as long as the first is', { sub: 'Anna', exp: soon() }) },
      'unsigned (alg: none)': { token: forge('', { sub: 'Anna', exp: soon() }, 'none') },
      'another body': { token: `${head}.${base64url({ sub: 'Anna', exp: soon() + 1e6 })}.${signature}` },
      'without an end': { token: forge(SECRET, { sub: 'Anna' }) },
      'without a user': { token: forge(SECRET, { exp: soon() }) },
      expired: { token: forge(SECRET, { sub: 'Anna', exp: soon() - 660 }) },
      'not yet': { token: forge(SECRET, { sub: 'Anna', exp: soon(), nbf: soon() }) },
      nonsense: { token: 'x.y.z' },
      empty: { token: '' },
      'another spelling': { token: `${valid}==` },
      'a key instead': { key: keyNamed('Anna'), proof: 'x' },
    }
    for (const [what, shown] of Object.entries(forged)) {
      expect(await hello(shown), what).toMatchObject({ ok: false, code: 'unauthorized' })
    }
    const expired = await hello(forged.expired)
    expect(expired.message).toBe('the token is rejected: it has expired; get a new one')
  })

  test('an original client gets the reason of its refusal', async () => {
    const socket = io(`http://127.0.0.1:${port}`, { transports: ['websocket'], forceNew: true })
    const refused = new Promise(resolve => socket.once('refused', resolve))
    socket.emit('identify', 'Anna')
    expect(await refused).toMatchObject({ code: 'unauthorized', message: expect.stringContaining('a token') })
    const asked = await socket.timeout(60_000).emitWithAck('roster')
    expect(asked).toMatchObject({ ok: false, code: 'unauthorized' })
    socket.disconnect()
  })

  test('mesh-chat reads the token from the environment or a file, and reports a missing one', async () => {
    const env = { XDG_STATE_HOME: folder, XDG_CONFIG_HOME: folder }
    const args = (user: string) => ['--user', user, '--port', `${port}`, '--plain', '--no-history']
    const anna = new Program('cli', args('Anna'), { ...env, MESH_CHAT_TOKEN: make('--user', 'Anna').stdout })
    writeFileSync(join(folder, 'billy.token'), make('--user', 'Billy', '--expires', '1h').stdout)
    const billy = new Program(
      'cli',
      [...args('Billy'), '--token-file', join(folder, 'billy.token'), '--to', 'Anna'],
      env,
    )
    await untilToldOnline([anna, 'Billy'], [billy, 'Anna'])
    billy.child.stdin?.write('hello\n')
    await until('a message arrives', () => anna.out.includes('Billy: hello'))
    const carla = new Program('cli', args('Carla'), env)
    await carla.waitForExit()
    expect(carla.exitStatus?.code).toBe(1)
    expect(carla.out).toBe('mesh-chat: this mesh requires a token from its operator\n')
  })

  test('a short key and a private key readable by others are rejected', () => {
    const key = join(folder, 'bad.key')
    const made = (text: string, mode: number) => {
      rmSync(key, { force: true })
      writeFileSync(key, text, { mode })
      return make('--user', 'Anna', '--key', key)
    }
    expect(made('x'.repeat(31), 0o600)).toMatchObject({ status: 2, stderr: expect.stringContaining('32 characters') })
    expect(made('x'.repeat(32), 0o600)).toMatchObject({ status: 2, stderr: expect.stringContaining('repeats') })
    expect(made(SECRET, 0o600)).toMatchObject({ status: 0 })
    expect(made(SECRET, 0o644)).toMatchObject({ status: 2, stderr: expect.stringContaining('chmod 600') })
    const { publicKey, privateKey } = generateKeyPairSync('ed25519', {
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    })
    // A file with both keys must stay private.
    expect(made(`${privateKey}${publicKey}`, 0o644)).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('chmod'),
    })
    expect(made(publicKey, 0o644)).toMatchObject({ status: 2, stderr: expect.stringContaining('cannot sign') })
  })

  test('--room puts the rooms that the user may join into the token', () => {
    const roomsOf = (...args: string[]) => {
      const [, claims = ''] = make('--user', 'Anna', ...args).stdout.split('.')
      return JSON.parse(Buffer.from(claims, 'base64url').toString()).rooms
    }
    expect(roomsOf('--room', '#Ops', '#dev')).toEqual(['#ops', '#dev'])
    expect(roomsOf('--room', '#ops', '--room', '#dev')).toEqual(['#ops', '#dev'])
    expect(roomsOf()).toBeUndefined()
    expect(make('--user', 'Anna', '--room', 'ops')).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/^mesh-chatd: --room ops is not a room name: a room name has # and .*\n$/),
    })
    const many = Array.from({ length: 500 }, (_, n) => `#room-with-a-long-name-${n}`)
    expect(make('--user', 'Anna', '--room', ...many)).toMatchObject({
      status: 2,
      stderr: 'mesh-chatd: the token would have more than 8192 characters; give fewer rooms\n',
    })
  })

  test('invalid options of `token` are reported in one line', () => {
    expect(make('--user', ' ')).toMatchObject({
      status: 2,
      stderr: 'mesh-chatd: --user: a user name cannot be empty\n',
    })
    expect(make('--user', 'Anna', '--expires', 'soon')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('30d'),
    })
  })
})

test('with a key pair (EdDSA) the server needs the public key only, which cannot sign tokens', async () => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519', {
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  const { port, folder, make } = await mesh(publicKey, privateKey)
  expect(make('--user', 'Anna')).toMatchObject({ status: 2, stderr: expect.stringContaining('cannot sign') })
  const token = make('--user', 'Anna', '--key', join(folder, 'sign.key')).stdout.trim()
  const socket = io(`http://127.0.0.1:${port}`, { transports: ['websocket'], forceNew: true })
  const hello = (token: string) =>
    socket.timeout(60_000).emitWithAck('identify', { user: 'Anna', client: 'test/1', protocol: 2, token })
  // The public key used as an HS256 secret (algorithm confusion).
  expect(await hello(forge(publicKey, { sub: 'Anna', exp: soon() }))).toMatchObject({ ok: false, code: 'unauthorized' })
  expect(await hello(token)).toMatchObject({ ok: true })
  socket.disconnect()
})

test('a connection is closed with a reason when its token expires', () => {
  const harness = new ServerHarness({}, { auth: 'token' })
  const connection = harness.connect()
  const expires = harness.wallOffset + harness.now + 60_000
  const later = harness.connect()
  harness.identify(connection, 'Anna', 2, { kind: 'token', user: 'Anna', expires })
  harness.identify(later, 'Anna', 2, { kind: 'token', user: 'Anna', expires: expires + 5_000 })
  harness.advance(59_000)
  expect(harness.closed.size).toBe(0)
  harness.advance(2_000)
  expect([...harness.closed.keys()]).toEqual([connection])
  expect(harness.refusalCodes(connection)).toEqual(['unauthorized'])
  harness.advance(5_000)
  expect([...harness.closed.keys()]).toEqual([connection, later])
})

test('a peer with another auth mode is refused', () => {
  const harness = new ServerHarness({}, { auth: 'token' })
  for (const auth of [undefined, 'open', 'key'] as const) {
    const link = harness.acceptLink('server-2', auth)
    expect(harness.effects).toContainEqual(expect.objectContaining({ type: 'refuse', link, code: 'other-auth' }))
  }
  const link = harness.acceptLink('server-2', 'token')
  expect(harness.effects).toContainEqual(expect.objectContaining({ type: 'accept', link }))
})
