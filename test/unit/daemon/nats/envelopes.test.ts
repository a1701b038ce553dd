/** Links over NATS: sequence numbers, signatures, batches and subscriptions. */
import { expect, test, vi } from 'vitest'
import { EnvelopeMac } from '../../../../daemon/links/nats/envelope-mac.ts'
import { NatsLink } from '../../../../daemon/links/nats/nats-link.ts'
import { OutboundBatch } from '../../../../daemon/links/nats/outbound-batch.ts'
import { UserSubscriptions } from '../../../../daemon/links/nats/user-subscriptions.ts'
import type { ForwardedMessage, PresenceDelta } from '../../../../src/protocol/frames.ts'

const link = (n: number) => new NatsLink(n, `link ${n}`, { id: `server-${n}`, incarnation: `i${n}` }, 'acceptor', true)

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
})

test('a batch publishes shared frames once, in the right order for each link', () => {
  const [one, two] = [link(1), link(2)]
  const batch = new OutboundBatch()
  const delta: PresenceDelta = { type: 'delta', incarnation: 'i', seq: 1, changes: [['Anna', 1]] }
  const message = (number: number): ForwardedMessage => [number, `m${number}`, 1, 'Anna', 'Billy', 'hi']
  const [first, second, third] = [message(1), message(2), message(3)]
  batch.add(one, { event: 'goodbye', payload: null })
  batch.add(one, { event: 'forward', payload: [second, third] })
  batch.add(one, { event: 'presence', payload: delta })
  batch.add(two, { event: 'presence', payload: delta })
  // An equal but different object is for one link only.
  batch.add(two, { event: 'presence', payload: { ...delta } })
  batch.add(two, { event: 'forward', payload: [first, second] })
  const out = batch.drain().map(one => {
    if (one.to === 'users') return ['users', one.message[0], one.links.map(({ number }) => number)]
    return [one.to, one.frame.event, one.to === 'all' ? one.links.map(({ number }) => number) : one.link.number]
  })
  expect(out).toEqual([
    ['all', 'presence', [1, 2]],
    ['all', 'presence', [2]],
    ['users', 1, [2]],
    ['users', 2, [1, 2]],
    ['users', 3, [1]],
    ['link', 'goodbye', 1],
  ])
  expect(batch.drain()).toEqual([])
})

test('a user is subscribed while connected and a while longer, and leaves no state behind', () => {
  vi.useFakeTimers()
  const subscriptions = new UserSubscriptions()
  let subscribed: string[] = []
  const subscribe = (user: string) => {
    subscribed.push(user)
    return { unsubscribe: () => void subscribed.splice(subscribed.indexOf(user), 1) }
  }
  const tell = (connections: number, ...users: string[]) =>
    subscriptions.handlePresence({
      type: 'delta',
      incarnation: 'i',
      seq: 1,
      changes: users.map(user => [user, connections]),
    })
  subscriptions.attach(subscribe)
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
  subscriptions.attach(subscribe)
  expect(subscribed).toEqual(['Anna'])
  // A user missing in a snapshot has left.
  const snapshot = { type: 'snapshot' as const, incarnation: 'i', seq: 2 }
  subscriptions.handlePresence({ ...snapshot, users: [['Billy', 1]], more: true })
  subscriptions.handlePresence({ ...snapshot, users: [['Carla', 1]], more: false })
  vi.advanceTimersByTime(10_100)
  expect(subscribed).toEqual(['Billy', 'Carla'])
  subscriptions.close()
  vi.useRealTimers()
})
