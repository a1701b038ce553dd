/** A client may identify in the Socket.IO CONNECT packet; the server responds with an event. */
import { generateKeyPairSync, verify } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Server } from 'socket.io'
import { io, type Socket } from 'socket.io-client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { NO_STORAGE, openSession } from '../../cli/session/connection.ts'
import type { IdentifyRequest } from '../../src/protocol/messages.ts'
import { boundIdentificationText, NO_TLS } from '../../src/protocol/proofs/mesh-identity.ts'
import { HostileServer, MeshKey } from '../support/attacks/hostile-server.ts'
import { freePorts, Program, stopAll, temporaryFolder, until } from '../support/programs/processes.ts'
import { RealClient } from '../support/programs/real-client.ts'

let url = ''
const sockets: Socket[] = []

beforeAll(async () => {
  const [port = 0] = await freePorts(1)
  url = `http://127.0.0.1:${port}`
  const file = join(temporaryFolder(), 'config.json')
  writeFileSync(file, JSON.stringify({ servers: [{ id: 'server-1', ip: '127.0.0.1', port }] }))
  const server = new Program('daemon', ['--id', 'server-1', '--config', file, '--log-format', 'text'])
  await until('it listens', () => server.out.includes('Listening'))
})
afterAll(() => {
  for (const socket of sockets) socket.disconnect()
  stopAll()
})

/** Connects with this auth payload and collects all events; sends nothing else. */
function begin(auth: object, transport = 'websocket') {
  const told: [event: string, payload: unknown][] = []
  const socket = io(url, { transports: [transport], forceNew: true, reconnection: false, auth })
  sockets.push(socket)
  socket.onAny((event, payload) => told.push([event, payload]))
  return { socket, told }
}

test.each(['websocket', 'polling'])('identify in the CONNECT packet works like `identify` over %s', async transport => {
  const user = `Anna by ${transport}`
  const { socket, told } = begin({ identify: { user, client: 'x/1', protocol: 2 } }, transport)
  await until('the server responds', () => told.some(([event]) => event === 'identified'))
  expect(told[0]).toMatchObject(['identified', { ok: true, server: 'server-1', roster: { users: expect.any(Array) } }])
  await until('the user is in the roster', () =>
    told.some(([event, payload]) => event === 'roster' && (payload as { joined: string[] }).joined.includes(user)),
  )
  // It may send messages.
  const im = { id: `${user}.1`, at: Date.now(), to: 'Nobody', text: 'hi' }
  expect(await socket.timeout(60_000).emitWithAck('im', im)).toEqual({ ok: true, delivered: 0 })
  // A later `identify` call succeeds, too.
  const again = await socket.timeout(60_000).emitWithAck('identify', { user, client: 'x/1', protocol: 2 })
  expect(again).toMatchObject({ ok: true })
})

test('a refusal arrives as the same event', async () => {
  const wrong: [hello: unknown, code: string][] = [
    [{ user: 'x'.repeat(65), client: 'x/1', protocol: 2 }, 'bad-name'],
    [{ user: 'Anna', client: 'x/1', protocol: 3 }, 'bad-payload'],
    [null, 'bad-payload'],
    [[], 'bad-payload'],
    [{ __proto__: null, constructor: 5 }, 'bad-payload'],
  ]
  for (const [hello, code] of wrong) {
    const { told } = begin({ identify: hello })
    await until(code, () => told.length > 0)
    expect(told).toEqual([['identified', expect.objectContaining({ ok: false, code })]])
  }
})

test.each([
  ['a current server', 0],
  ['an older server, which knows the `identify` event only', 1],
] as const)('mesh-chat identifies to %s with %i events', async (_, events) => {
  const http = createServer()
  const server = new Server(http)
  const answer = (user: string) => {
    const roster = { version: 1, users: [user] }
    return { ok: true, server: 's', incarnation: 'i', connection: 's:1', roster, time: Date.now(), servers: [] }
  }
  let asked = 0
  server.on('connection', socket => {
    const { user } = socket.handshake.auth.identify as { user: string }
    if (events === 0) socket.emit('identified', answer(user))
    socket.on('identify', (hello: { user: string }, reply) => {
      asked++
      reply(answer(hello.user))
    })
    // The client's messages once it is online.
    socket.on('im', (_, reply) => reply({ ok: true, delivered: 1 }))
  })
  await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve))
  const client = new RealClient('Billy', [`http://127.0.0.1:${(http.address() as AddressInfo).port}`])
  await until('the client is online', () => client.server === 's')
  client.send('Anna', 'hi')
  await until('the message is confirmed', () => client.composed.length === 1 && client.held.length === 0)
  expect(asked).toBe(events)
  client.close()
  await server.close()
})

test('a client signs the latest challenge of a slow server, which answers the handshake and the event', async () => {
  const server = await HostileServer.start()
  const mesh = new MeshKey()
  const challenge = (nonce: string, identify: IdentifyRequest) => ({
    ok: false,
    code: 'prove-key',
    message: 'sign',
    challenge: { server: 's', connection: 's:1', nonce },
    mesh: mesh.prove(identify, 'key'),
  })
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  let answerHandshake = (_: unknown) => {}
  let proof: string | undefined
  server.onIdentify = (identify, { answer }) => {
    if (identify.proof !== undefined) proof ??= identify.proof
    else if (server.received.length === 1) answerHandshake = answer
    else {
      answerHandshake(challenge('first', identify))
      answer(challenge('second', identify))
    }
  }
  const keys = {
    load: () => privateKey,
    knownKeys: () => new Map(),
    pin: () => {},
    claim: () => undefined,
    keepClaim: () => {},
  }
  const options = { user: 'Anna', client: 'x/1', instance: 'x', servers: [server.url], random: Math.random, keys }
  const request = openSession(options, NO_STORAGE, () => {})
  await until('the client has proven its key', () => proof !== undefined)
  const signed = { server: 's', connection: 's:1', nonce: 'second' }
  const binding = { origin: server.url, meshKey: mesh.key, channel: NO_TLS }
  const text = Buffer.from(boundIdentificationText('Anna', signed, binding))
  expect(verify(null, text, publicKey, Buffer.from(proof ?? '', 'base64url'))).toBe(true)
  request({ type: 'close' })
  await server.close()
})
