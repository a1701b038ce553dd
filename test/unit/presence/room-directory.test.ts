/** The members of rooms on this server and its peers. */
import { describe, expect, test } from 'vitest'
import { Room, RoomDirectory } from '../../../src/presence/room-directory.ts'
import { Random } from '../../support/random.ts'

interface Member {
  id: number
  user: string
}
const member = (id: number, user: string): Member => ({ id, user })

function roomOf(...members: Member[]): Room<Member> {
  const room = new Room<Member>('#ops')
  for (const one of members) room.add(one)
  return room
}

describe('connections of this server', () => {
  test('only the first of a user makes the user a member, and only the last one ends that', () => {
    const room = roomOf()
    const [one, two] = [member(1, 'Anna'), member(2, 'Anna')]
    expect([room.add(one), room.add(two)]).toEqual([true, false])
    expect([room.memberCount, [...room.members], [...room.localMembers], room.connections.size]).toEqual([
      1,
      ['Anna'],
      ['Anna'],
      2,
    ])
    expect([room.delete(one), room.hasLocal('Anna'), room.delete(two)]).toEqual([false, true, true])
    expect([room.memberCount, room.hasLocal('Anna'), room.has('Anna'), room.connections.size]).toEqual([
      0,
      false,
      false,
      0,
    ])
  })

  test('a user with two of them is in several places', () => {
    const [one, two, three] = [member(1, 'Anna'), member(2, 'Anna'), member(3, 'Billy')]
    const room = roomOf(one, two, three)
    expect(['Anna', 'Billy', 'Cleo'].map(user => room.isInSeveralPlaces(user))).toEqual([true, false, false])
    room.delete(one)
    expect(room.isInSeveralPlaces('Anna')).toBe(false)
  })
})

describe('members of peers', () => {
  test('are members, but not of this server, and counted by peer', () => {
    const room = roomOf(member(1, 'Anna'))
    room.addOnPeer('two', 'Billy')
    room.addOnPeer('two', 'Cleo')
    room.addOnPeer('three', 'Billy')
    expect([room.memberCount, [...room.members].sort(), [...room.localMembers]]).toEqual([
      3,
      ['Anna', 'Billy', 'Cleo'],
      ['Anna'],
    ])
    expect([room.countOn('two'), room.countOn('three'), room.countOn('four')]).toEqual([2, 1, 0])
    expect(room.peers).toEqual(['two', 'three'])
    expect([room.isInSeveralPlaces('Billy'), room.isInSeveralPlaces('Cleo')]).toEqual([true, false])
  })

  test('count once for each peer, and a repeated change counts nothing', () => {
    const room = roomOf()
    for (let n = 0; n < 2; n++) room.addOnPeer('two', 'Billy')
    expect([room.memberCount, room.countOn('two'), room.isInSeveralPlaces('Billy')]).toEqual([1, 1, false])
    for (let n = 0; n < 2; n++) room.deleteOnPeer('two', 'Billy')
    room.deleteOnPeer('three', 'Billy')
    expect([room.memberCount, room.peers]).toEqual([0, []])
  })

  test('the list of peers changes only with the first and the last member of one', () => {
    const room = roomOf()
    room.addOnPeer('two', 'Billy')
    const { peers } = room
    room.addOnPeer('two', 'Cleo')
    room.deleteOnPeer('two', 'Billy')
    expect(room.peers).toBe(peers)
    room.deleteOnPeer('two', 'Cleo')
    expect(room.peers).toEqual([])
  })

  test('a user who is here and on a peer stays a member until both have left', () => {
    const anna = member(1, 'Anna')
    const room = roomOf(anna)
    room.addOnPeer('two', 'Anna')
    expect(room.isInSeveralPlaces('Anna')).toBe(true)
    room.delete(anna)
    expect([room.has('Anna'), room.hasLocal('Anna'), room.memberCount]).toEqual([true, false, 1])
    room.deleteOnPeer('two', 'Anna')
    expect(room.memberCount).toBe(0)
  })
})

describe('the directory', () => {
  test('has one room for a name, until nobody is in it', () => {
    const rooms = new RoomDirectory<Member>()
    const room = rooms.open('#ops')
    const anna = member(1, 'Anna')
    expect(rooms.open('#ops')).toBe(room)
    room.add(anna)
    rooms.deleteIfEmpty(room)
    expect([rooms.size, rooms.get('#ops')]).toEqual([1, room])
    room.delete(anna)
    rooms.deleteIfEmpty(room)
    expect([rooms.size, rooms.get('#ops'), [...rooms]]).toEqual([0, undefined, []])
  })

  test('lists for peers only the rooms with users of this server, each user once', () => {
    const rooms = new RoomDirectory<Member>()
    for (const id of [1, 2]) rooms.open('#ops').add(member(id, 'Anna'))
    rooms.open('#ops').addOnPeer('two', 'Billy')
    rooms.open('#dev').addOnPeer('two', 'Billy')
    expect(Array.from(rooms.localMembers(), ([room, users]) => [room, [...users]])).toEqual([['#ops', ['Anna']]])
    expect(rooms.size).toBe(2)
  })
})

test('random joins and leaves, here and on peers, give the same members as a count of all places', () => {
  const random = new Random(3)
  const room = roomOf()
  const connections = new Map<number, Member>()
  const places = new Set<string>()
  const users = ['Anna', 'Billy', 'Cleo', 'Dora']
  const peers = ['two', 'three']
  for (let n = 0; n < 5_000; n++) {
    const user = random.pick(users)
    const peer = random.pick(peers)
    const known = connections.get(random.below(6))
    const step = random.below(4)
    if (step === 0) {
      room.addOnPeer(peer, user)
      places.add(`${peer} ${user}`)
    } else if (step === 1) {
      room.deleteOnPeer(peer, user)
      places.delete(`${peer} ${user}`)
    } else if (step === 2 && known !== undefined) {
      room.delete(known)
      connections.delete(known.id)
    } else {
      const id = [0, 1, 2, 3, 4, 5].find(id => !connections.has(id))
      if (id === undefined) continue
      const added = member(id, user)
      connections.set(id, added)
      room.add(added)
    }
    const local = [...connections.values()].map(one => one.user)
    const remote = [...places].map(place => place.split(' ')[1] ?? '')
    expect([...room.members].sort()).toEqual([...new Set([...local, ...remote])].sort())
    expect([...room.localMembers].sort()).toEqual([...new Set(local)].sort())
    for (const one of users) {
      const count = [...local, ...remote].filter(name => name === one).length
      expect(room.isInSeveralPlaces(one)).toBe(count > 1)
    }
    for (const peer of peers) expect(room.countOn(peer)).toBe([...places].filter(at => at.startsWith(peer)).length)
    expect([...room.peers].sort()).toEqual(peers.filter(peer => room.countOn(peer) > 0).sort())
  }
})
