import { expect, test } from 'vitest'
import { MAX_PENDING_MESSAGES, Outbox } from '../../../../src/client/messages/outbox.ts'
import type { Fate } from '../../../../src/protocol/messages.ts'
import { messageOf } from '../../../support/harness/session-harness.ts'

const NEVER = Number.POSITIVE_INFINITY
const DELIVERED: Fate = { ok: true, delivered: 2 }
const OFFLINE: Fate = { ok: true, delivered: 0 }
const UNCONFIRMED: Fate = { ok: true, delivered: 0, unconfirmed: true }

function outboxWith(...ids: string[]): Outbox {
  const outbox = new Outbox()
  ids.forEach((id, at) => {
    outbox.add(messageOf({ id, at, from: 'Anna', to: 'Billy' }))
  })
  return outbox
}
const idsOf = (messages: readonly { id: string }[]) => messages.map(({ id }) => id)

test('a new message is due at once, and only once', () => {
  const outbox = outboxWith('1')
  expect(outbox.deadline).toBe(0)
  expect(idsOf(outbox.takeDue(0))).toEqual(['1'])
  expect(outbox.takeDue(0)).toEqual([])
})

test('C7: a confirmed message leaves the outbox', () => {
  const outbox = outboxWith('1')
  outbox.takeDue(0)
  const result = outbox.handleFate('1', DELIVERED, true, 10)
  expect(result).toEqual({ done: true, progress: { state: 'delivered', connections: 2 } })
  expect(outbox.messages()).toEqual([])
  expect(outbox.deadline).toBe(NEVER)
})

test('C7: a rejected message leaves the outbox', () => {
  const outbox = outboxWith('1')
  outbox.takeDue(0)
  const result = outbox.handleFate('1', { ok: false, code: 'text-too-long', message: 'too long' }, true, 10)
  expect(result).toEqual({ done: true, progress: { state: 'refused', code: 'text-too-long', message: 'too long' } })
  expect(outbox.messages()).toEqual([])
})

test('C7: a message that some connections confirmed is delivered but stays in the outbox', () => {
  const outbox = outboxWith('1')
  outbox.takeDue(0)
  const result = outbox.handleFate('1', { ok: true, delivered: 1, unconfirmed: true }, true, 10)
  expect(result).toEqual({ done: false, progress: { state: 'delivered', connections: 1 } })
  expect(idsOf(outbox.messages())).toEqual(['1'])
  expect(outbox.deadline).toBe(1_010)
})

test('C8: a message to an offline recipient waits until the recipient comes online', () => {
  const outbox = outboxWith('1')
  outbox.takeDue(0)
  const result = outbox.handleFate('1', OFFLINE, false, 10)
  expect(result).toEqual({ done: false, progress: { state: 'waiting', reason: 'recipient-offline' } })
  expect(outbox.deadline).toBe(NEVER)
  outbox.reschedule('Carla')
  expect(outbox.takeDue(20)).toEqual([])
  outbox.reschedule('Billy')
  expect(idsOf(outbox.takeDue(20))).toEqual(['1'])
})

test('C8: a message is retried if its recipient came online meanwhile', () => {
  const outbox = outboxWith('1')
  outbox.takeDue(0)
  const result = outbox.handleFate('1', OFFLINE, true, 10)
  expect(result).toEqual({ done: false, progress: { state: 'waiting', reason: 'unconfirmed' } })
  expect(outbox.deadline).toBe(1_010)
})

test('C8: an unconfirmed message is retried after 1 s, doubling to 60 s', () => {
  const outbox = outboxWith('1')
  const delays: number[] = []
  let now = 0
  for (let attempt = 0; attempt < 8; attempt++) {
    outbox.takeDue(now)
    outbox.handleFate('1', UNCONFIRMED, false, now)
    delays.push(outbox.deadline - now)
    now = outbox.deadline
  }
  expect(delays).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000])
})

test('C9: at most 64 messages are in flight', () => {
  const outbox = outboxWith(...Array.from({ length: 70 }, (_, at) => `${at}`))
  expect(outbox.takeDue(0)).toHaveLength(64)
  expect(outbox.takeDue(0)).toEqual([])
  expect(outbox.deadline).toBe(8_000)
  outbox.handleFate('0', DELIVERED, true, 10)
  expect(outbox.deadline).toBe(0)
  expect(idsOf(outbox.takeDue(10))).toEqual(['64'])
})

test('C10: a message without an answer is overdue after 8 s', () => {
  const outbox = outboxWith('1')
  outbox.takeDue(100)
  expect(outbox.deadline).toBe(8_100)
  expect(outbox.hasOverdue(8_099)).toBe(false)
  expect(outbox.hasOverdue(8_100)).toBe(true)
})

test('C11: after rate-limited, no message is sent before retryAfter', () => {
  const outbox = outboxWith('1')
  outbox.takeDue(0)
  outbox.add(messageOf({ id: '2', to: 'Carla' }))
  const refusal: Fate = { ok: false, code: 'rate-limited', message: 'slow down', retryAfter: 250 }
  expect(outbox.handleFate('1', refusal, true, 10)?.done).toBe(false)
  expect(outbox.takeDue(259)).toEqual([])
  expect(outbox.deadline).toBe(260)
  expect(idsOf(outbox.takeDue(260))).toEqual(['1', '2'])
})

test('C7: a rejection with retryAfter keeps the message', () => {
  const outbox = outboxWith('1')
  outbox.takeDue(0)
  outbox.handleFate('1', { ok: false, code: 'clock-ahead', message: 'ahead', retryAfter: 3_000 }, true, 10)
  expect(outbox.deadline).toBe(3_010)
})

test.each(['draining', 'not-identified'] as const)('C7: a rejection with %s keeps the message', code => {
  const outbox = outboxWith('1')
  outbox.takeDue(0)
  const result = outbox.handleFate('1', { ok: false, code, message: '' }, true, 10)
  expect(result).toEqual({ done: false, progress: { state: 'waiting', reason: 'unconfirmed' } })
  expect(outbox.deadline).toBe(1_010)
})

test('C8: after a disconnect everything is due at once, and the messages in flight are returned', () => {
  const outbox = outboxWith('1', '2')
  outbox.takeDue(0)
  outbox.handleFate('2', OFFLINE, false, 10)
  expect(idsOf(outbox.requeueInFlight())).toEqual(['1'])
  expect(outbox.deadline).toBe(0)
  expect(idsOf(outbox.takeDue(20))).toEqual(['1', '2'])
})

test('C9: after a disconnect, 64 messages can be in flight again', () => {
  const outbox = outboxWith(...Array.from({ length: 100 }, (_, at) => `${at}`))
  outbox.takeDue(0)
  outbox.requeueInFlight()
  expect(outbox.takeDue(0)).toHaveLength(64)
})

test('a disconnect ends the pause of a rate limit', () => {
  const outbox = outboxWith('1')
  outbox.takeDue(0)
  outbox.handleFate('1', { ok: false, code: 'rate-limited', message: '', retryAfter: 9_000 }, true, 10)
  outbox.requeueInFlight()
  expect(idsOf(outbox.takeDue(20))).toEqual(['1'])
})

test('a result is ignored for a message that is not in flight', () => {
  const outbox = outboxWith('1')
  expect(outbox.handleFate('1', DELIVERED, true, 10)).toBeUndefined()
  expect(outbox.handleFate('unknown', DELIVERED, true, 10)).toBeUndefined()
  expect(idsOf(outbox.messages())).toEqual(['1'])
})

test('a deferred message is not in flight and does not count as an attempt', () => {
  const outbox = outboxWith('1')
  outbox.takeDue(0)
  outbox.defer('1', 500)
  expect(outbox.deadline).toBe(500)
  expect(outbox.takeDue(499)).toEqual([])
  outbox.takeDue(500)
  outbox.handleFate('1', UNCONFIRMED, true, 500)
  expect(outbox.deadline).toBe(1_500)
})

test('the number of messages in flight returns to 0, whatever happens to them', () => {
  const outbox = outboxWith(...Array.from({ length: 64 }, (_, at) => `${at}`))
  const endings: ((id: string) => unknown)[] = [
    id => outbox.handleFate(id, DELIVERED, true, 0),
    id => outbox.handleFate(id, { ok: false, code: 'bad-name', message: '' }, true, 0),
    id => outbox.handleFate(id, UNCONFIRMED, true, 0),
    id => outbox.defer(id, NEVER),
  ]
  outbox.takeDue(0).forEach(({ id }, at) => {
    endings[at % endings.length]?.(id)
    // Twice: the second time changes nothing.
    endings[at % endings.length]?.(id)
  })
  for (let n = 0; n < 100; n++) outbox.add(messageOf({ id: `new ${n}`, to: 'Carla' }))
  expect(outbox.takeDue(0)).toHaveLength(64)
})

test('the outbox is full with 10,000 messages', () => {
  const outbox = new Outbox()
  for (let n = 1; n < MAX_PENDING_MESSAGES; n++) outbox.add(messageOf({ id: `${n}` }))
  expect(outbox.isFull).toBe(false)
  outbox.add(messageOf({ id: 'last' }))
  expect(outbox.isFull).toBe(true)
})

test('messages are listed in the order of their times', () => {
  const outbox = new Outbox()
  outbox.add(messageOf({ id: 'b', at: 2 }))
  outbox.add(messageOf({ id: 'c', at: 1 }))
  outbox.add(messageOf({ id: 'a', at: 2 }))
  expect(idsOf(outbox.messages())).toEqual(['c', 'a', 'b'])
})
