/** Attacks on the handshakes of a real server: by a peer without the secret, by a client, and by a web page. */
import { writeFileSync } from 'node:fs'
import { createServer, type Server as HttpServer } from 'node:http'
import { connect as connectTcp } from 'node:net'
import { join } from 'node:path'
import { Server } from 'socket.io'
import { io, type Socket } from 'socket.io-client'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { createProof, type Party } from '../../../daemon/links/handshake.ts'
import { freePorts, Program, stopAll, temporaryFolder, until } from '../../support/programs/processes.ts'

const SECRET = 'what only the servers of this mesh know'
let port = 0
let peerPort = 0
let server: Program
const sockets: Socket[] = []

beforeAll(async () => {
  const folder = temporaryFolder()
  ;[port = 0, peerPort = 0] = await freePorts(2)
  const file = join(folder, 'config.json')
  const servers = [port, peerPort].map((port, at) => ({ id: `server-${at + 1}`, ip: '127.0.0.1', port }))
  writeFileSync(file, JSON.stringify({ servers }))
  const args = ['--id', 'server-1', '--config', file, '--log-format', 'text', '--log-text']
  server = new Program('daemon', args, { MESH_CHAT_SECRET: SECRET })
  await until('the server listens', () => server.out.includes('Listening for connections'))
})
afterAll(() => {
  for (const socket of sockets) socket.disconnect()
  stopAll()
})

function connect(options: object = {}, path = ''): Socket {
  const socket = io(`http://127.0.0.1:${port}${path}`, {
    transports: ['websocket'],
    reconnection: false,
    forceNew: true,
    ...options,
  })
  sockets.push(socket)
  return socket
}

async function identified(user: string): Promise<Socket> {
  const socket = connect()
  const answer = await socket.timeout(60_000).emitWithAck('identify', { user, client: 'test/1', protocol: 2 })
  expect(answer).toMatchObject({ ok: true })
  return socket
}

/** Waits until the server's roster is exactly this list. */
async function waitForRoster(client: Socket, users: string[]): Promise<void> {
  const roster = () => client.timeout(60_000).emitWithAck('roster')
  await vi.waitFor(async () => expect(await roster()).toMatchObject({ users }), { timeout: 60_000, interval: 50 })
}

describe('a rogue peer', () => {
  const rogue = (id: string): Party => ({ id, incarnation: `${id}#rogue`, protocol: 2, nonce: 'n'.repeat(22) })

  /** Dials as a peer. Returns the socket and the server's challenge. */
  async function dial(auth: Party): Promise<{ socket: Socket; challenge: Party }> {
    const socket = connect({ auth }, '/mesh')
    const challenge = await new Promise<Party>(resolve => socket.once('challenge', resolve))
    return { socket, challenge }
  }

  test('without the secret gets an error that contains nothing derived from the secret', async () => {
    const { socket, challenge } = await dial(rogue('server-2'))
    const proof = createProof('a guess of the secret', 'dialler', rogue('server-2'), challenge)
    const answer = await socket.timeout(60_000).emitWithAck('prove', proof)
    expect(Object.keys(answer).sort()).toEqual(['code', 'message', 'ok'])
    expect(answer).toMatchObject({ ok: false, code: 'wrong-secret' })
    await until('the server closes the connection', () => !socket.connected)
  })

  test('cannot change any field of the introductions: the proof covers all of them', () => {
    const one: Party = { ...rogue('server-1'), url: 'http://one:1', clients: 'http://one:2', auth: 'key' }
    const other: Party = { ...rogue('server-2'), url: 'http://two:1', nonce: 'm'.repeat(22) }
    const proof = createProof(SECRET, 'dialler', one, other)
    const changes: Partial<Party>[] = [
      { id: 'x' },
      { incarnation: 'x' },
      { nonce: 'x' },
      { protocol: 3 },
      { url: 'http://x' },
      { clients: 'http://x' },
      { auth: 'token' },
    ]
    for (const change of changes) {
      expect(createProof(SECRET, 'dialler', { ...one, ...change }, other), JSON.stringify(change)).not.toBe(proof)
      expect(createProof(SECRET, 'dialler', one, { ...other, ...change }), JSON.stringify(change)).not.toBe(proof)
    }
    expect(createProof(SECRET, 'acceptor', one, other)).not.toBe(proof)
    expect(createProof(SECRET, 'dialler', other, one)).not.toBe(proof)
  })

  test('cannot replay a recorded handshake: the server uses a new nonce', async () => {
    const auth = rogue('server-2')
    const recorded = await dial(auth)
    const proof = createProof(SECRET, 'dialler', auth, recorded.challenge)
    expect(await recorded.socket.timeout(60_000).emitWithAck('prove', proof)).toMatchObject({ ok: true })
    recorded.socket.disconnect()
    const replayed = await dial(auth)
    expect(replayed.challenge.nonce).not.toBe(recorded.challenge.nonce)
    expect(await replayed.socket.timeout(60_000).emitWithAck('prove', proof)).toMatchObject({ code: 'wrong-secret' })
  })

  test("cannot reflect a server's own proof back to it", async () => {
    // It listens at the address of server-2, and server-1 dials it.
    const http: HttpServer = createServer().listen(peerPort, '127.0.0.1')
    const listening = new Server(http)
    const stolen = new Promise<{ proof: string; auth: Party }>(resolve => {
      listening.of('/mesh').on('connection', socket => {
        const auth = socket.handshake.auth as Party
        // Uses the server's own nonce, to make both handshakes as similar as possible.
        socket.emit('challenge', { ...rogue('server-2'), nonce: auth.nonce })
        socket.once('prove', (proof: string, answer: (payload: unknown) => void) => {
          answer({ ok: true, proof, holds: { seq: 0 } })
          resolve({ proof, auth })
        })
      })
    })
    const { proof, auth } = await stolen
    expect(auth.id).toBe('server-1')
    const { socket } = await dial({ ...rogue('server-2'), nonce: auth.nonce })
    expect(await socket.timeout(60_000).emitWithAck('prove', proof)).toMatchObject({ code: 'wrong-secret' })
    await until('the reflected proof is rejected', () =>
      server.out.includes('Peer: server-2 refused the connection: wrong-secret'),
    )
    expect(server.out).not.toContain('Outbound connection to peer: server-2')
    await listening.close()
  })

  test('with the secret but another id is not accepted at the address of a peer', async () => {
    const http: HttpServer = createServer().listen(peerPort, '127.0.0.1')
    const listening = new Server(http)
    listening.of('/mesh').on('connection', socket => {
      const self = rogue('server-9')
      socket.emit('challenge', self)
      socket.once('prove', (_, answer: (payload: unknown) => void) => {
        const proof = createProof(SECRET, 'acceptor', socket.handshake.auth as Party, self)
        answer({ ok: true, proof, holds: { seq: 0 } })
      })
    })
    await until('the server detects the other id', () => /Peer: server-2 .*server-9/.test(server.out))
    expect(server.out).not.toContain('Outbound connection to peer: server-2')
    await listening.close()
  })

  test('cannot make a server exit with `id-in-use` answers from the address of a peer', async () => {
    const http: HttpServer = createServer().listen(peerPort, '127.0.0.1')
    const listening = new Server(http)
    let refusals = 0
    listening.of('/mesh').on('connection', socket => {
      socket.emit('challenge', rogue('server-2'))
      socket.once('prove', (proof: string, answer: (payload: unknown) => void) => {
        answer({ ok: false, code: 'id-in-use', message: 'go away', ...(refusals++ % 2 === 0 ? {} : { proof }) })
      })
    })
    await until('both kinds of answers were sent', () => refusals > 2)
    expect(server.exitStatus).toBeUndefined()
    await listening.close()
  })

  test('is ignored before it has proven the secret', async () => {
    const anna = await identified('Anna')
    const events: string[] = []
    anna.onAny(event => events.push(event))
    const { socket } = await dial(rogue('server-7'))
    const incarnation = 'server-7#rogue'
    const users = [['Ghost', 1]]
    socket.emit('presence', { type: 'snapshot', incarnation, seq: 1, users, more: false })
    socket.emit('forward', [[1, 'forged', Date.now(), 'Ghost', 'Anna', 'boo']])
    socket.emit('relay', { user: 'Anna', from: 'server-7:1', body: '"boo"' })
    socket.emit('members', [{ id: 'server-8', url: 'http://127.0.0.1:9' }])
    socket.emit('goodbye', null)
    // Answered after all frames before it.
    expect(await socket.timeout(60_000).emitWithAck('prove', 'x')).toMatchObject({ ok: false })
    await waitForRoster(anna, ['Anna'])
    expect(events.filter(event => event !== 'roster')).toEqual([])
    expect(server.out).not.toMatch(/Ghost|server-8|boo/)
    anna.disconnect()
  })
})

describe('a rogue client', () => {
  test('cannot send under another name than the one that it identified with', async () => {
    const billy = await identified('Billy')
    const received: { from: string; forwarded: boolean; text: string }[] = []
    billy.on('im', message => received.push(message))
    const unidentified = connect()
    const forged = { from: 'Anna', to: 'Billy', text: 'from an unidentified connection', forwarded: true }
    expect(await unidentified.timeout(60_000).emitWithAck('im', forged)).toMatchObject({ ok: false })
    const mallory = await identified('Mallory')
    expect(
      await mallory.timeout(60_000).emitWithAck('identify', { user: 'Anna', client: 'x/1', protocol: 2 }),
    ).toMatchObject({
      ok: false,
      code: 'already-identified',
    })
    mallory.emit('im', { from: 'Anna', to: 'Billy', text: 'one', forwarded: true })
    mallory.emit('im', { id: 'm1', at: Date.now(), from: 'Anna', to: 'Billy', text: 'two', forwarded: true })
    mallory.emit('forward', [[1, 'm2', Date.now(), 'Anna', 'Billy', 'three']])
    mallory.emit('update_peer', { list: 5 })
    mallory.emit('presence', { type: 'snapshot', incarnation: 'x', seq: 1, users: [['Anna', 1]], more: false })
    mallory.emit('im', { to: 'Billy', text: 'last' })
    await until('the last message is delivered', () => received.some(({ text }) => text === 'last'))
    expect(received).toEqual(
      ['one', 'two', 'last'].map(text => expect.objectContaining({ from: 'Mallory', forwarded: false, text })),
    )
    await waitForRoster(billy, ['Billy', 'Mallory'])
  })
})

test('a connection that sends a packet over two megabytes is closed', async () => {
  const [small, large] = [await identified('Anna'), await identified('Billy')]
  small.emit('nonsense', 'x'.repeat(1_990_000))
  large.emit('nonsense', 'x'.repeat(2_010_000))
  await until('the connection with the larger packet is closed', () => !large.connected)
  // The roster includes a user once it is published: at the latest 1 s after the join.
  const users = async () => (await small.timeout(60_000).emitWithAck('roster')).users
  await expect.poll(users, { timeout: 60_000, interval: 200 }).toContain('Anna')
  small.disconnect()
})

test('a WebSocket that joins no namespace is closed', async () => {
  const socket = connectTcp(port, '127.0.0.1')
  let closed = false
  let received = ''
  socket.on('data', chunk => {
    received += chunk
    // It answers Engine.IO pings, masked with the key 0, but never joins a namespace.
    if (chunk.toString('latin1') === '\x81\x012') socket.write(Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0x33]))
  })
  socket.on('close', () => {
    closed = true
  })
  socket.write(
    'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  )
  await until('the WebSocket is open', () => received.includes('0{"sid"'))
  // The server's limit is 10 s; Socket.IO's own, 45 s, would be too late.
  await until('the server closes it', () => closed, 40_000)
})

test('an acknowledgement for an event that has none is refused at once: it would be kept forever', async () => {
  const anna = await identified('Anna')
  const polling = connect({ transports: ['polling'] })
  await polling.timeout(60_000).emitWithAck('identify', { user: 'Anna', client: 'test/1', protocol: 2 })
  for (const socket of [anna, polling]) {
    for (const [event, payload] of [['got', 1] as const, ['relay', { body: '1' }] as const]) {
      expect(await socket.timeout(60_000).emitWithAck(event, payload)).toMatchObject({ ok: false, code: 'bad-payload' })
    }
    socket.disconnect()
  }
})

test('a web page of another origin cannot connect, with any transport', async () => {
  const own = `127.0.0.1:${port}`
  const foreign = [
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { origin: `http://127.0.0.1:${port + 1}` },
    { origin: `https://${own}` },
    // DNS rebinding: the attacker's name resolves to this machine, so the origin equals the Host header.
    { origin: `http://evil.example:${port}`, host: `evil.example:${port}` },
  ]
  for (const transports of [['websocket'], ['polling']]) {
    const isRefused = (extraHeaders: { origin: string }) =>
      new Promise(resolve => {
        const socket = connect({ transports, extraHeaders })
        socket.once('connect', () => resolve(false))
        socket.once('connect_error', () => resolve(true))
      })
    for (const headers of foreign) expect(await isRefused(headers), JSON.stringify(headers)).toBe(true)
    expect(await isRefused({ origin: `http://${own}` }), 'its own page').toBe(false)
  }
})
