/** Strangers who start handshakes of links and never finish them keep no peer out. */
import { createServer } from 'node:http'
import { Server } from 'socket.io'
import { io, type Socket } from 'socket.io-client'
import { afterEach, expect, test } from 'vitest'
import { createProof, type Party } from '../../../daemon/links/handshake.ts'
import { SocketLinks } from '../../../daemon/links/socket-links.ts'
import { CarrierHarness } from '../../support/harness/carrier-harness.ts'
import { until } from '../../support/programs/processes.ts'

const SECRET = 'the secret of the mesh'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

async function startServer(handshakes: number): Promise<CarrierHarness> {
  const server = await CarrierHarness.onSockets('server-1', { secret: SECRET, limits: { handshakes } })
  cleanups.push(() => server.close())
  return server
}

const pendingOf = ({ carrier }: CarrierHarness) =>
  carrier instanceof SocketLinks ? carrier.counts.handshakes : Number.NaN

let lastNonce = 0
const partyOf = (id: string): Party => ({
  id,
  incarnation: `${id}#1`,
  protocol: 2,
  nonce: `nonce-${++lastNonce}`.padEnd(22, 'x'),
})

function open({ url }: CarrierHarness, auth: object): Socket {
  const socket = io(`${url}/mesh`, { auth, transports: ['websocket'], forceNew: true, reconnection: false })
  cleanups.push(() => socket.disconnect())
  return socket
}

/** Dials as a peer; resolves with the server's challenge. */
async function challengeOf(socket: Socket): Promise<Party> {
  return new Promise(resolve => socket.once('challenge', resolve))
}

test('a peer that had to give way to strangers returns with its challenge and gets in at once', async () => {
  const server = await startServer(3)
  const peer = partyOf('server-2')
  const first = open(server, peer)
  const acceptor = await challengeOf(first)
  // Each of them stays: the peer is the oldest.
  for (let n = 0; n < 3; n++) await challengeOf(open(server, partyOf('stranger')))
  await until('the peer had to give way', () => !first.connected)
  expect(pendingOf(server)).toBe(3)
  const prove = createProof(SECRET, 'dialler', peer, acceptor)
  const second = open(server, { ...peer, cookie: acceptor.nonce, prove })
  const welcome = await new Promise(resolve => second.once('welcome', resolve))
  expect(welcome).toMatchObject({ ok: true, proof: createProof(SECRET, 'acceptor', peer, acceptor) })
  expect(server.inputsOfType('accepted').map(({ introduction }) => introduction.id)).toEqual(['server-2'])
  expect(pendingOf(server)).toBe(3)
})

test('a recorded return opens no second link, and a changed one none at all', async () => {
  const server = await startServer(100)
  const peer = partyOf('server-2')
  const first = open(server, peer)
  const acceptor = await challengeOf(first)
  first.disconnect()
  const prove = createProof(SECRET, 'dialler', peer, acceptor)
  const changed = { ...peer, id: 'server-3' }
  const proofOfChanged = createProof(SECRET, 'dialler', changed, acceptor)
  // The server does not recognize the challenge, and sends another.
  await challengeOf(open(server, { ...changed, cookie: acceptor.nonce, prove: proofOfChanged }))
  const withWrongProof = open(server, { ...peer, cookie: acceptor.nonce, prove: 'x' })
  expect(await new Promise(resolve => withWrongProof.once('welcome', resolve))).toMatchObject({ code: 'wrong-secret' })
  const second = open(server, { ...peer, cookie: acceptor.nonce, prove })
  expect(await new Promise(resolve => second.once('welcome', resolve))).toMatchObject({ ok: true })
  await challengeOf(open(server, { ...peer, cookie: acceptor.nonce, prove }))
  expect(server.inputsOfType('accepted')).toHaveLength(1)
})

test('a server that is cut off after its challenge returns with it, to servers of 0.1 too', async () => {
  const dialler = await CarrierHarness.onSockets('server-2', { secret: SECRET })
  cleanups.push(() => dialler.close())
  const http = createServer()
  const listening = new Server(http)
  cleanups.push(() => listening.close())
  const acceptor = partyOf('server-1')
  const auths: Record<string, unknown>[] = []
  listening.of('/mesh').on('connection', socket => {
    const { auth } = socket.handshake
    auths.push(auth)
    const party = auth as Party
    socket.on('prove', (_, answer) => {
      if (auths.length > 2)
        answer({ ok: true, proof: createProof(SECRET, 'acceptor', party, acceptor), holds: { seq: 0 } })
      else socket.disconnect(true)
    })
    // A server of 0.1 sends a new challenge whatever the dialler brings, as this one does.
    socket.emit('challenge', acceptor)
  })
  await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve))
  const address = http.address()
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
  const dial = async () => {
    const before = dialler.inputs.length
    dialler.carrier.perform({ type: 'dial', peer: 'server-1', url, id: 'server-1' })
    await until('the dial has ended', () => dialler.inputs.length > before)
    return dialler.inputs.at(-1)?.type
  }
  expect(await dial()).toBe('dial-failed')
  expect(await dial()).toBe('dial-failed')
  expect(await dial()).toBe('dialled')
  expect(auths.map(({ cookie }) => cookie)).toEqual([undefined, acceptor.nonce, acceptor.nonce])
  expect(new Set(auths.map(({ nonce }) => nonce)).size).toBe(1)
})

test('125 strangers who start handshakes as fast as they can do not keep a server out', async () => {
  const server = await startServer(100)
  const peer = await CarrierHarness.onSockets('server-2', { secret: SECRET })
  cleanups.push(() => peer.close())
  let isFlooding = true
  const strangers = new Set<Socket>()
  const flood = async () => {
    while (isFlooding) {
      const socket = open(server, partyOf('stranger'))
      strangers.add(socket)
      await new Promise(resolve => {
        socket.once('disconnect', resolve)
        socket.once('connect_error', resolve)
      })
      strangers.delete(socket)
      socket.disconnect()
    }
  }
  for (let n = 0; n < 125; n++) void flood()
  await until('all places are taken', () => pendingOf(server) === 100)
  await peer.link(server)
  isFlooding = false
  for (const socket of strangers) socket.disconnect()
  await until('all handshakes have ended', () => pendingOf(server) === 0)
})
