/** The cluster status on one server's core: who may request it, which answers count, and what the counters count. */
import { expect, test } from 'vitest'
import type { ForwardedMessage, PresenceSnapshot, StatusResponse } from '../../../src/protocol/frames.ts'
import type { Refusal } from '../../../src/protocol/messages.ts'
import {
  type ClusterStatus,
  clusterStatusSchema,
  MAX_TOP_ROOMS,
  type ServerStatus,
} from '../../../src/protocol/status.ts'
import { ServerHarness } from '../../support/harness/server-harness.ts'

/** A server with an open link to server-2, numbered 900. */
function setUp(options: ConstructorParameters<typeof ServerHarness>[1] = {}) {
  const harness = new ServerHarness({}, options)
  const introduction = { id: 'server-2', incarnation: 'server-2#1', protocol: 2 }
  harness.step({ type: 'dialled', peer: 'server-2', link: 900, introduction, holds: { seq: 0 } })
  let calls = 1_000
  return {
    harness,
    ask: (connection: number) => {
      const call = ++calls
      harness.step({ type: 'survey', connection, call })
      return () => harness.answers.get(call) as ClusterStatus | Refusal | undefined
    },
    /** The numbers of the requests sent to the peer. */
    requested: () =>
      harness.effects.flatMap(one =>
        one.type === 'send' && one.frame.event === 'survey' && one.link === 900 ? [one.frame.payload.number] : [],
      ),
    answer: (payload: StatusResponse, link = 900) =>
      void harness.step({ type: 'frame', link, frame: { event: 'status', payload } }),
  }
}
const status: ServerStatus = {
  server: 'server-2',
  incarnation: 'server-2#1',
  uptime: 5,
  draining: false,
  users: 0,
  connections: 0,
  online: 0,
  slow: 0,
  accepted: 0,
  refused: 0,
  forwarded: 0,
  delivered: 0,
  links: [],
}

/** Answers the dials of peers, of which only some are under way at once. Their links have numbers from 100 on. */
function answerDials(harness: ReturnType<typeof setUp>['harness'], ids: readonly string[]): void {
  for (const effect of harness.effects) {
    if (effect.type !== 'dial' || !ids.includes(effect.peer)) continue
    const introduction = { id: effect.peer, incarnation: `${effect.peer}#1`, protocol: 2 }
    const link = 100 + ids.indexOf(effect.peer)
    harness.step({ type: 'dialled', peer: effect.peer, link, introduction, holds: { seq: 0 } })
  }
}

const code = (answer: ClusterStatus | Refusal | undefined) => (answer?.ok === false ? answer.code : undefined)

test('an answer counts once, for the peer of the link it came over, its current incarnation, and the current request', () => {
  const { harness, ask, requested, answer } = setUp()
  const introduction = { id: 'server-3', incarnation: 'server-3#1', protocol: 2 }
  harness.step({ type: 'learn', member: { id: 'server-3', url: 'http://127.0.0.1:3' } })
  harness.step({ type: 'dialled', peer: 'server-3', link: 901, introduction, holds: { seq: 0 } })
  const result = ask(harness.join('Anna'))
  const [number = 0] = requested()
  answer({ number, status: { ...status, server: 'server-1' } })
  answer({ number, status: { ...status, server: 'server-3', incarnation: 'server-3#1' } })
  answer({ number, status: { ...status, incarnation: 'server-2#0' } })
  answer({ number: number + 1, status })
  // Answers come over the link that this server dialled only.
  answer({ number, status }, harness.acceptLink('server-2'))
  answer({ number, status: { ...status, users: 3 } })
  answer({ number, status: { ...status, users: 4 } })
  expect(result()).toBeUndefined()
  answer({ number, status: { ...status, server: 'server-3', incarnation: 'server-3#1', users: 5 } }, 901)
  const clusterStatus = clusterStatusSchema.parse(result())
  expect(clusterStatus.servers.map(one => [one.id, one.status?.users])).toEqual([
    ['server-1', 1],
    ['server-2', 3],
    ['server-3', 5],
  ])
})

test('the status counts the connections that hold a view of the roster, until they leave', () => {
  const harness = new ServerHarness({ wholeRoster: 1 })
  const join = (user: string, views: boolean) => {
    const connection = harness.connect()
    harness.step({ type: 'identify', connection, user, protocol: 2, rooms: true, call: 1, views })
    harness.advance(1_000)
    return connection
  }
  const views = () => harness.server.status.views
  const anna = join('Anna', true)
  expect(views()).toBe(0)
  join('Billy', false)
  const carla = join('Carla', true)
  expect(views()).toBe(2)
  for (const connection of [anna, carla]) harness.step({ type: 'disconnected', connection })
  expect(views()).toBe(0)
})

test('a request made while another is open gets the same answer', () => {
  const { harness, ask, requested } = setUp()
  const first = ask(harness.join('Anna'))
  harness.advance(700)
  const second = ask(harness.join('Billy'))
  expect(requested()).toEqual([1])
  harness.advance(299)
  expect(first() ?? second()).toBeUndefined()
  harness.advance(1)
  expect(first()?.ok).toBe(true)
  expect(second()).toBe(first())
})

test('a connection may request the status once a second, with `auth: open` before it identifies, too', () => {
  const { harness, ask, requested } = setUp()
  for (const connection of [harness.join('Anna'), harness.connect()]) {
    const result = ask(connection)
    harness.advance(999)
    expect(code(ask(connection)())).toBe('rate-limited')
    harness.advance(1)
    expect(result()?.ok).toBe(true)
    expect(code(ask(connection)())).toBeUndefined()
    harness.advance(1_000)
  }
  expect(requested()).toEqual([1, 2, 3, 4])
  expect(code(ask(12_345)())).toBe('not-identified')
})

test('where users must authenticate, an unidentified connection gets the status from loopback only', () => {
  const { harness, ask } = setUp({ auth: 'token' })
  expect(code(ask(harness.connect('192.0.2.1'))())).toBe('unauthorized')
  expect(code(ask(harness.connect())())).toBe('unauthorized')
  for (const address of ['127.0.0.1', '::ffff:127.0.0.1', '::1']) {
    const result = ask(harness.connect(address))
    harness.advance(1_000)
    expect(result()?.ok, address).toBe(true)
  }
  const identified = harness.connect('192.0.2.1')
  harness.identify(identified, 'Anna', 2, { kind: 'token', user: 'Anna', expires: Number.MAX_SAFE_INTEGER })
  const result = ask(identified)
  harness.advance(1_000)
  expect(result()?.ok).toBe(true)
})

test('rejected messages and slow consumers are counted', () => {
  const { harness } = setUp()
  const anna = harness.join('Anna')
  const billy = harness.join('Billy')
  const began = harness.now
  harness.im(anna, '')
  for (let n = 0; n < 257; n++) {
    harness.im(anna, 'Billy')
    if (n % 100 === 99) harness.advance(1_000)
  }
  // Both have unconfirmed messages: Anna gets an echo of her own.
  harness.step({ type: 'got', connection: anna, count: 1 })
  harness.advance(2_000)
  expect(harness.server.status).toMatchObject({
    accepted: 257,
    refused: 1,
    delivered: 514,
    slow: 1,
    uptime: harness.now - began,
  })
  harness.step({ type: 'got', connection: billy, count: 1 })
  expect(harness.server.status.slow).toBe(0)
  harness.step({ type: 'drain' })
  expect(harness.server.status.draining).toBe(true)
})

test('each forwarded message is counted, but not one whose sender is not a user of the peer', () => {
  const { harness } = setUp()
  const link = harness.acceptLink('server-2')
  harness.join('Anna')
  const incarnation = 'server-2#1'
  const users: [string, number][] = [['Billy', 1]]
  const presence = { type: 'snapshot' as const, incarnation, seq: 1, users, more: false }
  harness.step({ type: 'frame', link, frame: { event: 'presence', payload: presence } })
  const payload = ['Billy', 'Billy', 'Carla'].map(
    (from, at): ForwardedMessage => [at + 1, `m${at}`, harness.wallOffset + harness.now, from, 'Anna', 'hi'],
  )
  harness.step({ type: 'frame', link, frame: { event: 'forward', payload } })
  expect(harness.server.status).toMatchObject({ forwarded: 2, delivered: 2, accepted: 0 })
})

test('in a mesh with too many links for one answer, only the first servers list their links', () => {
  const ids = Array.from({ length: 30 }, (_, at) => `peer-${at}`)
  const { harness, ask } = setUp({ peers: ids.map(id => ({ id, url: 'http://127.0.0.1:2' })) })
  answerDials(harness, ids)
  const result = ask(harness.join('Anna'))
  const link = { outbound: 'open' as const, inbound: true, users: 0, held: 0 }
  const links = Array.from({ length: 1_000 }, (_, at) => ({ ...link, peer: `peer-${at}` }))
  for (const [at, id] of ids.entries()) {
    const payload = { number: 1, status: { ...status, server: id, incarnation: `${id}#1`, users: at, links } }
    harness.step({ type: 'frame', link: 100 + at, frame: { event: 'status', payload } })
  }
  const { servers } = clusterStatusSchema.parse(result())
  expect(servers.slice(1).map(({ status }) => status?.users)).toEqual(ids.map((_, at) => at))
  const counts = servers.map(({ status }) => status?.links.length)
  expect(counts).toEqual([30, ...Array(19).fill(1_000), ...Array(11).fill(0)])
})

test('the rooms of a status are those with members here that are not hidden, the largest first', () => {
  const settings = { operators: [], write: 'all' as const, slowSeconds: 0 }
  const { harness } = setUp({ rooms: [{ ...settings, name: '#secret', hidden: true }] })
  let calls = 5_000
  const join = (connection: number, ...rooms: string[]) => {
    for (const room of rooms) harness.step({ type: 'join', connection, room, call: ++calls })
  }
  const rooms = Array.from({ length: MAX_TOP_ROOMS + 4 }, (_, n) => `#room-${n}`)
  const [anna, again, billy] = ['Anna', 'Anna', 'Billy'].map(user => harness.join(user))
  if (anna === undefined || again === undefined || billy === undefined) throw new Error('three connections')
  join(anna, ...rooms, '#secret')
  join(again, '#room-3')
  join(billy, '#room-23', '#secret')
  // Members on a peer count, and a room with members only there does not.
  const link = harness.acceptLink('server-3')
  const presence: PresenceSnapshot = {
    type: 'snapshot',
    incarnation: 'server-3#1',
    seq: 1,
    users: [
      ['Carla', 1],
      ['Dora', 1],
    ],
    rooms: [
      ['#room-22', ['Carla', 'Dora']],
      ['#elsewhere', ['Carla', 'Dora']],
    ],
    more: false,
  }
  harness.step({ type: 'frame', link, frame: { event: 'presence', payload: presence } })
  const { rooms: count, memberships, topRooms = [] } = harness.server.status
  expect([count, memberships]).toEqual([rooms.length + 1, rooms.length + 1 + 1 + 2])
  expect(topRooms).toHaveLength(MAX_TOP_ROOMS)
  expect(topRooms.slice(0, 3)).toEqual([
    { room: '#room-22', members: 3, local: 1 },
    { room: '#room-23', members: 2, local: 2 },
    { room: '#room-0', members: 1, local: 1 },
  ])
  expect(topRooms.some(({ room }) => room === '#secret' || room === '#elsewhere')).toBe(false)
  harness.step({ type: 'disconnected', connection: anna })
  harness.step({ type: 'disconnected', connection: billy })
  expect(harness.server.status).toMatchObject({
    rooms: 1,
    memberships: 1,
    topRooms: [{ room: '#room-3', members: 1, local: 1 }],
  })
})

test('in a mesh with too many rooms for one answer, only the first servers list their rooms', () => {
  const ids = Array.from({ length: 60 }, (_, at) => `peer-${at}`)
  const { harness, ask } = setUp({ peers: ids.map(id => ({ id, url: 'http://127.0.0.1:2' })) })
  answerDials(harness, ids)
  const result = ask(harness.join('Anna'))
  const topRooms = Array.from({ length: MAX_TOP_ROOMS }, (_, at) => ({ room: `#room-${at}`, members: 2, local: 1 }))
  for (const [at, id] of ids.entries()) {
    const payload = { number: 1, status: { ...status, server: id, incarnation: `${id}#1`, rooms: 20, topRooms } }
    harness.step({ type: 'frame', link: 100 + at, frame: { event: 'status', payload } })
  }
  const { servers } = clusterStatusSchema.parse(result())
  expect(servers.slice(1).map(({ status }) => status?.rooms)).toEqual(Array(60).fill(20))
  expect(servers.map(({ status }) => status?.topRooms?.length)).toEqual([
    0,
    ...Array(50).fill(20),
    ...Array(10).fill(0),
  ])
})

test('a heartbeat echo without a time, or with one in the future, gives no round-trip time', () => {
  const { harness } = setUp()
  const echo = (at?: number) => {
    const payload = { incarnation: 'first', seq: 0, ...(at === undefined ? {} : { at }) }
    harness.step({ type: 'frame', link: 900, frame: { event: 'beat', payload } })
    return harness.server.status.links[0]?.rtt
  }
  expect(echo()).toBeUndefined()
  expect(echo(harness.now + 1)).toBeUndefined()
  harness.now += 12
  expect(echo(harness.now - 12)).toBe(12)
})
