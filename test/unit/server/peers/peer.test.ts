/** What a server knows about one peer. */
import { describe, expect, test } from 'vitest'
import { Backoff } from '../../../../src/common/backoff.ts'
import type { ForwardedMessage } from '../../../../src/protocol/frames.ts'
import { MAX_NUMBER_JUMP } from '../../../../src/protocol/frames.ts'
import { Peer } from '../../../../src/server/peers/peer.ts'
import { unobservedDelivery } from '../../../support/harness/deliveries.ts'
import { openOutbound } from '../../../support/harness/recorded-peers.ts'

const peer = (url: string | undefined = 'http://two:1') =>
  new Peer('two', url, new Backoff(() => 0), 1_000, { hasChanged: false })
const delivery = unobservedDelivery
const frame = (number: number, from = 'Anna', to = 'Billy'): ForwardedMessage => [number, `m${number}`, 1, from, to, '']

function setUsers(two: Peer, ...users: [string, number][]): void {
  two.replica.apply({ type: 'snapshot', incarnation: 'x', seq: 1, users, more: false })
}

describe('speaks for', () => {
  test('users that are connected to it, and no others', () => {
    const two = peer()
    setUsers(two, ['Anna', 1])
    expect([two.speaksFor('Anna', 1_000), two.speaksFor('Billy', 1_000)]).toEqual([true, false])
  })

  test('users who left it for 10 s, and forgets them then', () => {
    const two = peer()
    two.recordUserChange('Anna', 1_000)
    two.recordUserChange('Billy', 2_000)
    expect(two.departedCount).toBe(2)
    expect([two.speaksFor('Anna', 10_999), two.speaksFor('Anna', 11_000)]).toEqual([true, false])
    two.forgetDeparted(10_999)
    expect(two.departedCount).toBe(2)
    two.forgetDeparted(11_000)
    expect(two.departedCount).toBe(1)
    two.forgetDeparted(12_000)
    expect(two.departedCount).toBe(0)
  })

  test('a user who comes back, without counting as departed', () => {
    const two = peer()
    two.recordUserChange('Anna', 1_000)
    setUsers(two, ['Anna', 1])
    two.recordUserChange('Anna', 2_000)
    expect([two.departedCount, two.speaksFor('Anna', 60_000)]).toEqual([0, true])
  })

  test('a limited number of departed users: the oldest is dropped', () => {
    const two = peer()
    for (let n = 0; n <= 100_000; n++) two.recordUserChange(`user ${n}`, 1_000)
    expect(two.departedCount).toBe(100_000)
    expect([two.speaksFor('user 0', 1_000), two.speaksFor('user 1', 1_000)]).toEqual([false, true])
  })
})

describe('held messages', () => {
  test('are batched if the link is open, and only held if it is not', () => {
    const two = peer()
    two.hold(frame(1), delivery())
    expect([two.held.size, two.pendingForwards]).toEqual([1, []])
    openOutbound(two)
    two.hold(frame(2), delivery())
    expect([two.held.size, two.pendingForwards]).toEqual([2, [frame(2)]])
  })

  test('make their deliveries wait for an answer', () => {
    const one = delivery()
    peer().hold(frame(1), one)
    one.settleIfComplete()
    expect(one.isSettled).toBe(false)
  })

  test('are dropped together; their users have missed a message', () => {
    const two = peer()
    openOutbound(two)
    const [one, other] = [delivery(), delivery()]
    two.hold(frame(1, 'Anna', 'Billy'), one)
    two.hold(frame(2, 'Anna', 'Carla'), other)
    expect(two.dropHeld()).toEqual([one, other])
    expect([two.held.size, two.pendingForwards]).toEqual([0, []])
    expect([...two.missedUsers]).toEqual(['Anna', 'Billy', 'Carla'])
    expect(two.dropHeld()).toEqual([])
  })

  test('leave a limited number of users who missed one', () => {
    const two = peer()
    for (let n = 0; n < 10_001; n++) two.markMissed(`user ${n}`)
    expect(two.missedUsers.size).toBe(10_000)
  })
})

test('a forward is accepted once per incarnation', () => {
  const two = peer()
  const arrivals = (incarnation: string, ...numbers: number[]) =>
    numbers.map(number => two.acceptForward(incarnation, number))
  expect(arrivals('a', 1, 2, 2, 1, 5)).toEqual(['new', 'new', 'pending', 'pending', 'new'])
  for (const number of [1, 2, 5]) two.settleForward('a', number)
  expect(arrivals('a', 1, 2, 5, 4)).toEqual(['repeated', 'repeated', 'repeated', 'repeated'])
  expect(two.lastForward?.pending.size).toBe(0)
  expect(arrivals('b', 1, 1)).toEqual(['new', 'pending'])
})

test('a forward whose number jumps too far changes nothing', () => {
  const two = peer()
  two.acceptForward('a', 7)
  const numbers = [Number.MAX_SAFE_INTEGER, 7 + MAX_NUMBER_JUMP + 1, 8, 8 + MAX_NUMBER_JUMP]
  expect(numbers.map(number => two.acceptForward('a', number))).toEqual(['implausible', 'implausible', 'new', 'new'])
  expect(two.acceptForward('another', MAX_NUMBER_JUMP + 1)).toBe('implausible')
})

test('a peer without a URL is never due for a dial', () => {
  expect(peer().deadline).toBe(1_000)
  expect(new Peer('two', undefined, new Backoff(() => 0), 1_000, { hasChanged: false }).deadline).toBe(
    Number.POSITIVE_INFINITY,
  )
})

test('the end of the grace period is a deadline, too', () => {
  const two = peer()
  two.usersExpireAt = 500
  expect(two.deadline).toBe(500)
  openOutbound(two)
  expect(two.deadline).toBe(500)
  two.usersExpireAt = Number.POSITIVE_INFINITY
  expect(two.deadline).toBe(Number.POSITIVE_INFINITY)
})

test.each<[string, (two: Peer) => void]>([
  [
    'is configured',
    two => {
      two.configured = true
    },
  ],
  [
    'has an inbound link',
    two => {
      two.inbound = { link: 1, openedAt: 0, heardAt: 0, incarnation: 'x', knowsRooms: true }
    },
  ],
  ['has an outbound link', openOutbound],
  ['has users', two => setUsers(two, ['Anna', 1])],
  ['has held messages', two => two.hold(frame(1), delivery())],
])('a peer that %s is not idle', (_, change) => {
  const two = peer()
  expect(two.isIdle).toBe(true)
  change(two)
  expect(two.isIdle).toBe(false)
})
