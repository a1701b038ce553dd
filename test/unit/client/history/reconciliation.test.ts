import { describe, expect, test } from 'vitest'
import { MessageLog, NO_ARCHIVE } from '../../../../src/client/history/message-log.ts'
import {
  compareFrame,
  handleSiblingFrame,
  type SiblingFrame,
  siblingFrameSchema,
} from '../../../../src/client/history/reconciliation.ts'
import { MAX_PACKET_BYTES, type Message } from '../../../../src/protocol/messages.ts'
import { messageOf } from '../../../support/harness/session-harness.ts'
import { seeded } from '../../../support/random.ts'

const many = (count: number, make: (at: number) => Partial<Message> = at => ({ at })) =>
  Array.from({ length: count }, (_, at) => messageOf({ id: `${at}`, ...make(at) }))

function logOf(messages: readonly Message[]): MessageLog {
  const log = new MessageLog(NO_ARCHIVE)
  for (const message of messages) log.add(message)
  return log
}
const addTo = (log: MessageLog) => (messages: readonly Message[]) => {
  for (const message of messages) log.add(message)
}
const answers = (log: MessageLog, frame: SiblingFrame) => handleSiblingFrame(log, frame, addTo(log))

/** Lets two logs exchange frames until neither answers; returns the frames. */
function exchange(one: MessageLog, other: MessageLog): SiblingFrame[] {
  const frames: SiblingFrame[] = []
  const queue: { to: MessageLog; from: MessageLog; frame: SiblingFrame }[] = [
    { to: other, from: one, frame: compareFrame(one) },
  ]
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const { to, from, frame } = next
    expect(siblingFrameSchema.safeParse(frame).success).toBe(true)
    frames.push(frame)
    if (frames.length > 10_000) throw new Error('the exchange does not end')
    for (const answer of answers(to, frame)) queue.push({ to: from, from: to, frame: answer })
  }
  return frames
}

test('S6: equal fingerprints need no answer', () => {
  const messages = many(100)
  expect(answers(logOf(messages), compareFrame(logOf(messages)))).toEqual([])
})

test('S6: at most 50 messages of a differing range are sent in have', () => {
  const messages = many(50)
  expect(answers(logOf(messages), compareFrame(logOf([])))).toEqual([{ type: 'have', from: 0, messages }])
})

test('S6: more than 50 messages are split into 8 parts', () => {
  const [answer, ...others] = answers(logOf(many(51)), compareFrame(logOf([])))
  expect(others).toEqual([])
  expect(answer?.type).toBe('compare')
  expect(answer?.type === 'compare' ? answer.ranges : []).toHaveLength(8)
})

test('S6: messages with more than 200,000 units of text are split, though they are few', () => {
  const texts = many(2, at => ({ at, text: 'x'.repeat(100_001) }))
  expect(answers(logOf(texts), compareFrame(logOf([])))).toMatchObject([{ type: 'compare' }])
})

test('S6: messages that cannot be split are sent in tell', () => {
  const messages = many(60, () => ({ at: 7 }))
  const range = { from: 7, to: 8, count: 0, hash: '0' }
  expect(answers(logOf(messages), { type: 'compare', ranges: [range] })).toEqual([
    { type: 'tell', messages: logOf(messages).between(0) },
  ])
})

test('S6: have carries the end of its range', () => {
  const range = { from: 2, to: 4, count: 0, hash: '0' }
  expect(answers(logOf(many(10)), { type: 'compare', ranges: [range] })).toMatchObject([
    { type: 'have', from: 2, to: 4, messages: [{ id: '2' }, { id: '3' }] },
  ])
})

test('S7: have is answered with the messages that its sender lacks', () => {
  const messages = many(5)
  const log = logOf(messages.slice(2))
  expect(answers(log, { type: 'have', from: 0, messages: messages.slice(0, 3) })).toEqual([
    { type: 'tell', messages: messages.slice(3) },
  ])
  expect(log.size).toBe(5)
})

test('S7: have that lacks nothing needs no answer', () => {
  const messages = many(5)
  expect(answers(logOf(messages), { type: 'have', from: 0, messages })).toEqual([])
})

test('S7: have that lacks more than 50 messages is answered with parts', () => {
  expect(answers(logOf(many(60)), { type: 'have', from: 0, messages: [] })).toMatchObject([{ type: 'compare' }])
})

test('S7: with more than 1,000 own messages in the range, no text is read', () => {
  const messages = many(1_001)
  const archive = {
    ...NO_ARCHIVE,
    at: Float64Array.from(messages, ({ at }) => at),
    hashA: new Int32Array(1_001),
    hashB: new Int32Array(1_001),
    read: () => expect.unreachable('a text was read'),
  }
  const log = new MessageLog(archive)
  expect(answers(log, { type: 'have', from: 0, messages: [] })).toMatchObject([{ type: 'compare' }])
})

test('tell adds its messages and needs no answer', () => {
  const log = logOf([])
  expect(answers(log, { type: 'tell', messages: many(3) })).toEqual([])
  expect(log.size).toBe(3)
})

describe('S8: both sides end with the union', () => {
  const random = seeded(5)
  test.each([
    [0, 1],
    [10, 10],
    [300, 300],
    [5_000, 3],
    [3, 5_000],
  ])('of %d and %d messages, most of them shared', (ones, others) => {
    const all = many(ones + others, () => ({ at: Math.floor(random() * 1_000) }))
    const one = logOf(all.filter((_, at) => at < ones || random() < 0.9))
    const other = logOf(all.filter((_, at) => at >= ones || random() < 0.9))
    exchange(one, other)
    // A frame may be answered before another one has arrived: the next comparison completes the exchange.
    exchange(other, one)
    expect(one.fingerprint(0)).toEqual(logOf(all).fingerprint(0))
    expect(other.fingerprint(0)).toEqual(logOf(all).fingerprint(0))
  })
})

test('one missing message in 10,000 costs few frames, each of which fits a packet', () => {
  const messages = many(10_000)
  const frames = exchange(logOf(messages), logOf(messages.filter(({ id }) => id !== '1234')))
  expect(frames.length).toBeLessThan(10)
  for (const frame of frames) expect(JSON.stringify(frame).length).toBeLessThan(MAX_PACKET_BYTES / 10)
})
