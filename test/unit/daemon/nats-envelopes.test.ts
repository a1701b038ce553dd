/** What a link over the backbone rests on: numbers, signatures, and what a turn brings together. */
import { expect, test, vi } from 'vitest'
import { EnvelopeMac } from '../../../daemon/links/nats/envelope-mac.ts'
import { NatsLink } from '../../../daemon/links/nats/nats-link.ts'
import { OutboundBatch } from '../../../daemon/links/nats/outbound-batch.ts'
import { UserSubscriptions } from '../../../daemon/links/nats/user-subscriptions.ts'
import type { ForwardedMessage, PresenceDelta } from '../../../src/protocol/frames.ts'

const link = (n: number) => new NatsLink(n, `link ${n}`, { id: `server-${n}`, incarnation: `i${n}` }, 'acceptor')

test('an envelope comes next, or again, or shows that one is missing', () => {
  const one = link(1)
  expect([1, 2, 2, 1, 3].map(n => one.acceptSequence(n))).toEqual(['next', 'next', 'repeated', 'repeated', 'next'])
  expect(one.acceptSequence(5)).toBe('missing')
  // It stays missing, whatever comes.
  expect(one.acceptSequence(6)).toBe('missing')
  expect([one.nextSequence(), one.nextSequence()]).toEqual([1, 2])
})

test('words to all are heard once the link is open, and never again', () => {
  const one = link(1)
  expect(one.acceptBroadcast(1)).toBe(false)
  one.lastBroadcast = 4
  expect([4, 3, 5, 5, 9].map(n => one.acceptBroadcast(n))).toEqual([false, false, true, false, true])
})

test('a frame in parts is whole with its last part; one without end is not kept', () => {
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

test('what is signed is good for its subject, its secret and its text alone', () => {
  const [seal, other] = [new EnvelopeMac('one secret of the mesh'), new EnvelopeMac('another secret of it')]
  const signed = seal.sign('a', '{"text":"✓"}')
  expect(seal.verify('a', signed)).toBe('{"text":"✓"}')
  expect(seal.verify('b', signed)).toBeUndefined()
  expect(other.verify('a', signed)).toBeUndefined()
  for (const at of [0, 31, 32, signed.length - 1]) {
    const changed = Buffer.from(signed)
    changed[at] = (changed[at] ?? 0) ^ 1
    expect(seal.verify('a', changed)).toBeUndefined()
  }
  expect(seal.verify('a', signed.subarray(0, 20))).toBeUndefined()
  expect(seal.alias('Anna')).not.toBe(other.alias('Anna'))
  expect(seal.alias('Anna')).not.toContain('Anna')
})

test('a turn says once what is for many, in an order that is right for each', () => {
  const [one, two] = [link(1), link(2)]
  const turn = new OutboundBatch()
  const delta: PresenceDelta = { type: 'delta', incarnation: 'i', seq: 1, changes: [['Anna', 1]] }
  const message = (number: number): ForwardedMessage => [number, `m${number}`, 1, 'Anna', 'Billy', 'hi']
  const [first, second, third] = [message(1), message(2), message(3)]
  turn.add(one, { event: 'goodbye', payload: null })
  turn.add(one, { event: 'forward', payload: [second, third] })
  turn.add(one, { event: 'presence', payload: delta })
  turn.add(two, { event: 'presence', payload: delta })
  // Alike, and yet not the same: for one link only.
  turn.add(two, { event: 'presence', payload: { ...delta } })
  turn.add(two, { event: 'forward', payload: [first, second] })
  const out = turn.drain().map(one => {
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
  expect(turn.drain()).toEqual([])
})

test('users are listened for while they are here and a while longer, and nothing is kept of them', () => {
  vi.useFakeTimers()
  const interest = new UserSubscriptions()
  let listening: string[] = []
  const subscribe = (user: string) => {
    listening.push(user)
    return { unsubscribe: () => void listening.splice(listening.indexOf(user), 1) }
  }
  const tell = (connections: number, ...users: string[]) =>
    interest.handlePresence({
      type: 'delta',
      incarnation: 'i',
      seq: 1,
      changes: users.map(user => [user, connections]),
    })
  interest.attach(subscribe)
  const many = Array.from({ length: 1_000 }, (_, n) => `user ${n}`)
  for (let round = 0; round < 3; round++) {
    tell(1, ...many)
    tell(2, ...many)
    expect(listening).toHaveLength(1_000)
    tell(0, ...many)
    tell(1, 'user 7')
    vi.advanceTimersByTime(9_000)
    expect(listening).toHaveLength(1_000)
    vi.advanceTimersByTime(1_100)
    expect(listening).toEqual(['user 7'])
  }
  // Who leaves while there is no backbone is not listened for when there is one again.
  interest.detach()
  listening = []
  tell(0, 'user 7')
  tell(1, 'Anna')
  vi.advanceTimersByTime(10_100)
  interest.attach(subscribe)
  expect(listening).toEqual(['Anna'])
  // Whom a whole roster does not name has left.
  const snapshot = { type: 'snapshot' as const, incarnation: 'i', seq: 2 }
  interest.handlePresence({ ...snapshot, users: [['Billy', 1]], more: true })
  interest.handlePresence({ ...snapshot, users: [['Carla', 1]], more: false })
  vi.advanceTimersByTime(10_100)
  expect(listening).toEqual(['Billy', 'Carla'])
  interest.close()
  vi.useRealTimers()
})
