/** Presence from peers into the replicas, and this server's presence to its peers. */
import { describe, expect, test } from 'vitest'
import { MAX_NUMBER_JUMP } from '../../../../src/protocol/frames.ts'
import { unobservedDelivery } from '../../../support/harness/deliveries.ts'
import { RecordedPeers } from '../../../support/harness/recorded-peers.ts'
import { addConnection } from '../../../support/harness/server-context.ts'

const KEY = 'k'.repeat(43)
const resyncs = (sent: [string, unknown][]) => sent.filter(([event]) => event === 'resync').length
const presence = (sent: [string, unknown][]) => sent.filter(([event]) => event === 'presence').map(([, frame]) => frame)

describe('inbound', () => {
  function setUp(limits = {}) {
    const mesh = new RecordedPeers(limits)
    const link = mesh.acceptLink('two')
    mesh.takeEffects()
    return { mesh, link, two: mesh.peer('two') }
  }

  test('each change of a user is reported', () => {
    const { mesh, link } = setUp()
    mesh.snapshot(link, 1, [
      ['Anna', 1],
      ['Billy', 1],
    ])
    mesh.delta(link, 2, [['Anna', 2]])
    mesh.delta(link, 3, [['Anna', 0]])
    expect(mesh.changedUsers).toEqual(['Anna', 'Billy', 'Anna', 'Anna'])
    expect(mesh.context.directory.isOnline('Anna')).toBe(false)
  })

  test('presence of another incarnation than the link proved is ignored', () => {
    const { mesh, link, two } = setUp()
    mesh.snapshot(link, 1, [['Anna', 1]], 'two#2')
    expect([two.replica.size, mesh.takeSent(link)]).toEqual([0, []])
  })

  test('after a gap, a resync is requested once per second', () => {
    const { mesh, link } = setUp()
    mesh.snapshot(link, 1, [])
    mesh.delta(link, 3, [['Anna', 1]])
    mesh.delta(link, 4, [['Anna', 1]])
    expect(resyncs(mesh.takeSent(link))).toBe(1)
    mesh.context.now += 1_000
    mesh.delta(link, 5, [['Anna', 1]])
    expect(resyncs(mesh.takeSent(link))).toBe(1)
    mesh.snapshot(link, 5, [['Anna', 1]])
    mesh.context.now += 1_000
    mesh.delta(link, 6, [])
    expect(resyncs(mesh.takeSent(link))).toBe(0)
  })

  test('claims are reported, and the end of the introduction of a peer', () => {
    const { mesh, link } = setUp()
    mesh.frame(link, { event: 'claims', payload: [['Anna', KEY, 5, 1_000]] })
    expect([mesh.claims, mesh.syncs]).toEqual([[['Anna', KEY, 5, 1_000]], 0])
    mesh.frame(link, { event: 'members', payload: [] })
    expect(mesh.syncs).toBe(1)
  })

  test('a heartbeat that is ahead of the replica requests a resync', () => {
    const { mesh, link } = setUp()
    const beat = (seq: number) => mesh.frame(link, { event: 'beat', payload: { incarnation: 'two#1', seq } })
    mesh.snapshot(link, 1, [])
    beat(1)
    expect(resyncs(mesh.takeSent(link))).toBe(0)
    beat(2)
    expect(resyncs(mesh.takeSent(link))).toBe(1)
  })

  test('frames without an incarnation are of the incarnation of the link', () => {
    const { mesh, link, two } = setUp()
    mesh.snapshot(link, 1, [])
    mesh.frame(link, { event: 'presence', payload: { type: 'delta', seq: 2, changes: [['Anna', 1]] } })
    expect([two.replica.incarnation, two.replica.seq, two.replica.size]).toEqual(['two#1', 2, 1])
    mesh.frame(link, { event: 'beat', payload: { seq: 3 } })
    const sent = mesh.takeSent(link)
    expect(resyncs(sent)).toBe(1)
    expect(sent[0]).toEqual(['beat', { seq: 3, clock: mesh.context.meshClock.reading(mesh.context.now) }])
  })

  test('more users than the limit close the link and leave none', () => {
    const { mesh, link, two } = setUp({ usersPerPeer: 2 })
    mesh.snapshot(link, 1, [
      ['Anna', 1],
      ['Billy', 1],
    ])
    expect(mesh.takeEffects()).toEqual([])
    mesh.delta(link, 2, [['Carla', 1]])
    expect(mesh.takeEffects()).toMatchObject([{ type: 'hang-up', link }])
    expect([two.replica.size, two.inbound, mesh.links.get(link)]).toEqual([0, undefined, undefined])
  })

  test('a user who joined and left in one turn may have sent messages', () => {
    const { mesh, link, two } = setUp()
    mesh.snapshot(link, 1, [])
    mesh.delta(link, 2, [['Anna', 0]])
    expect(two.speaksFor('Anna', mesh.context.now)).toBe(true)
    expect(mesh.changedUsers).toEqual([])
  })

  test('a goodbye removes the users at once', () => {
    const { mesh, link, two } = setUp()
    mesh.snapshot(link, 1, [['Anna', 1]])
    mesh.frame(link, { event: 'goodbye', payload: null })
    expect([two.replica.size, mesh.changedUsers]).toEqual([0, ['Anna', 'Anna']])
  })

  test('the claims of peers advance the clock', () => {
    const { mesh, link } = setUp()
    const at = mesh.context.wall + 500
    mesh.snapshot(link, 1, [['Anna', 1, 'k'.repeat(43), at]])
    expect(mesh.context.clock.tick(mesh.context.wall)).toBeGreaterThan(at)
  })

  test('a reconnecting peer learns the position of its stream', () => {
    const { mesh, link } = setUp()
    mesh.snapshot(link, 7, [['Anna', 1]])
    mesh.links.handleClosed(link, 'cut')
    mesh.acceptLink('two')
    expect(mesh.takeEffects()).toContainEqual(
      expect.objectContaining({ type: 'accept', holds: { incarnation: 'two#1', seq: 7 } }),
    )
  })

  test('a position that jumps too far is ignored, and the next plausible one applies', () => {
    const { mesh, link } = setUp()
    mesh.snapshot(link, 7, [['Anna', 1]])
    mesh.snapshot(link, 7 + MAX_NUMBER_JUMP + 1, [])
    mesh.frame(link, { event: 'beat', payload: { incarnation: 'two#1', seq: Number.MAX_SAFE_INTEGER } })
    expect(mesh.takeSent(link).filter(([event]) => event === 'resync')).toEqual([])
    mesh.delta(link, 8, [['Billy', 1]])
    expect([mesh.peer('two').replica.seq, mesh.peer('two').replica.size]).toEqual([8, 2])
    mesh.snapshot(link, 8 + MAX_NUMBER_JUMP, [])
    expect(mesh.peer('two').replica.size).toBe(0)
  })

  test('a new incarnation of a peer starts from nothing', () => {
    const { mesh, link } = setUp()
    mesh.snapshot(link, 7, [['Anna', 1]])
    mesh.links.handleClosed(link, 'cut')
    mesh.acceptLink('two', 'two#2')
    expect(mesh.takeEffects()).toContainEqual(expect.objectContaining({ type: 'accept', holds: { seq: 0 } }))
  })
})

describe('outbound, to peers that read compact frames', () => {
  const COMPACT = { compact: true } as const

  test('names with one connection are packed, and deltas and heartbeats have no incarnation', () => {
    const mesh = new RecordedPeers()
    for (const user of ['Billy', 'Anna', 'Carla', 'Carla']) addConnection(mesh.context, new Map(), 0, user)
    const link = mesh.dialLink('two', { seq: 0 }, COMPACT)
    const sent = mesh.takeSent(link)
    expect(presence(sent)).toEqual([
      {
        type: 'snapshot',
        incarnation: 'server-1#1',
        seq: 0,
        users: [['Carla', 2]],
        packed: '04Anna05Billy',
        more: false,
      },
    ])
    expect(sent.filter(([event]) => event === 'beat')).toMatchObject([['beat', { seq: 0 }]])
    mesh.context.stream.recordChange('Billy', 0)
    mesh.peers.flush()
    mesh.advance(1_000)
    const later = mesh.takeSent(link)
    expect(presence(later)).toEqual([{ type: 'delta', seq: 1, changes: [['Billy', 0]] }])
    for (const [, payload] of [...sent, ...later].filter(([event]) => event === 'beat'))
      expect(payload).not.toHaveProperty('incarnation')
  })

  test('a delta is whole for all as long as one peer needs the incarnation', () => {
    const mesh = new RecordedPeers()
    const links = [mesh.dialLink('two', { seq: 0 }, COMPACT), mesh.dialLink('three')]
    mesh.takeEffects()
    mesh.context.stream.recordChange('Billy', 1)
    mesh.peers.flush()
    const delta = { type: 'delta', incarnation: 'server-1#1', seq: 1, changes: [['Billy', 1]] }
    const sent = mesh.takeEffects().flatMap(one => (one.type === 'send' ? [one] : []))
    expect(sent.map(({ link, frame }) => [link, frame.payload])).toEqual(links.map(link => [link, delta]))
    expect(new Set(sent.map(({ frame }) => frame.payload)).size).toBe(1)
  })
})

describe('outbound', () => {
  function setUp() {
    const mesh = new RecordedPeers()
    const join = (user: string) => {
      addConnection(mesh.context, new Map(), 0, user)
      mesh.context.stream.recordChange(user, mesh.context.directory.connectionsOf(user).length)
    }
    return { mesh, join }
  }

  const snapshot = (seq: number, users: unknown[]) => {
    return { type: 'snapshot', incarnation: 'server-1#1', seq, users, more: false }
  }
  const delta = (seq: number, changes: unknown[]) => ({ type: 'delta', incarnation: 'server-1#1', seq, changes })

  test('a new link gets a snapshot', () => {
    const { mesh, join } = setUp()
    join('Anna')
    mesh.peers.flush()
    const link = mesh.dialLink('two')
    expect(presence(mesh.takeSent(link))).toEqual([snapshot(1, [['Anna', 1]])])
  })

  test('a new link to a peer that has an older position gets the deltas after it', () => {
    const { mesh, join } = setUp()
    for (const user of ['Anna', 'Billy']) {
      join(user)
      mesh.peers.flush()
    }
    const link = mesh.dialLink('two', { incarnation: 'server-1#1', seq: 1 })
    expect(presence(mesh.takeSent(link))).toEqual([delta(2, [['Billy', 1]])])
  })

  test('P13: a new link gets the claims on names of offline users, all or those since the last link', () => {
    const { mesh } = setUp()
    const { context } = mesh
    const claims = (link: number) =>
      mesh.takeSent(link).flatMap(([event, payload]) => (event === 'claims' ? [payload] : []))
    const remember = (name: string) =>
      context.rememberedClaims.remember(name, { key: KEY, at: 5 }, context.now, 3_600_000)
    expect(claims(mesh.dialLink('two'))).toEqual([])
    remember('Anna')
    const [link] = [mesh.dialLink('three')]
    expect(claims(link)).toEqual([[['Anna', KEY, 5, 43_200_000]]])
    context.now += 60_000
    mesh.links.handleClosed(link, 'cut')
    remember('Billy')
    expect(claims(mesh.dialLink('three'))).toEqual([[['Billy', KEY, 5, 43_200_000]]])
    for (let n = 0; n < 2_500; n++) remember(`user ${n}`)
    mesh.dialLink('four')
    const frames = mesh.takeEffects().flatMap(one => (one.type === 'send' ? [one.frame] : []))
    const sizes = frames.flatMap(frame => (frame.event === 'claims' ? [[frame.payload.length, frame.isChunk]] : []))
    // Long ones are sent one in each turn.
    expect(sizes).toEqual([
      [1_000, true],
      [1_000, true],
      [502, undefined],
    ])
  })

  test('P15: claims of a peer that leaves soon after it has linked are passed on to the others', () => {
    const { mesh } = setUp()
    const { context } = mesh
    const remember = (name: string) => context.rememberedClaims.merge(name, { key: KEY, at: 5 }, 1_000, context.now, 0)
    const links = [mesh.dialLink('two'), mesh.dialLink('three')]
    remember('Old')
    context.now += 60_000
    const inbound = mesh.acceptLink('two')
    remember('Anna')
    mesh.takeEffects()
    mesh.frame(inbound, { event: 'goodbye', payload: null })
    const sent = mesh.takeEffects().filter(one => one.type === 'send')
    expect(sent.map(({ link, frame }) => [link, frame])).toEqual([
      [links[1], { event: 'claims', payload: [['Anna', KEY, 5, 1_000]] }],
    ])
    const again = mesh.acceptLink('two')
    remember('Billy')
    context.now += 10_001
    mesh.takeEffects()
    mesh.frame(again, { event: 'goodbye', payload: null })
    expect(mesh.takeEffects().filter(one => one.type === 'send')).toEqual([])
  })

  test('the changes of a turn go to all links as one object', () => {
    const { mesh, join } = setUp()
    const links = [mesh.dialLink('two'), mesh.dialLink('three')]
    mesh.takeEffects()
    join('Anna')
    join('Anna')
    mesh.peers.flush()
    const sent = mesh.takeEffects().filter(one => one.type === 'send')
    expect(sent.map(({ link }) => link)).toEqual(links)
    const [one, other] = sent.map(({ frame }) => frame.payload)
    expect(one).toEqual(delta(1, [['Anna', 2]]))
    expect(other).toBe(one)
  })

  test('without changes nothing is sent', () => {
    const { mesh } = setUp()
    const link = mesh.dialLink('two')
    mesh.takeEffects()
    mesh.peers.flush()
    expect(mesh.takeSent(link)).toEqual([])
  })

  test('changes while no link is open are not lost', () => {
    const { mesh, join } = setUp()
    join('Anna')
    mesh.peers.flush()
    join('Billy')
    const link = mesh.dialLink('two', { incarnation: 'server-1#1', seq: 0 })
    mesh.peers.flush()
    expect(presence(mesh.takeSent(link))).toEqual([delta(1, [['Anna', 1]]), delta(2, [['Billy', 1]])])
  })

  test('a resync request is answered with a snapshot', () => {
    const { mesh, join } = setUp()
    const link = mesh.dialLink('two')
    join('Anna')
    mesh.peers.flush()
    mesh.takeEffects()
    mesh.frame(link, { event: 'resync', payload: null })
    expect(presence(mesh.takeSent(link))).toEqual([snapshot(1, [['Anna', 1]])])
  })

  test('a user is known before its message', () => {
    const { mesh, join } = setUp()
    const message = { id: 'm', at: 1, from: 'Anna', to: 'Billy', text: '' }
    const link = mesh.dialLink('two')
    mesh.takeEffects()
    mesh.outboundMessages.forward(['two'], message, unobservedDelivery())
    join('Anna')
    mesh.peers.flush()
    expect(mesh.takeSent(link).map(([event]) => event)).toEqual(['presence', 'forward'])
  })
})

describe('a snapshot of many users', () => {
  const users = (count: number) => Array.from({ length: count }, (_, n): [string, number] => [`user-${n}`, 1])

  function setUp() {
    const mesh = new RecordedPeers({}, { appliedPerTurn: 10 })
    const link = mesh.acceptLink('two')
    const turn = () => {
      expect(mesh.context.needsFlush).toBe(true)
      mesh.context.needsFlush = false
      const before = mesh.changedUsers.length
      mesh.peers.applyPresence()
      return mesh.changedUsers.length - before
    }
    return { mesh, link, turn, two: mesh.peer('two') }
  }

  test('is applied in slices, one in each turn', () => {
    const { mesh, link, turn } = setUp()
    mesh.snapshot(link, 1, users(25))
    expect(mesh.changedUsers).toHaveLength(10)
    expect([turn(), turn()]).toEqual([10, 5])
    expect(mesh.context.needsFlush).toBe(false)
    mesh.snapshot(link, 2, [])
    expect([turn(), turn(), mesh.context.needsFlush]).toEqual([10, 5, false])
    expect(mesh.context.directory.isOnline('user-3')).toBe(false)
  })

  test('shares the turn with those of other peers', () => {
    const { mesh, link, turn } = setUp()
    const other = mesh.acceptLink('three')
    mesh.snapshot(link, 1, users(25))
    mesh.snapshot(other, 1, [['Anna', 1]], 'three#1')
    expect(mesh.changedUsers).toHaveLength(10)
    turn()
    turn()
    expect(mesh.changedUsers).toContain('Anna')
  })

  test('lets its users send at once, and those who have left for a while', () => {
    const { mesh, link, two, turn } = setUp()
    mesh.snapshot(link, 1, users(25))
    turn()
    turn()
    mesh.snapshot(link, 2, [...users(24), ['Anna', 1]])
    const mayUse = (name: string) => two.speaksFor(name, mesh.context.now)
    expect([mayUse('Anna'), mayUse('user-24'), mayUse('Billy')]).toEqual([true, true, false])
    while (mesh.context.needsFlush) turn()
    expect([mesh.context.directory.isOnline('user-24'), mayUse('user-24')]).toEqual([false, true])
    mesh.context.now += 10_000
    expect(mayUse('user-24')).toBe(false)
  })

  test('causes no request for another one', () => {
    const { mesh, link } = setUp()
    mesh.snapshot(link, 7, users(25))
    mesh.takeEffects()
    mesh.frame(link, { event: 'beat', payload: { incarnation: 'two#1', seq: 7 } })
    expect(resyncs(mesh.takeSent(link))).toBe(0)
  })

  test('is applied to its end although its link ends, and its users leave in slices after the grace period', () => {
    const { mesh, link, two, turn } = setUp()
    mesh.snapshot(link, 1, users(25))
    mesh.links.handleClosed(link, 'a test')
    expect([turn(), turn()]).toEqual([10, 5])
    mesh.advance(5_000)
    expect([two.replica.size, two.isIdle, mesh.changedUsers.length]).toEqual([0, false, 35])
    expect([turn(), turn(), mesh.context.directory.isOnline('user-24')]).toEqual([10, 5, false])
    expect(two.replica.isTakingOver).toBe(false)
  })

  test('must be applied before this server knows what its peers know', () => {
    const { mesh, link, turn } = setUp()
    mesh.snapshot(link, 1, users(25))
    mesh.frame(link, { event: 'members', payload: [] })
    expect(mesh.syncs).toBe(0)
    turn()
    turn()
    expect(mesh.syncs).toBe(1)
  })

  test('leaves no user when its server is removed from the config meanwhile', () => {
    const { mesh, link } = setUp()
    mesh.peers.configure([{ id: 'two', url: 'http://two:1' }])
    mesh.snapshot(link, 1, users(25))
    mesh.peers.configure([])
    expect(mesh.changedUsers).toHaveLength(20)
    expect(users(25).filter(([name]) => mesh.context.directory.isOnline(name))).toEqual([])
  })
})

test('the chunks of a large snapshot are marked, and packed once each', () => {
  const mesh = new RecordedPeers()
  for (let n = 0; n < 2_000; n++) addConnection(mesh.context, new Map(), n, `user-${n}`)
  const link = mesh.dialLink('two', { seq: 0 }, { compact: true })
  const frames = mesh.takeEffects().flatMap(one => (one.type === 'send' && one.link === link ? [one.frame] : []))
  const chunks = frames.filter(frame => 'isChunk' in frame)
  expect(chunks.map(({ payload }) => payload)).toMatchObject([
    { part: 0, packed: expect.any(String) },
    { part: 1, packed: expect.any(String) },
  ])
  expect(chunks[0]?.payload).toBe(chunks[0]?.payload)
  const small = new RecordedPeers()
  addConnection(small.context, new Map(), 1, 'Anna')
  small.dialLink('two', { seq: 0 }, { compact: true })
  const sent = small.takeEffects().filter(one => one.type === 'send')
  expect(sent.some(({ frame }) => 'isChunk' in frame)).toBe(false)
})
