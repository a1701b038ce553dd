/** Heartbeats, dead links, and the periodic clean-up of peers. */
import { describe, expect, test } from 'vitest'
import { unobservedDelivery } from '../../../support/harness/deliveries.ts'
import { RecordedPeers } from '../../../support/harness/recorded-peers.ts'

/** The links that were closed, with the reasons. */
function closedLinks(mesh: RecordedPeers): [number, string][] {
  return mesh.takeEffects().flatMap(one => (one.type === 'hang-up' ? [[one.link, one.reason] as [number, string]] : []))
}

const beat = (seq: number, at?: number) =>
  ({ event: 'beat', payload: { incarnation: 'two#1', seq, ...(at === undefined ? {} : { at }) } }) as const

test('a heartbeat goes out on each outbound link every second', () => {
  const mesh = new RecordedPeers()
  const link = mesh.dialLink('two')
  mesh.takeEffects()
  mesh.advance(999)
  expect(mesh.takeSent(link)).toEqual([])
  for (let n = 0; n < 3; n++) {
    mesh.advance(n === 0 ? 1 : 1_000)
    const { now } = mesh.context
    const members = expect.stringMatching(/^[0-9a-f]{16}$/)
    expect(mesh.takeSent(link)).toEqual([['beat', { incarnation: 'server-1#1', seq: 0, at: now, members }]])
    expect(mesh.peers.nextHeartbeatAt).toBe(now + 1_000)
    mesh.frame(link, beat(0))
  }
})

test('the heartbeat of a peer is echoed, with the clocks of this server and without its digest', () => {
  const mesh = new RecordedPeers()
  const link = mesh.acceptLink('two')
  mesh.snapshot(link, 0, [])
  mesh.takeEffects()
  mesh.frame(link, { event: 'beat', payload: { incarnation: 'two#1', seq: 0, at: 123, members: 'x' } })
  const clock = mesh.context.meshClock.reading(mesh.context.now)
  const echo = ['beat', { incarnation: 'two#1', seq: 0, at: 123, clock }]
  expect(mesh.takeSent(link).filter(([event]) => event === 'beat')).toEqual([echo])
})

test('the echo of a heartbeat measures the round-trip time', () => {
  const mesh = new RecordedPeers()
  const link = mesh.dialLink('two')
  const sentAt = mesh.context.now
  mesh.context.now += 30
  mesh.frame(link, beat(0, sentAt))
  expect(mesh.peer('two').outbound).toMatchObject({ rtt: 30 })
  mesh.frame(link, beat(0, mesh.context.now + 1))
  expect(mesh.peer('two').outbound).toMatchObject({ rtt: 30 })
})

test('a link without a frame for more than 5 s is closed, in either direction', () => {
  const mesh = new RecordedPeers()
  const links = [mesh.acceptLink('two'), mesh.dialLink('two')]
  for (let n = 0; n < 5; n++) mesh.advance(1_000)
  expect(closedLinks(mesh)).toEqual([])
  mesh.advance(1_000)
  expect(closedLinks(mesh).sort()).toEqual(links.map(link => [link, 'no heartbeat for 5 s']))
  expect([mesh.peer('two').inbound, mesh.peer('two').outbound.state]).toEqual([undefined, 'waiting'])
})

test('any frame keeps a link open', () => {
  const mesh = new RecordedPeers()
  const [inbound, outbound] = [mesh.acceptLink('two'), mesh.dialLink('two')]
  for (let n = 0; n < 10; n++) {
    mesh.advance(1_000)
    mesh.frame(inbound, { event: 'members', payload: [] })
    mesh.frame(outbound, { event: 'fates', payload: [] })
  }
  expect(closedLinks(mesh)).toEqual([])
})

test('after a stall of this process all timeouts restart', () => {
  const mesh = new RecordedPeers()
  const link = mesh.acceptLink('two')
  mesh.dialLink('two')
  mesh.snapshot(link, 0, [['Anna', 1]])
  mesh.acceptLink('three')
  mesh.context.now += 60_000
  mesh.peers.resetTimeouts()
  mesh.advance(5_000)
  expect(closedLinks(mesh)).toEqual([])
})

describe('the grace period', () => {
  test('removes the users of a disconnected peer when it ends, and not before', () => {
    const mesh = new RecordedPeers()
    const link = mesh.acceptLink('two')
    mesh.snapshot(link, 0, [['Anna', 1]])
    mesh.changedUsers.length = 0
    mesh.links.handleClosed(link, 'cut')
    mesh.advance(4_999)
    expect([mesh.changedUsers, mesh.context.directory.isOnline('Anna')]).toEqual([[], true])
    mesh.advance(1)
    expect([mesh.changedUsers, mesh.context.directory.isOnline('Anna')]).toEqual([['Anna'], false])
    expect(mesh.peer('two').usersExpireAt).toBe(Number.POSITIVE_INFINITY)
  })

  test('ends when the peer reconnects', () => {
    const mesh = new RecordedPeers()
    const link = mesh.acceptLink('two')
    mesh.snapshot(link, 0, [['Anna', 1]])
    mesh.links.handleClosed(link, 'cut')
    mesh.advance(2_000)
    mesh.acceptLink('two')
    mesh.advance(4_000)
    expect(mesh.context.directory.isOnline('Anna')).toBe(true)
  })
})

describe('the periodic clean-up', () => {
  const delivery = unobservedDelivery
  const message = { id: 'm', at: 1, from: 'Anna', to: 'Billy', text: '' }

  test('forgets departed users', () => {
    const mesh = new RecordedPeers()
    const link = mesh.acceptLink('two')
    mesh.snapshot(link, 0, [['Anna', 1]])
    mesh.delta(link, 1, [['Anna', 0]])
    expect(mesh.peer('two').departedCount).toBe(1)
    mesh.advance(10_000)
    expect(mesh.peer('two').departedCount).toBe(0)
  })

  test('logs and resets the number of foreign messages', () => {
    const mesh = new RecordedPeers()
    const link = mesh.acceptLink('two')
    for (const number of [1, 2]) mesh.frame(link, { event: 'forward', payload: [[number, 'm', 1, 'Zoe', 'Anna', '']] })
    expect(mesh.peer('two').foreignMessages).toEqual({ messages: 2, user: 'Zoe' })
    mesh.context.effects = []
    mesh.advance(1_000)
    const entry = { event: 'foreign-sender', peer: 'two', messages: 2, user: 'Zoe' }
    expect(mesh.context.effects).toContainEqual({ type: 'log', entry })
    expect(mesh.peer('two').foreignMessages).toBeUndefined()
  })

  test('releases held messages whose deadline has passed, not those that are confirmed by others before', () => {
    const mesh = new RecordedPeers()
    const link = mesh.dialLink('two')
    const [one, two] = [delivery(500), delivery()]
    mesh.outboundMessages.forward(['two'], message, one)
    mesh.outboundMessages.forward(['two'], message, two)
    two.settle()
    mesh.advance(1_000)
    expect([...mesh.peer('two').held.keys()]).toEqual([2])
    mesh.frame(link, { event: 'fates', payload: [[2, 1, false]] })
    expect([mesh.peer('two').held.size, two.isSettled]).toEqual([0, true])
  })

  test('gives up held messages when a peer is disconnected for longer than the grace period', () => {
    const mesh = new RecordedPeers()
    const link = mesh.dialLink('two')
    const one = delivery()
    mesh.outboundMessages.forward(['two'], message, one)
    mesh.links.handleClosed(link, 'cut')
    mesh.advance(4_999)
    expect(mesh.peer('two').held.size).toBe(1)
    mesh.advance(1_000)
    expect([mesh.peer('two').held.size, one.result]).toEqual([0, { ok: true, delivered: 0, unconfirmed: true }])
    expect([...mesh.peer('two').missedUsers]).toEqual(['Anna', 'Billy'])
  })
})
