/** Membership of the mesh: the secret, connection limits, and TLS. */
import { spawnSync } from 'node:child_process'
import { appendFileSync, chmodSync, copyFileSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { connect as connectTcp, type Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { io } from 'socket.io-client'
import { afterAll, describe, expect, test } from 'vitest'
import {
  freePorts,
  Program,
  stopAll,
  temporaryFolder,
  until,
  untilToldOnline,
} from '../../support/programs/processes.ts'

const TLS = 'test/support/tls'
const SECRET = 'a secret of more than sixteen characters'

afterAll(stopAll)

async function config(servers: number, more: object = {}) {
  const folder = temporaryFolder()
  const ports = await freePorts(servers)
  const file = join(folder, 'config.json')
  const list = ports.map((port, at) => ({ id: `server-${at + 1}`, ip: '127.0.0.1', port }))
  writeFileSync(file, JSON.stringify({ servers: list, ...more }))
  return { file, folder, ports }
}

const server = (n: number, file: string, env: NodeJS.ProcessEnv = {}) =>
  new Program('daemon', ['--id', `server-${n}`, '--config', file, '--log-format', 'text'], env)

function refused(file: string, env: NodeJS.ProcessEnv, ...args: string[]) {
  const command = ['dist/daemon/main.js', '--id', 'server-1', '--config', file, ...args]
  const { status, stderr } = spawnSync(process.execPath, command, {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    timeout: 60_000,
  })
  return { status, stderr: stderr.trim() }
}

describe('the secret', () => {
  test('servers with the same secret connect; a server with another secret is rejected', async () => {
    const { file, folder } = await config(3, { secretFile: 'secret' })
    writeFileSync(join(folder, 'secret'), `${SECRET}\n`, { mode: 0o600 })
    const [one, two] = [server(1, file), server(2, file, { MESH_CHAT_SECRET: SECRET })]
    const outsider = server(3, file, { MESH_CHAT_SECRET: 'another secret, long enough' })
    await until('the two are linked', () => one.out.includes('Outbound connection to peer: server-2'))
    await until('the outsider is refused', () => outsider.out.includes('refused the connection: wrong-secret'))
    expect(two.out).not.toContain('Inbound connection from peer: server-3')
    expect(one.out).not.toContain('No secret is set')
  })

  test('a secret file readable by others and a short secret are rejected', async () => {
    const { file, folder } = await config(1, { secretFile: 'secret' })
    writeFileSync(join(folder, 'secret'), SECRET)
    chmodSync(join(folder, 'secret'), 0o640)
    expect(refused(file, {})).toMatchObject({ status: 2, stderr: expect.stringMatching(/^.*chmod 600 .*secret$/) })
    expect(refused(file, { MESH_CHAT_SECRET: 'short' })).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('16 characters'),
    })
  })

  test('a server without a secret does not listen on the network unless --insecure is given', async () => {
    const { file } = await config(1)
    expect(refused(file, {}, '--host', '0.0.0.0')).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/MESH_CHAT_SECRET.*--insecure/),
    })
    // With a secret, auth must be set as well.
    expect(refused(file, { MESH_CHAT_SECRET: SECRET }, '--host', '0.0.0.0', '--advertise', 'http://x:1')).toMatchObject(
      {
        status: 2,
        stderr: expect.stringMatching(/--auth to key .*token .*open/),
      },
    )
    const open = new Program('daemon', ['--id', 'server-1', '--config', file, '--host', '0.0.0.0', '--insecure'])
    await until('it listens', () => open.out.includes('Listening for connections'))
    expect(open.out).toContain('No secret is set: anyone who can reach this server can join the mesh as a server.')
  })
})

test('a handshake over the limit replaces the oldest, so that silent diallers cannot block a peer', async () => {
  const { file, ports } = await config(2, { limits: { handshakes: 3 } })
  const one = server(1, file)
  await until('it listens', () => one.out.includes('Listening'))
  const silent = (n: number) => {
    const auth = { id: `silent-${n}`, incarnation: `life-${n}`, protocol: 2, nonce: 'n'.repeat(22) }
    const options = { auth, transports: ['websocket'], reconnection: false, forceNew: true }
    const socket = io(`http://127.0.0.1:${ports[0]}/mesh`, options)
    return new Promise<typeof socket>(resolve => socket.once('challenge', () => resolve(socket)))
  }
  const sockets: Awaited<ReturnType<typeof silent>>[] = []
  for (let n = 0; n < 3; n++) sockets.push(await silent(n))
  expect(sockets.map(({ connected }) => connected)).toEqual([true, true, true])
  sockets.push(await silent(3))
  await until('the oldest is closed', () => sockets[0]?.connected === false)
  expect(sockets.slice(1).map(({ connected }) => connected)).toEqual([true, true, true])
  // A peer connects although other diallers keep the limit exhausted.
  let n = 4
  let isCrowding = true
  const crowd = async () => {
    // One after the other, so that a slow machine has a slow crowd.
    while (isCrowding) {
      sockets.push(await silent(n++))
      await new Promise(resolve => setTimeout(resolve, 100))
    }
  }
  const crowding = crowd()
  const two = server(2, file)
  await until('the peer is linked both ways', () => two.out.includes('Outbound connection to peer: server-1'))
  isCrowding = false
  await crowding
  for (const socket of sockets) socket.close()
})

/** An address of this machine other than loopback, which is exempt from the limit. */
const outside = Object.values(networkInterfaces())
  .flatMap(one => one ?? [])
  .find(({ internal, family }) => !internal && family === 'IPv4')?.address

test.skipIf(outside === undefined)('silent connections count towards the limit per address', async () => {
  const { file, ports } = await config(1, { limits: { connectionsPerAddress: 5 }, auth: 'open' })
  const one = new Program('daemon', ['--id', 'server-1', '--config', file, '--host', '0.0.0.0', '--insecure'])
  await until('it listens', () => one.out.includes('Listening'))
  const closed = new Set<number>()
  const open = (n: number) =>
    new Promise<Socket>(resolve => {
      const socket = connectTcp(ports[0] ?? 0, outside, () => resolve(socket))
      socket.on('error', () => {})
      socket.on('close', () => closed.add(n))
    })
  const sockets: Socket[] = []
  for (let n = 0; n < 10; n++) sockets.push(await open(n))
  const late = await open(10)
  await until('the excess connection is closed', () => closed.size === 1)
  expect([...closed]).toEqual([10])
  // A closed connection makes room; loopback is exempt.
  sockets[0]?.destroy()
  await until('it is closed', () => closed.has(0))
  const local = io(`http://127.0.0.1:${ports[0]}`, { transports: ['websocket'], forceNew: true, reconnection: false })
  await until('a client on loopback connects', () => local.connected)
  const again = io(`http://${outside}:${ports[0]}`, { transports: ['websocket'], forceNew: true })
  await until('a client on the outside address connects', () => again.connected)
  for (const socket of [...sockets, late]) socket.destroy()
  for (const socket of [local, again]) socket.close()
})

describe('TLS', () => {
  const files = (name: string) => ({
    cert: join(process.cwd(), TLS, `${name}.pem`),
    key: join(process.cwd(), TLS, `${name}-key.pem`),
    ca: join(process.cwd(), TLS, 'ca.pem'),
  })

  test('TLS encrypts links and clients, and rejects untrusted certificates', async () => {
    const { file, ports, folder } = await config(3, { tls: files('one') })
    const strange = join(folder, 'strange.json')
    const list = ports.map((port, at) => ({ id: `server-${at + 1}`, ip: '127.0.0.1', port }))
    writeFileSync(strange, JSON.stringify({ servers: list, tls: files('stranger') }))
    const [one, two, three] = [server(1, file), server(2, file), server(3, strange)]
    await until('one is linked to two', () => one.out.includes('Outbound connection to peer: server-2'))
    await until('two is linked to one', () => two.out.includes('Outbound connection to peer: server-1'))
    await until('the third is not trusted', () => /Peer: server-3 unreachable/.test(one.out))
    expect(one.out).not.toContain('Outbound connection to peer: server-3')
    expect(three.out).not.toContain('Attempt connection to peer: server-1 at: http:')

    const home = mkdtempSync(join(folder, 'home-'))
    const env = { XDG_STATE_HOME: home, XDG_CONFIG_HOME: home }
    const url = (n: number) => `https://127.0.0.1:${ports[n - 1]}`
    const ca = ['--ca', join(TLS, 'ca.pem')]
    const anna = new Program('cli', ['--user', 'Anna', '--server', url(1), '--to', 'Billy', ...ca], env)
    const billy = new Program('cli', ['--user', 'Billy', '--server', url(2), ...ca], { ...env, XDG_STATE_HOME: folder })
    await untilToldOnline([anna, 'Billy'], [billy, 'Anna'])
    anna.child.stdin?.write('in secret\n')
    await until('the message arrives', () => billy.out.includes('Anna: in secret'))

    const withoutCa = new Program('cli', ['--user', 'Carla', '--server', url(1)], env)
    await until('the certificate is not trusted', () => /certificate/.test(withoutCa.out))
    withoutCa.child.stdin?.end()
    await withoutCa.waitForExit()
    expect(withoutCa.exitStatus?.code).toBe(69)
  })

  test('SIGHUP reloads the CA for links', async () => {
    const { file, folder, ports } = await config(2, { tls: { ...files('one'), ca: 'ca.pem' } })
    copyFileSync(join(TLS, 'ca.pem'), join(folder, 'ca.pem'))
    const strange = join(folder, 'strange.json')
    const list = ports.map((port, at) => ({ id: `server-${at + 1}`, ip: '127.0.0.1', port }))
    writeFileSync(strange, JSON.stringify({ servers: list, tls: files('stranger') }))
    const [one] = [server(1, file), server(2, strange)]
    await until('the second is not trusted', () => one.out.includes('Peer: server-2 unreachable'))
    appendFileSync(join(folder, 'ca.pem'), readFileSync(join(TLS, 'stranger.pem')))
    one.child.kill('SIGHUP')
    await until('the second is trusted', () => one.out.includes('Outbound connection to peer: server-2'))
  })

  test('SIGHUP reloads certificates and closes no connection', async () => {
    const { folder } = await config(1)
    for (const part of ['', '-key']) copyFileSync(join(TLS, `one${part}.pem`), join(folder, `cert${part}.pem`))
    const { file, ports } = await config(1, {
      tls: { cert: join(folder, 'cert.pem'), key: join(folder, 'cert-key.pem') },
    })
    const one = server(1, file)
    await until('it listens', () => one.out.includes('Listening'))
    const [port = 0] = ports
    const held = await certificate(port)
    expect(held.name).toBe('one')
    for (const part of ['', '-key']) copyFileSync(join(TLS, `two${part}.pem`), join(folder, `cert${part}.pem`))
    one.child.kill('SIGHUP')
    await until('it has reloaded them', () => one.out.includes('Certificates reloaded.'))
    const renewed = await certificate(port)
    expect(renewed.name).toBe('two')
    expect(held.socket.destroyed).toBe(false)
    writeFileSync(join(folder, 'cert.pem'), 'nonsense')
    one.child.kill('SIGHUP')
    await until('it keeps the old ones', () => one.out.includes('keeping the current settings'))
    for (const { socket } of [held, renewed]) socket.destroy()
  })
})

function certificate(port: number) {
  return new Promise<{ name: string | undefined; socket: ReturnType<typeof connect> }>((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      resolve({ name: `${socket.getPeerCertificate().subject.CN}`, socket })
    })
    socket.once('error', reject)
  })
}
