/** Which servers a server knows, and which of them it announces. */
import { describe, expect, test } from 'vitest'
import type { Limits } from '../../../../src/protocol/limits.ts'
import { Membership } from '../../../../src/server/peers/membership.ts'
import type { Peer } from '../../../../src/server/peers/peer.ts'
import type { ServerOptions } from '../../../../src/server/types.ts'
import { advance, createContext, peerIdentity } from '../../../support/harness/server-context.ts'

const HOUR = 3_600_000

function setUp(limits: Partial<Limits> = {}, options: Partial<ServerOptions> = {}) {
  const context = createContext(limits, options)
  return { context, membership: new Membership(context) }
}

const address = (id: string, port = 1) => ({ id, url: `http://${id}:${port}` })
const ids = (peers: Iterable<{ id: string }>) => [...peers].map(({ id }) => id)

function open(peer: Peer | undefined): void {
  if (peer === undefined) throw new Error('no such peer')
  peer.outbound = { state: 'open', link: 1, openedAt: 0, heardAt: 0, incarnation: 'x', rtt: undefined }
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
  test('are due only while this server is isolated', () => {
    const { context, membership } = setUp()
    membership.addSeed('http://seed:1')
    membership.addSeed('http://seed:1')
    expect([membership.seeds.size, membership.deadline]).toEqual([1, context.now])
    membership.learn(address('two'))
    open(membership.peers.get('two'))
    expect([membership.isIsolated, membership.deadline]).toEqual([false, Number.POSITIVE_INFINITY])
  })
})

describe('announcements', () => {
  test('to peers list this server and connected peers', () => {
    const { membership } = setUp()
    for (const id of ['two', 'three', 'four']) membership.learn(address(id))
    open(membership.peers.get('two'))
    const three = membership.peers.get('three')
    if (three !== undefined) three.inbound = { link: 2, heardAt: 0, incarnation: 'x' }
    expect(ids(membership.members())).toEqual(['server-1', 'two', 'three'])
  })

  test('to clients list all servers, with their URLs for clients', () => {
    const { membership } = setUp({}, { clients: 'http://one:80' })
    membership.learn({ ...address('two'), clients: 'http://two:80' })
    membership.learn(address('three'))
    expect(membership.servers()).toEqual([
      { id: 'server-1', url: 'http://one:80' },
      { id: 'two', url: 'http://two:80' },
      { id: 'three', url: 'http://three:1' },
    ])
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
  peer.replica.apply({ type: 'snapshot', incarnation: 'x', seq: 1, users: [['Anna', 1]], more: false })
  expect(context.directory.isOnline('Anna')).toBe(true)
  membership.forget(peer)
  expect([context.directory.isOnline('Anna'), membership.peers.size]).toEqual([false, 0])
})
