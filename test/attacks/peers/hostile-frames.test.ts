/** A peer of a real server, with the mesh's secret: its frames may be any, and no client may notice. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { io, type Socket } from 'socket.io-client'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { FakePeer } from '../../support/attacks/fake-peer.ts'
import { freePorts, Program, stopAll, temporaryFolder, until } from '../../support/programs/processes.ts'

let url = ''
let heartbeats: NodeJS.Timeout
let server: Program
let anna: Socket
let admin = 0
const peer = new FakePeer('far')
const frames: { event: string; payload: unknown }[] = []
const sockets: Socket[] = []

function connect(path = '', auth: object = {}): Socket {
  const socket = io(`${url}${path}`, { transports: ['websocket'], reconnection: false, forceNew: true, auth })
  sockets.push(socket)
  return socket
}

const identifyAs = (socket: Socket, user: string) =>
  socket.timeout(60_000).emitWithAck('identify', { user, client: 'x/1', protocol: 2, connections: true })

let seq = 0
function tell(users: [string, number][], more = false): void {
  if (!more) seq++
  peer.send('presence', { type: 'snapshot', incarnation: 'far#1', seq: more ? seq + 1 : seq, users, more })
}

/** Sends a heartbeat, and answers those of the server. */
async function heartbeat(): Promise<void> {
  peer.send('beat', { incarnation: 'far#1', seq })
  await new Promise(resolve => setTimeout(resolve, 10))
}

const waitForRoster = (users: string[]) =>
  vi.waitFor(async () => expect(await anna.timeout(60_000).emitWithAck('roster')).toMatchObject({ users }), {
    timeout: 60_000,
    interval: 100,
  })
const countOf = (event: string) => frames.filter(frame => frame.event === event).length
/** All frames before this are handled. */
const isHandled = async () => {
  const number = ++lastSurvey
  expect(peer.isDialled, server.out.slice(-2_000)).toBe(true)
  await peer.ask('survey', { number }, 'status', answer => (answer as { number: number }).number === number)
}
let lastSurvey = 1_000

beforeAll(async () => {
  const [port, far, adminPort = 0] = await freePorts(3)
  admin = adminPort
  url = `http://127.0.0.1:${port}`
  const servers = [
    { id: 'server-1', ip: '127.0.0.1', port },
    { id: 'far', ip: '127.0.0.1', port: far },
  ]
  const config = join(temporaryFolder(), 'config.json')
  writeFileSync(config, JSON.stringify({ servers, limits: { usersPerPeer: 20_000 } }))
  server = new Program('daemon', ['--id', 'server-1', '--config', config, '--admin-port', `${admin}`])
  await until('it listens', () => server.out.includes('Listening'))
  peer.onFrame = (event, payload) => {
    frames.push({ event, payload })
    if (event === 'beat') peer.answer('beat', payload)
  }
  await peer.start(far ?? 0, url)
  await until('both links are up', () => peer.isLinked)
  heartbeats = setInterval(heartbeat, 1_000)
  anna = connect()
  expect(await identifyAs(anna, 'Anna')).toMatchObject({ ok: true })
})
afterAll(async () => {
  clearInterval(heartbeats)
  for (const socket of sockets) socket.disconnect()
  await peer.close()
  stopAll()
})

test('P16: a count near 2^53 keeps no client out', async () => {
  tell([['Anna', Number.MAX_SAFE_INTEGER]])
  await isHandled()
  const other = connect()
  const answer = await identifyAs(other, 'Billy')
  expect(answer).toMatchObject({ ok: true })
  for (const [, count] of answer.connections) expect(Number.isSafeInteger(count)).toBe(true)
  other.disconnect()
  tell([])
})

test('P16: a flood of resync requests gets a few snapshots', async () => {
  frames.length = 0
  for (let n = 0; n < 5_000; n++) peer.answer('resync', null)
  await until('it is answered', () => countOf('presence') > 0)
  await isHandled()
  await until('three more heartbeats', () => countOf('beat') > 3)
  expect(countOf('presence')).toBeLessThan(20)
})

test('F11: results for forwards of others, and near 2^53, change no delivery result', async () => {
  tell([['Faye', 1]])
  await isHandled()
  frames.length = 0
  const sent = anna.timeout(60_000).emitWithAck('im', { id: 'one', at: Date.now(), to: 'Faye', text: 'hi' })
  await until('it is forwarded', () => countOf('forward') === 1)
  const payload = frames.find(({ event }) => event === 'forward')?.payload as [[number]]
  const number = payload[0][0]
  const others = Array.from({ length: 1_000 }, (_, at) => [number + at + 1, 5, false])
  for (let n = 0; n < 20; n++) peer.answer('fates', others)
  peer.answer('fates', [[Number.MAX_SAFE_INTEGER, 1, false]])
  peer.answer('fates', [[number, Number.MAX_SAFE_INTEGER, false]])
  const answer = await sent
  expect(answer).toMatchObject({ ok: true })
  expect(Number.isSafeInteger(answer.delivered)).toBe(true)
})

test('storms of snapshots, deltas, members, claims, missed, surveys and forwards of others change nothing for clients', async () => {
  tell([['Faye', 1]])
  const long = (n: number) => `${n}`.padEnd(200, 'x')
  for (let n = 0; n < 5; n++) {
    peer.send(
      'members',
      Array.from({ length: 1_000 }, (_, at) => ({ id: `x${n}-${at}`, url: 'http://127.0.0.1:9' })),
    )
    peer.send(
      'claims',
      Array.from({ length: 2_000 }, (_, at) => [long(at), 'no key', 1, 1]),
    )
    peer.send(
      'missed',
      Array.from({ length: 4_000 }, () => 'Anna'),
    )
    peer.send('forward', [[n + 1, `f${n}`, Date.now(), 'Carla', 'Anna', 'forged']])
    peer.send('forward', [[Number.MAX_SAFE_INTEGER - n, `g${n}`, Date.now(), 'Faye', 'Anna', 'forged']])
    peer.send('relay', { user: 'Carla', from: 'far:1', body: '"x"' })
    const changes = Array.from({ length: 300 }, (_, at) => [long(at), n % 2])
    peer.send('presence', { type: 'delta', incarnation: 'far#1', seq: ++seq, changes })
    peer.send('presence', { type: 'delta', incarnation: 'other#1', seq: n, changes })
    for (let at = 0; at < 100; at++) peer.send('survey', { number: at + 1 })
    // Encoding all of this takes a while, in which the server must get heartbeats.
    await heartbeat()
  }
  let got = 0
  anna.on('im', () => {
    got++
  })
  await isHandled()
  tell([['Faye', 1]])
  await isHandled()
  await waitForRoster(['Anna', 'Faye'])
  expect(got).toBe(0)
})

test('goodbye removes the users of its sender only, and frames before the handshake are not read', async () => {
  tell([['Faye', 1]])
  await isHandled()
  const stranger = connect('/mesh', { id: 'far', incarnation: 'far#1', protocol: 2, nonce: 'n'.repeat(22) })
  await new Promise(resolve => stranger.once('challenge', resolve))
  const users = [['Ghost', 1]]
  stranger.emit('presence', { type: 'snapshot', incarnation: 'far#1', seq: 1_000, users, more: false })
  stranger.emit('goodbye', null)
  stranger.emit('prove', 'wrong', () => {})
  await new Promise(resolve => stranger.once('disconnect', resolve))
  await isHandled()
  await waitForRoster(['Anna', 'Faye'])
  peer.send('goodbye', null)
  await waitForRoster(['Anna'])
})

test('three times as many handshakes as may be under way, and an impostor with the incarnation of a linked peer, change nothing', async () => {
  const parties = Array.from({ length: 300 }, (_, n) => ({
    id: n % 2 ? 'far' : `s${n}`,
    incarnation: 'far#1',
    protocol: 2,
    nonce: 'n'.repeat(22),
  }))
  for (let from = 0; from < parties.length; from += 50) {
    const batch = parties.slice(from, from + 50).map(party => connect('/mesh', party))
    // This process must send heartbeats meanwhile.
    const starts = batch.map(
      socket => new Promise(resolve => socket.once('challenge', resolve).once('disconnect', resolve)),
    )
    await Promise.all(starts)
  }
  const impostor = new FakePeer('far')
  const [port = 0] = await freePorts(1)
  const answer = await impostor.start(port, url)
  expect(answer).toMatchObject({ ok: false, code: 'id-held' })
  await impostor.close()
  await isHandled()
  expect(peer.isLinked).toBe(true)
  for (const socket of sockets.splice(0)) if (socket !== anna) socket.disconnect()
  sockets.push(anna)
})

test('a snapshot of more users than usersPerPeer ends the link, and leaves no user', async () => {
  for (let from = 0; from < 24_000; from += 4_000) {
    tell(
      Array.from({ length: 4_000 }, (_, at): [string, number] => [`${from + at}`.padEnd(200, 'y'), 1]),
      true,
    )
  }
  await until('the link has ended', () => server.out.includes('more users than usersPerPeer allows') || !peer.isDialled)
  await waitForRoster(['Anna'])
})

test('when all have left, the counters of the server are back at 0', async () => {
  for (const socket of sockets) socket.disconnect()
  await peer.close()
  await vi.waitFor(
    async () => {
      const metrics = await (await fetch(`http://127.0.0.1:${admin}/metrics`)).text()
      const values = [...metrics.matchAll(/^mesh_chat_(\w+)(?:\{[^}]*\})? (\d+)$/gm)]
      const gauges = [
        'users',
        'connections',
        'online_users',
        'slow_connections',
        'link_up',
        'peer_users',
        'held_messages',
      ]
      const found = values.filter(([, name = '']) => gauges.includes(name))
      expect(new Set(found.map(([, name]) => name))).toEqual(new Set(gauges))
      expect(found.filter(([, , value]) => value !== '0')).toEqual([])
    },
    { timeout: 60_000, interval: 200 },
  )
  expect(server.exitStatus).toBeUndefined()
})
