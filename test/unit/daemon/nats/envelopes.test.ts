/** Links over NATS: sequence numbers, signatures, batches and subscriptions. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { EnvelopeMac } from '../../../../daemon/links/nats/envelopes/envelope-mac.ts'
import { OutboundBatch } from '../../../../daemon/links/nats/envelopes/outbound-batch.ts'
import { NatsLink } from '../../../../daemon/links/nats/nats-link.ts'
import { PresenceSubscriptions } from '../../../../daemon/links/nats/subscriptions/presence-subscriptions.ts'
import type {
  ForwardedMessage,
  PresenceDelta,
  PresenceSnapshot,
  RoomChanges,
  RoomForwarded,
} from '../../../../src/protocol/frames.ts'

const link = (n: number) => new NatsLink(n, `link ${n}`, { id: `server-${n}`, incarnation: `i${n}` }, 'acceptor', true)

function handlePresence(subscriptions: PresenceSubscriptions, frame: PresenceSnapshot | PresenceDelta): void {
  for (const _ of subscriptions.handlePresence(frame));
}

test('sequence numbers detect repeated and missing envelopes', () => {
  const one = link(1)
  expect([1, 2, 2, 1, 3].map(n => one.acceptSequence(n))).toEqual(['next', 'next', 'repeated', 'repeated', 'next'])
  expect(one.acceptSequence(5)).toBe('missing')
  // A gap is never closed by later envelopes.
  expect(one.acceptSequence(6)).toBe('missing')
  expect([one.nextSequence(), one.nextSequence()]).toEqual([1, 2])
})

test('a broadcast is accepted once, after the link is open', () => {
  const one = link(1)
  expect(one.acceptBroadcast(1)).toBe(false)
  one.lastBroadcast = 4
  expect([4, 3, 5, 5, 9].map(n => one.acceptBroadcast(n))).toEqual([false, false, true, false, true])
})

test('parts are joined at the last part, and an endless frame is not kept', () => {
  const one = link(1)
  expect([one.addPart('ab', true), one.addPart('cd', true), one.addPart('e', false)]).toEqual([
    undefined,
    undefined,
    'abcde',
  ])
  const part = 'x'.repeat(1_000_000)
  for (let n = 0; n < 100; n++) one.addPart(part, true)
  expect(one.addPart('', false)?.length).toBeLessThanOrEqual(8_000_000)
  expect(one.addPart('next', false)).toBe('next')
})

test('empty parts count, so their number is bounded', () => {
  const one = link(1)
  one.addPart('x'.repeat(7_999_990), true)
  for (let n = 0; n < 10; n++) one.addPart('', true)
  // The frame is too long, so its last part is dropped.
  expect(one.addPart('last', false)?.length).toBe(7_999_990)
  expect(one.addPart('next', false)).toBe('next')
})

test('a signature is valid only for its subject, secret and text', () => {
  const [mac, other] = [new EnvelopeMac('one secret of the mesh'), new EnvelopeMac('another secret of it')]
  const signed = mac.sign('a', '{"text":"✓"}')
  expect(mac.verify('a', signed)).toBe('{"text":"✓"}')
  expect(mac.verify('b', signed)).toBeUndefined()
  expect(other.verify('a', signed)).toBeUndefined()
  for (const at of [0, 31, 32, signed.length - 1]) {
    const changed = Buffer.from(signed)
    changed[at] = (changed[at] ?? 0) ^ 1
    expect(mac.verify('a', changed)).toBeUndefined()
  }
  expect(mac.verify('a', signed.subarray(0, 20))).toBeUndefined()
  expect(mac.alias('Anna')).not.toBe(other.alias('Anna'))
  expect(mac.alias('Anna')).not.toContain('Anna')
  expect(mac.roomAlias('#ops')).not.toBe(other.roomAlias('#ops'))
  expect(mac.roomAlias('#ops')).not.toBe(mac.alias('#ops'))
})

test('a batch publishes shared frames once, in the right order for each link', () => {
  const [one, two] = [link(1), link(2)]
  const batch = new OutboundBatch()
  const delta: PresenceDelta = { type: 'delta', incarnation: 'i', seq: 1, changes: [['Anna', 1]] }
  const message = (number: number): ForwardedMessage => [number, `m${number}`, 1, 'Anna', 'Billy', 'hi']
  const [first, second, third] = [message(1), message(2), message(3)]
  const toRoom: RoomForwarded = [4, 'm4', 1, 'Anna', '#ops', 'hi', '']
  batch.add(one, { event: 'goodbye', payload: null })
  batch.add(one, { event: 'room-forward', payload: [toRoom] })
  batch.add(one, { event: 'forward', payload: [second, third, message(5)] })
  batch.add(one, { event: 'presence', payload: delta })
  batch.add(two, { event: 'presence', payload: delta })
  // An equal but different object is for one link only.
  batch.add(two, { event: 'presence', payload: { ...delta } })
  batch.add(two, { event: 'forward', payload: [first, second] })
  batch.add(two, { event: 'room-forward', payload: [toRoom] })
  const out = batch.drain().map(one => {
    if ('message' in one) return [one.to, one.message[0], one.links.map(({ number }) => number)]
    return [one.to, one.frame.event, one.to === 'all' ? one.links.map(({ number }) => number) : one.link.number]
  })
  expect(out).toEqual([
    ['all', 'presence', [1, 2]],
    ['all', 'presence', [2]],
    ['users', 1, [2]],
    ['users', 2, [1, 2]],
    ['users', 3, [1]],
    ['room', 4, [1, 2]],
    ['users', 5, [1]],
    ['link', 'goodbye', 1],
  ])
  expect(batch.drain()).toEqual([])
})

test('a user is subscribed while connected and a while longer, and leaves no state behind', () => {
  vi.useFakeTimers()
  const subscriptions = new PresenceSubscriptions()
  let subscribed: string[] = []
  const subscribe = (user: string) => {
    subscribed.push(user)
    return { unsubscribe: () => void subscribed.splice(subscribed.indexOf(user), 1) }
  }
  const tell = (connections: number, ...users: string[]) =>
    handlePresence(subscriptions, {
      type: 'delta',
      incarnation: 'i',
      seq: 1,
      changes: users.map(user => [user, connections]),
    })
  subscriptions.users.attach(subscribe)
  const many = Array.from({ length: 1_000 }, (_, n) => `user ${n}`)
  for (let round = 0; round < 3; round++) {
    tell(1, ...many)
    tell(2, ...many)
    expect(subscribed).toHaveLength(1_000)
    tell(0, ...many)
    tell(1, 'user 7')
    vi.advanceTimersByTime(9_000)
    expect(subscribed).toHaveLength(1_000)
    vi.advanceTimersByTime(1_100)
    expect(subscribed).toEqual(['user 7'])
  }
  // A user who leaves while the backbone is disconnected is not subscribed on reconnect.
  subscriptions.detach()
  subscribed = []
  tell(0, 'user 7')
  tell(1, 'Anna')
  vi.advanceTimersByTime(10_100)
  subscriptions.users.attach(subscribe)
  expect(subscribed).toEqual(['Anna'])
  // A user missing in a snapshot has left.
  const snapshot = { type: 'snapshot' as const, incarnation: 'i', seq: 2 }
  handlePresence(subscriptions, { ...snapshot, users: [['Billy', 1]], part: 0, more: true })
  handlePresence(subscriptions, { ...snapshot, users: [['Carla', 1]], part: 1, more: false })
  vi.advanceTimersByTime(10_100)
  expect(subscribed).toEqual(['Billy', 'Carla'])
  subscriptions.close()
  vi.useRealTimers()
})

describe('subscriptions to rooms', () => {
  let subscribed: string[] = []
  let subscriptions = new PresenceSubscriptions()
  const subscribe = (room: string) => {
    subscribed.push(room)
    return { unsubscribe: () => void subscribed.splice(subscribed.indexOf(room), 1) }
  }
  const frame = { incarnation: 'i', seq: 1 }
  const tell = (rooms: RoomChanges, changes: PresenceDelta['changes'] = []) =>
    handlePresence(subscriptions, { ...frame, type: 'delta', changes, rooms })
  /** After the time for which a subscription stays. */
  const subscribedLater = () => {
    vi.advanceTimersByTime(10_100)
    return [...subscribed].sort()
  }

  beforeEach(() => {
    vi.useFakeTimers()
    subscribed = []
    subscriptions = new PresenceSubscriptions()
    subscriptions.rooms.attach(subscribe)
  })
  afterEach(() => {
    subscriptions.close()
    vi.useRealTimers()
  })

  test('a room is subscribed once, while it has members, and a while longer', () => {
    tell([['#ops', ['Anna', 'Billy'], []]])
    tell([['#ops', ['Carla'], ['Anna']]])
    expect(subscribed).toEqual(['#ops'])
    tell([['#ops', [], ['Billy']]])
    expect(subscribedLater()).toEqual(['#ops'])
    tell([['#ops', [], ['Carla']]])
    vi.advanceTimersByTime(9_000)
    expect(subscribed).toEqual(['#ops'])
    expect(subscribedLater()).toEqual([])
    // Who joins in time keeps the subscription.
    tell([['#ops', ['Anna'], []]])
    tell([['#ops', [], ['Anna']]])
    tell([['#ops', ['Anna'], []]])
    expect(subscribedLater()).toEqual(['#ops'])
  })

  test('a user without connections has left all rooms', () => {
    tell([
      ['#dev', ['Anna'], []],
      ['#ops', ['Anna', 'Billy'], []],
    ])
    tell([], [['Anna', 0]])
    expect(subscribedLater()).toEqual(['#ops'])
    // Reconnected and joined in one turn: memberships apply after users.
    tell([['#ops', ['Billy'], []]], [['Billy', 0]])
    expect(subscribedLater()).toEqual(['#ops'])
  })

  test('a snapshot replaces the memberships when it is complete', () => {
    tell([
      ['#dev', ['Anna'], []],
      ['#ops', ['Anna', 'Billy'], []],
    ])
    const snapshot = { ...frame, type: 'snapshot' as const, users: [] }
    handlePresence(subscriptions, { ...snapshot, rooms: [['#ops', ['Billy']]], part: 0, more: true })
    expect(subscribedLater()).toEqual(['#dev', '#ops'])
    handlePresence(subscriptions, { ...snapshot, rooms: [['#new', ['Billy']]], part: 1, more: false })
    expect(subscribedLater()).toEqual(['#new', '#ops'])
    tell([['#ops', [], ['Billy']]])
    expect(subscribedLater()).toEqual(['#new'])
    handlePresence(subscriptions, { ...snapshot, more: false })
    expect(subscribedLater()).toEqual([])
  })

  test('after a reconnect all rooms are subscribed again, as they are then', () => {
    tell([
      ['#dev', ['Anna'], []],
      ['#ops', ['Anna'], []],
    ])
    subscriptions.detach()
    subscribed = []
    tell([
      ['#dev', [], ['Anna']],
      ['#new', ['Anna'], []],
    ])
    vi.advanceTimersByTime(10_100)
    expect(subscribed).toEqual([])
    subscriptions.rooms.attach(subscribe)
    expect(subscribedLater()).toEqual(['#new', '#ops'])
  })
})
