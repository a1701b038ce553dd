/** Who is online, and on which server. */
import { expect, test } from 'vitest'
import { Directory } from '../../../src/presence/directory.ts'
import { Replica } from '../../../src/presence/replica.ts'

const KEY = 'k'.repeat(43)

function replicaOf(...users: [string, number][]): Replica {
  const replica = new Replica()
  replica.apply({ type: 'snapshot', incarnation: 'x', seq: 1, users, more: false })
  return replica
}

test('connections are counted up per user, and down to 0', () => {
  const directory = new Directory<{ user: string }>()
  const [one, two] = [{ user: 'Anna' }, { user: 'Anna' }]
  expect(directory.addConnection(one)).toBe(1)
  expect(directory.addConnection(two)).toBe(2)
  expect([directory.userCount, directory.connectionCount('Anna')]).toEqual([1, 2])
  expect(directory.connectionsOf('Anna')).toEqual([one, two])
  expect(directory.removeConnection(one)).toBe(1)
  expect(directory.removeConnection(two)).toBe(0)
  expect([directory.userCount, directory.connectionCount('Anna')]).toEqual([0, 0])
  expect(directory.connectionsOf('Anna')).toEqual([])
  expect(directory.isOnline('Anna')).toBe(false)
})

test('removing an unknown connection changes nothing', () => {
  const directory = new Directory<{ user: string }>()
  expect(directory.removeConnection({ user: 'Anna' })).toBe(0)
  directory.addConnection({ user: 'Anna' })
  expect(directory.removeConnection({ user: 'Anna' })).toBe(1)
})

test('connections are summed over this server and all peers', () => {
  const directory = new Directory<{ user: string }>()
  directory.addConnection({ user: 'Anna' })
  directory.addReplica('two', replicaOf(['Anna', 2], ['Billy', 1]))
  directory.addReplica('three', replicaOf(['Anna', 4]))
  expect(directory.connectionCount('Anna')).toBe(7)
  expect([directory.isOnline('Billy'), directory.isOnline('Carla')]).toEqual([true, false])
  expect(directory.isUserOnPeer('two', 'Billy')).toBe(true)
  expect(directory.isUserOnPeer('three', 'Billy')).toBe(false)
  expect(directory.isUserOnPeer('four', 'Billy')).toBe(false)
  directory.removeReplica('three')
  expect(directory.connectionCount('Anna')).toBe(3)
})

test('own users are listed with their counts and claims', () => {
  const directory = new Directory<{ user: string }>()
  for (const user of ['Anna', 'Anna', 'Billy']) directory.addConnection({ user })
  directory.setClaim('Anna', { key: KEY, at: 5 })
  const entries = directory.ownUsers().slice(0, 10)
  expect(entries).toEqual([
    ['Anna', 2, KEY, 5],
    ['Billy', 1],
  ])
  expect(directory.entry('Anna', 0)).toEqual(['Anna', 0])
})

test('a list of own users does not change, whatever happens before it is read', () => {
  const directory = new Directory<{ user: string }>()
  const [one, two] = [{ user: 'Anna' }, { user: 'Anna' }]
  for (const connection of [one, two, { user: 'Billy' }, { user: 'Carla' }]) directory.addConnection(connection)
  directory.setClaim('Anna', { key: KEY, at: 5 })
  directory.setClaim('Billy', { key: KEY, at: 6 })
  const users = directory.ownUsers()
  for (const connection of [one, two]) directory.removeConnection(connection)
  directory.addConnection({ user: 'Anna' })
  directory.setClaim('Billy', { key: KEY, at: 4 })
  directory.addConnection({ user: 'Carla' })
  directory.addConnection({ user: 'Dora' })
  expect([users.length, ...users.slice(0, 2), ...users.slice(2, 4)]).toEqual([
    3,
    ['Anna', 2, KEY, 5],
    ['Billy', 1, KEY, 6],
    ['Carla', 1],
  ])
})

test('a claim lasts until the last connection of its user closes', () => {
  const directory = new Directory<{ user: string }>()
  const [one, two] = [{ user: 'Anna' }, { user: 'Anna' }]
  directory.addConnection(one)
  directory.addConnection(two)
  directory.setClaim('Anna', { key: KEY, at: 5 })
  directory.removeConnection(one)
  expect(directory.ownClaim('Anna')).toEqual({ key: KEY, at: 5 })
  directory.removeConnection(two)
  expect(directory.ownClaim('Anna')).toBeUndefined()
})

test('claims come from this server and its peers', () => {
  const directory = new Directory<{ user: string }>()
  directory.setClaim('Anna', { key: KEY, at: 5 })
  const replica = new Replica()
  replica.apply({ type: 'snapshot', incarnation: 'x', seq: 1, users: [['Anna', 1, KEY, 3]], more: false })
  directory.addReplica('two', replica)
  expect([...directory.claims('Anna')].map(({ at }) => at)).toEqual([5, 3])
  expect([...directory.claims('Billy')]).toEqual([])
})

test('the peers of two users are listed once each', () => {
  const directory = new Directory<{ user: string }>()
  directory.addReplica('two', replicaOf(['Anna', 1], ['Billy', 1]))
  directory.addReplica('three', replicaOf(['Anna', 1]))
  directory.addReplica('four', replicaOf(['Billy', 1]))
  expect(directory.peersHolding('Anna', 'Billy')).toEqual(['two', 'three', 'four'])
  expect(directory.peersHolding('Anna', 'Anna')).toEqual(['two', 'three'])
  expect(directory.peersHolding('Carla', 'Billy')).toEqual(['two', 'four'])
  expect(directory.peersHolding('Anna', 'Carla')).toEqual(['two', 'three'])
  expect(directory.peersHolding('Carla', 'Dora')).toEqual([])
})

test('the peers of a user follow the changes of the replicas', () => {
  const directory = new Directory<{ user: string }>()
  for (const peer of ['two', 'three']) directory.addReplica(peer, replicaOf())
  const holders = () => directory.peersHolding('Anna', 'Anna')
  const changeOn = (peer: string, seq: number, connections: number) =>
    directory.apply(peer, { type: 'delta', incarnation: 'x', seq, changes: [['Anna', connections]] })
  expect(holders()).toEqual([])
  changeOn('two', 2, 1)
  expect(holders()).toEqual(['two'])
  changeOn('three', 2, 2)
  expect([holders(), directory.connectionCount('Anna')]).toEqual([['two', 'three'], 3])
  changeOn('two', 3, 0)
  expect([holders(), directory.connectionCount('Anna')]).toEqual([['three'], 2])
  directory.clear('three')
  expect([holders(), directory.isOnline('Anna')]).toEqual([[], false])
})

test('a frame of an unknown peer changes nothing', () => {
  const directory = new Directory<{ user: string }>()
  const frame = {
    type: 'snapshot' as const,
    incarnation: 'x',
    seq: 1,
    users: [['Anna', 1] as [string, number]],
    more: false,
  }
  expect(directory.apply('two', frame)).toEqual({ outcome: 'nothing-new' })
  expect(directory.isOnline('Anna')).toBe(false)
})

test('the cache is bounded, and stays right when it overflows', () => {
  const directory = new Directory<{ user: string }>()
  directory.addReplica('two', replicaOf(['Anna', 1]))
  for (let n = 0; n < 25_000; n++) directory.peersHolding(`user ${n}`, `user ${n}`)
  expect(directory.peersHolding('Anna', 'Anna')).toEqual(['two'])
})
