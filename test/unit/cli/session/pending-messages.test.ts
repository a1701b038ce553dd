/** Waiting for the delivery results of the messages composed in one run. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { PendingMessages } from '../../../../cli/session/pending-messages.ts'
import type { Progress, RoomState, SessionEvent } from '../../../../src/client/events.ts'
import { SortedNames } from '../../../../src/common/sorted-names.ts'

let pending: PendingMessages

beforeEach(() => {
  vi.useFakeTimers()
  pending = new PendingMessages()
})
afterEach(() => void vi.useRealTimers())

const compose = (id: string, origin: 'composed' | 'live' = 'composed') => {
  const message = { id, at: 1, from: 'Anna', to: 'Billy', text: id }
  pending.handleEvent({ type: 'message', message, origin } satisfies SessionEvent)
}
const progress = (id: string, state: Progress) =>
  pending.handleEvent({ type: 'progress', id, to: 'Billy', progress: state })

const DELIVERED: Progress = { state: 'delivered', connections: 1 }

test('without messages there is nothing to wait for', async () => {
  expect(await pending.waitUntilSettled(1_000)).toBe(0)
  expect(vi.getTimerCount()).toBe(0)
})

test.each<[string, Progress]>([
  ['delivered', DELIVERED],
  ['refused', { state: 'refused', code: 'text-too-long', message: 'too long' }],
  ['waiting for an offline recipient', { state: 'waiting', reason: 'recipient-offline' }],
])('a message that is %s is settled', async (_, state) => {
  compose('one')
  progress('one', state)
  expect(await pending.waitUntilSettled(1_000)).toBe(0)
})

test.each<[string, Progress]>([
  ['sent', { state: 'sent' }],
  ['waiting for a server', { state: 'waiting', reason: 'offline' }],
  ['waiting for a confirmation', { state: 'waiting', reason: 'unconfirmed' }],
])('a message that is %s is pending until the timeout', async (_, state) => {
  compose('one')
  progress('one', state)
  const count = pending.waitUntilSettled(1_000)
  await vi.advanceTimersByTimeAsync(1_000)
  expect(await count).toBe(1)
})

test('the wait ends with the last result, and clears its timer', async () => {
  compose('one')
  compose('two')
  let count: number | undefined
  const wait = pending.waitUntilSettled(1_000).then(result => {
    count = result
  })
  progress('one', DELIVERED)
  await vi.advanceTimersByTimeAsync(1)
  expect(count).toBeUndefined()
  progress('two', DELIVERED)
  await wait
  expect(count).toBe(0)
  expect(vi.getTimerCount()).toBe(0)
})

test('being online is awaited, at most until the timeout', async () => {
  const early = pending.waitUntilOnline(1_000)
  await vi.advanceTimersByTimeAsync(1_000)
  expect(await early).toBe('timeout')
  const wait = pending.waitUntilOnline(1_000)
  pending.handleEvent({ type: 'connection', state: { phase: 'online', server: 'server-1', url: 'http://x' } })
  expect(await wait).toBe('online')
  expect(await pending.waitUntilOnline(1_000)).toBe('online')
  expect(vi.getTimerCount()).toBe(0)
})

test('messages of others and unknown ids do not count', async () => {
  compose('from Billy', 'live')
  progress('unknown', { state: 'sent' })
  expect(await pending.waitUntilSettled(1_000)).toBe(0)
})

const room = (state: RoomState) =>
  pending.handleEvent({
    type: 'room',
    room: '#ops',
    state,
    members: new SortedNames(),
    info: {},
    joined: [],
    left: [],
  })

test('requests about rooms are waited for, and are no messages', async () => {
  pending.handleRequest({ type: 'join', room: '#ops' })
  room({ state: 'waiting' })
  pending.handleRequest({ type: 'list-rooms' })
  let count: number | undefined
  const wait = pending.waitUntilSettled(1_000).then(result => {
    count = result
  })
  room({ state: 'joined' })
  await vi.advanceTimersByTimeAsync(1)
  expect(count).toBeUndefined()
  pending.handleEvent({ type: 'room-list', rooms: [], total: 0 })
  await wait
  expect(count).toBe(0)
  pending.handleRequest({ type: 'join', room: '#ops' })
  expect(await pending.waitUntilSettled(0)).toBe(0)
  expect(vi.getTimerCount()).toBe(0)
})

test('being online is not awaited if no server has answered', async () => {
  pending.handleEvent({ type: 'notice', code: 'started-offline', text: 'no server', isWarning: true })
  expect(await pending.waitUntilOnline(1_000)).toBe('no-server')
})

test('a message that is taken back is settled', async () => {
  compose('one')
  pending.handleEvent({ type: 'cancelled', message: { id: 'one', at: 1, from: 'Anna', to: 'Billy', text: 'one' } })
  expect(await pending.waitUntilSettled(1_000)).toBe(0)
})
