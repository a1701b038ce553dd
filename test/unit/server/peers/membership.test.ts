/** Which servers a server knows, and which of them it announces. */
import { describe, expect, test } from 'vitest'
import type { Limits } from '../../../../src/protocol/limits.ts'
import { Membership } from '../../../../src/server/peers/membership.ts'
import type { Peer } from '../../../../src/server/peers/peer.ts'
import type { ServerOptions } from '../../../../src/server/types.ts'
import { openOutbound } from '../../../support/harness/recorded-peers.ts'
import { advance, createContext, peerIdentity } from '../../../support/harness/server-context.ts'

const HOUR = 3_600_000

function setUp(limits: Partial<Limits> = {}, options: Partial<ServerOptions> = {}) {
  const context = createContext(limits, options)
  return { context, membership: new Membership(context) }
}

const address = (id: string, port = 1) => ({ id, url: `http://${id.replace('/', '-')}:${port}` })
const ids = (peers: Iterable<{ id: string }>) => [...peers].map(({ id }) => id)

function open(peer: Peer | undefined): void {
  if (peer === undefined) throw new Error('no such peer')
  peer.provenUrl = peer.url
  openOutbound(peer)
}

describe('configured peers', () => {
  test('are added, and due at once', () => {
    const { context, membership } = setUp()
    expect(membership.configure([address('two'), address('three')])).toEqual([])
    expect(ids(membership.peers.values())).toEqual(['two', 'three'])
    expect(membership.deadline).toBe(context.now)
  })

  test('that are no longer configured are returned, and cannot be learned again', () => {
    const { membership } = setUp()
    membership.configure([address('two'), address('three')])
    const removed = membership.configure([address('three')])
    expect(ids(removed)).toEqual(['two'])
    for (const peer of removed) membership.forget(peer)
    membership.learn(address('two'))
    expect(ids(membership.peers.values())).toEqual(['three'])
    expect(membership.isRemoved('two')).toBe(true)
    membership.configure([address('two'), address('three')])
    expect(membership.isRemoved('two')).toBe(false)
  })

  test('with a new URL are dialled there at once', () => {
    const { context, membership } = setUp()
    membership.configure([address('two')])
    const two = membership.peers.get('two')
    if (two !== undefined) two.outbound = { state: 'waiting', retryAt: context.now + HOUR }
    membership.configure([address('two', 2)])
    expect(two).toMatchObject({ url: 'http://two:2', outbound: { retryAt: context.now } })
  })

  test('keep their URL, whatever others announce', () => {
    const { membership } = setUp()
    membership.configure([address('two')])
    membership.learn(address('two', 9))
    membership.register({ ...peerIdentity('two'), url: 'http://two:9' })
    expect(membership.peers.get('two')?.url).toBe('http://two:1')
  })
})

describe('learned peers', () => {
  test('are added once; a new URL replaces the old one', () => {
    const { membership } = setUp()
    membership.learn(address('two'))
    membership.learn(address('two', 2))
    expect([...membership.peers.values()].map(({ url }) => url)).toEqual(['http://two:2'])
  })

  test('do not include this server itself', () => {
    const { membership } = setUp()
    membership.learn(address('server-1'))
    expect(membership.peers.size).toBe(0)
  })

  test('keep their URL while they are connected', () => {
    const { membership } = setUp()
    membership.learn(address('two'))
    open(membership.peers.get('two'))
    membership.learn(address('two', 2))
    expect(membership.peers.get('two')?.url).toBe('http://two:1')
  })

  test('must use https if this server does', () => {
    const { membership } = setUp({}, { url: 'https://one:1' })
    membership.learn(address('two'))
    membership.learn({ id: 'three', url: 'https://three:1' })
    expect(ids(membership.peers.values())).toEqual(['three'])
  })

  test('stop at the limit', () => {
    const { membership } = setUp({ peers: 2 })
    for (const id of ['two', 'three', 'four']) membership.learn(address(id))
    expect(ids(membership.peers.values())).toEqual(['two', 'three'])
    expect(membership.isFull).toBe(true)
  })

  test('are forgotten after an idle hour, and the number of peers returns to 0', () => {
    const { context, membership } = setUp()
    for (const id of ['two', 'three']) membership.learn(address(id))
    advance(context, HOUR - 1)
    membership.forgetExpired()
    expect(membership.peers.size).toBe(2)
    advance(context, 1)
    membership.forgetExpired()
    expect(membership.peers.size).toBe(0)
    expect(membership.deadline).toBe(Number.POSITIVE_INFINITY)
  })

  test('are kept while they are configured or connected', () => {
    const { context, membership } = setUp()
    for (const id of ['two', 'three']) membership.learn(address(id))
    membership.configure([address('two')])
    open(membership.peers.get('three'))
    advance(context, 2 * HOUR)
    membership.forgetExpired()
    expect(membership.peers.size).toBe(2)
  })
})

describe('a server that dials in', () => {
  test('takes the place of the idle peer that was unreachable longest', () => {
    const { context, membership } = setUp({ peers: 2 })
    membership.learn(address('two'))
    advance(context, 1)
    membership.learn(address('three'))
    expect(membership.register(peerIdentity('four'))?.id).toBe('four')
    expect(ids(membership.peers.values())).toEqual(['three', 'four'])
  })

  test('is refused if no peer is idle', () => {
    const { membership } = setUp({ peers: 1 })
    membership.configure([address('two')])
    expect(membership.register(peerIdentity('three'))).toBeUndefined()
    expect(membership.register(peerIdentity('two'))?.id).toBe('two')
  })
})

describe('seeds', () => {
  test('are due while this server is isolated, or does not know the server there', () => {
    const { context, membership } = setUp()
    membership.addSeed('http://seed:1')
    membership.addSeed('http://seed:1')
    expect([membership.seeds.size, membership.deadline]).toEqual([1, context.now])
    membership.learn(address('two'))
    open(membership.peers.get('two'))
    expect([membership.isIsolated, membership.deadline]).toEqual([false, context.now])
    for (const seed of membership.seeds.values()) seed.server = 'two'
    expect(membership.deadline).toBe(Number.POSITIVE_INFINITY)
  })
})

describe('announcements', () => {
  test('to peers list this server and the peers that it has reached at their URL', () => {
    const { membership } = setUp()
    for (const id of ['two', 'three', 'four', 'five']) membership.learn(address(id))
    open(membership.peers.get('two'))
    // It has dialled in, which proves nothing about its URL.
    const three = membership.peers.get('three')
    if (three !== undefined) three.inbound = { link: 2, openedAt: 0, heardAt: 0, incarnation: 'x', knowsRooms: true }
    // It has moved while its link was open.
    open(membership.peers.get('five'))
    membership.register({ ...peerIdentity('five'), url: 'http://five:2' })
    expect(ids(membership.members())).toEqual(['server-1', 'two'])
  })

  test('to clients list the configured and reached servers, with their URLs for clients', () => {
    const { membership } = setUp({}, { clients: 'http://one:81' })
    membership.learn({ ...address('two'), clients: 'http://two:81' })
    for (const id of ['three', 'four']) membership.learn(address(id))
    membership.configure([address('three')])
    open(membership.peers.get('two'))
    expect(membership.servers()).toEqual([
      { id: 'server-1', url: 'http://one:81' },
      { id: 'two', url: 'http://two:81' },
      { id: 'three', url: 'http://three:1' },
    ])
  })
})

describe('hearsay', () => {
  const many = (count: number, prefix: string) => Array.from({ length: count }, (_, n) => address(`${prefix}-${n}`))

  function tellers(...names: string[]) {
    const { context, membership } = setUp()
    const peers = names.map(id => {
      const peer = membership.register(peerIdentity(id))
      if (peer === undefined) throw new Error('not registered')
      peer.inbound = { link: 1, openedAt: 0, heardAt: 0, incarnation: 'x', knowsRooms: true }
      return peer
    })
    const known = () => [...membership.peers.values()].filter(({ announcedBy }) => announcedBy !== undefined)
    return { context, membership, peers, known }
  }

  test('is limited for each announcer and in all; the others wait, and take the places that become free', () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f']
    const { context, membership, peers, known } = tellers(...names)
    for (const peer of peers) membership.hear(peer, many(100, peer.id))
    expect(known()).toHaveLength(128)
    for (const { id } of peers) expect(known().filter(one => one.announcedBy === id).length).toBeLessThanOrEqual(32)
    // One proves itself: the next takes its place.
    const [first] = known()
    if (first !== undefined) membership.recordProven(first, first.url)
    membership.learnAnnounced()
    expect(known()).toHaveLength(128)
    // What proves nothing is forgotten after a minute, until nothing is left.
    for (let minute = 0; minute < 10; minute++) {
      advance(context, 60_000)
      membership.forgetExpired()
      membership.learnAnnounced()
    }
    expect(known()).toEqual([])
    expect(peers.map(({ announced }) => announced.length)).toEqual(names.map(() => 0))
  })

  test('in the end every announced server is learned, if it proves itself', () => {
    const { membership, peers, known } = tellers('a')
    const [a] = peers
    if (a !== undefined) membership.hear(a, many(500, 'x'))
    for (let round = 0; round < 16; round++) {
      for (const peer of known()) membership.recordProven(peer, peer.url)
      membership.learnAnnounced()
    }
    expect(membership.peers.size).toBe(501)
  })

  test('is an origin only, and never replaces what a server said of itself', () => {
    const { membership, peers } = tellers('a', 'b')
    const [a] = peers
    if (a === undefined) throw new Error('no announcer')
    const urls = ['http://x:1/path', 'http://x:1/?q=1', 'http://u:p@x:1', 'http://x:1/#a', 'http://x:1//']
    membership.hear(
      a,
      urls.map((url, n) => ({ id: `x-${n}`, url })),
    )
    membership.hear(a, [{ id: 'y', url: 'http://y:1', clients: 'http://y:1/?q' }])
    membership.hear(a, [{ id: 'b', url: 'http://evil:1' }])
    membership.hear(a, [{ id: 'z', url: 'HTTP://Z.example:80/' }])
    expect([...membership.peers.values()].map(({ id, url }) => [id, url])).toEqual([
      ['a', 'http://a:1'],
      ['b', 'http://b:1'],
      ['z', 'http://z.example'],
    ])
  })

  test('is not announced, and not part of the cluster status', () => {
    const { membership, peers } = tellers('a')
    const [a] = peers
    if (a !== undefined) membership.hear(a, [address('x')])
    expect(ids(membership.servers())).toEqual(['server-1'])
    expect(ids(membership.members())).toEqual(['server-1'])
    expect(ids(membership.distinctPeers)).toEqual(['a'])
  })

  test('does not hurry the next dial when its URL changes', () => {
    const { membership, peers } = tellers('a')
    const [a] = peers
    if (a === undefined) throw new Error('no announcer')
    membership.hear(a, [address('x')])
    const x = membership.peers.get('x')
    if (x !== undefined) x.outbound = { state: 'waiting', retryAt: HOUR }
    membership.hear(a, [address('x', 2)])
    expect(x).toMatchObject({ url: 'http://x:2', outbound: { retryAt: HOUR } })
  })

  test('of an encrypted mesh has encrypted addresses only', () => {
    const { membership } = setUp({}, { url: 'https://one:1' })
    membership.learn({ id: 'two', url: 'https://two:1', clients: 'http://two:2' })
    membership.learn({ id: 'three', url: 'https://three:1', clients: 'https://three:2' })
    expect(ids(membership.peers.values())).toEqual(['three'])
  })
})

test('a shared address is hidden while one of its workers is connected', () => {
  const { membership } = setUp()
  for (const id of ['two', 'two/1', 'two/2']) membership.learn(address(id))
  const shared = membership.peers.get('two')
  if (shared !== undefined) shared.isSharedAddress = true
  expect(ids(membership.distinctPeers)).toEqual(['two', 'two/1', 'two/2'])
  open(membership.peers.get('two/1'))
  expect([membership.hasWorkers('two'), ids(membership.distinctPeers)]).toEqual([true, ['two/1', 'two/2']])
})

test('forgetting a peer removes its users from the directory', () => {
  const { context, membership } = setUp()
  const peer = membership.register(peerIdentity('two'))
  if (peer === undefined) throw new Error('not registered')
  context.directory.apply('two', { type: 'snapshot', incarnation: 'x', seq: 1, users: [['Anna', 1]], more: false })
  expect(context.directory.isOnline('Anna')).toBe(true)
  membership.forget(peer)
  expect([context.directory.isOnline('Anna'), membership.peers.size]).toEqual([false, 0])
})
