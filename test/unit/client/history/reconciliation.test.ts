import { describe, expect, test } from 'vitest'
import { MessageLog, NO_ARCHIVE } from '../../../../src/client/history/message-log.ts'
import {
  compareFrame,
  handleSiblingFrame,
  type SiblingFrame,
  siblingFrameSchema,
} from '../../../../src/client/history/reconciliation.ts'
import { MAX_PACKET_BYTES, type Message } from '../../../../src/protocol/messages.ts'
import { archiveOf, messageOf } from '../../../support/harness/session-harness.ts'
import { Random } from '../../../support/random.ts'

/** The earliest time of messages here. */
const T0 = 1_700_000_000_000
const many = (count: number, make: (at: number) => Partial<Message> = at => ({ at: T0 + at })) =>
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

/** A frame as a client of 0.1 sends it and reads it: without the fields that are newer. */
function asEarlier(frame: SiblingFrame): SiblingFrame {
  const text = JSON.stringify(frame, (key, value) => (/^(byHash|fromHash|toHash)$/.test(key) ? undefined : value))
  return siblingFrameSchema.parse(JSON.parse(text))
}
const asSent = (frame: SiblingFrame): SiblingFrame => siblingFrameSchema.parse(JSON.parse(JSON.stringify(frame)))

/** More frames than any exchange of these tests needs: an exchange with more does not end. */
const MAX_FRAMES = 5_000

/**
 * Lets two logs exchange frames until neither answers; returns the frames.
 * @param convert what the network does to a frame
 */
function exchange(one: MessageLog, other: MessageLog, convert = asSent): SiblingFrame[] {
  const frames: SiblingFrame[] = []
  const queue: { to: MessageLog; from: MessageLog; frame: SiblingFrame }[] = [
    { to: other, from: one, frame: compareFrame(one) },
  ]
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const { to, from, frame } = next
    expect(JSON.stringify(frame).length).toBeLessThan(MAX_PACKET_BYTES / 2)
    frames.push(frame)
    if (frames.length > MAX_FRAMES) throw new Error('the exchange does not end')
    for (const answer of answers(to, convert(frame))) queue.push({ to: from, from: to, frame: answer })
  }
  return frames
}

test('S6: equal fingerprints need no answer', () => {
  const messages = many(100)
  expect(answers(logOf(messages), compareFrame(logOf(messages)))).toEqual([])
})

test('S6: at most 50 messages of a differing range are sent in have', () => {
  const messages = many(50)
  expect(answers(logOf(messages), compareFrame(logOf([])))).toEqual([{ type: 'have', byHash: true, from: 0, messages }])
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

test('S6: to a client of 0.1, messages of one time are sent in tell', () => {
  const messages = many(60, () => ({ at: T0 + 7 }))
  const range = { from: T0 + 7, to: T0 + 8, count: 0, hash: '0' }
  expect(answers(logOf(messages), { type: 'compare', ranges: [range] })).toEqual([
    { type: 'tell', messages: logOf(messages).between({ from: 0 }) },
  ])
})

test('S6: to a client of 0.1, many long messages of one time are sent in frames that fit, up to 2,000,000 units', () => {
  const messages = many(60, () => ({ at: T0, text: 'x'.repeat(90_000) }))
  const frames = answers(logOf(messages), { type: 'have', from: T0, messages: [] })
  expect(frames.map(({ type }) => type)).toEqual(Array(11).fill('tell'))
  for (const frame of frames) expect(frame.type === 'tell' ? frame.messages : []).toHaveLength(2)
})

test('S6: messages of one time are split by their hashes', () => {
  const log = logOf(many(60, () => ({ at: T0 })))
  const [answer] = answers(log, compareFrame(logOf([])))
  const ranges = answer?.type === 'compare' ? answer.ranges : []
  expect(ranges).toHaveLength(8)
  expect(ranges.reduce((sum, { count }) => sum + count, 0)).toBe(60)
  expect(ranges[1]).toMatchObject({ from: T0, to: T0, fromHash: ranges[0]?.toHash, toHash: ranges[2]?.fromHash })
  for (const { count } of ranges) expect(count).toBeLessThan(10)
})

test('a frame with many ranges costs a bounded amount of text', () => {
  const log = logOf(many(50, () => ({ at: T0, text: 'x'.repeat(4_000) })))
  const range = { from: 0, count: 0, hash: 'x' }
  const frames = answers(log, { type: 'compare', byHash: true, ranges: Array(64).fill(range) })
  expect(frames).toHaveLength(10)
})

test('S6: have carries the end of its range', () => {
  const range = { from: T0 + 2, to: T0 + 4, count: 0, hash: '0' }
  expect(answers(logOf(many(10)), { type: 'compare', ranges: [range] })).toMatchObject([
    { type: 'have', from: T0 + 2, to: T0 + 4, messages: [{ id: '2' }, { id: '3' }] },
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
  /** How many different times the messages have. */
  const SPREADS = [1, 2, 7, 60, 1_000, 1_000_000]
  /** Numbers of messages that only the one and only the other has, and that both have. */
  const SIZES = [
    [0, 1, 0],
    [60, 0, 0],
    [60, 60, 0],
    [51, 1, 500],
    [300, 300, 300],
    [1_500, 3, 0],
    [3, 1_500, 1_200],
  ] as const

  test.each([
    ['a client of this version', asSent],
    ['a client of 0.1', asEarlier],
  ])('with %s, whatever the times and senders of the messages', (_, convert) => {
    const random = new Random(5)
    for (const spread of SPREADS) {
      for (const [ones, others, both] of SIZES) {
        const all = many(ones + others + both, at => ({
          // Several senders may choose the same id; some texts are long.
          id: `${at >> 1}`,
          from: at % 2 === 0 ? 'Billy' : 'Carla',
          at: T0 + random.below(spread) / 1024,
          text: random.chance(0.01) ? 'x'.repeat(30_000) : 'Hi',
        }))
        const one = logOf(all.filter((_, at) => at < ones || at >= ones + others))
        const other = logOf(all.filter((_, at) => at >= ones))
        exchange(one, other, convert)
        // A frame may be answered before another one has arrived: the next comparison completes the exchange.
        exchange(other, one, convert)
        const union = logOf(all).fingerprint({ from: 0 })
        expect(one.fingerprint({ from: 0 }), `${spread} times, ${ones}, ${others}, ${both}`).toEqual(union)
        expect(other.fingerprint({ from: 0 }), `${spread} times, ${ones}, ${others}, ${both}`).toEqual(union)
        expect(exchange(one, other, convert)).toHaveLength(1)
      }
    }
  })

  test('with an archive, whose messages of one time are in another order', () => {
    const messages = many(400, at => ({ at: T0 + (at >> 6) }))
    const stored = archiveOf(messages.filter((_, at) => at % 3 > 0))
    const one = new MessageLog(stored)
    for (const message of messages.filter((_, at) => at % 5 === 0)) one.add(message)
    const other = logOf(messages.filter((_, at) => at % 2 === 0))
    const union = new Set([...one.between({ from: 0 }), ...other.between({ from: 0 })].map(({ id }) => id))
    exchange(one, other)
    exchange(other, one)
    expect(one.size).toBe(union.size)
    expect(other.size).toBe(union.size)
  })

  test('with one message that is longer than a frame', () => {
    const [one, other] = [logOf(many(1, at => ({ at: T0 + at, text: 'x'.repeat(250_000) }))), logOf([])]
    exchange(one, other)
    expect(other.size).toBe(1)
  })
})

test('S15: an invalid message in a frame does not void the others', () => {
  const [good] = many(1)
  const bad = [{ ...good, at: 253_402_300_800_000 }, { ...good, at: -1 }, { ...good, from: '' }, null, 7]
  for (const type of ['tell', 'have']) {
    const frame = siblingFrameSchema.parse({ type, from: 0, messages: [bad[0], good, ...bad] })
    expect('messages' in frame ? frame.messages : []).toEqual([good])
  }
  const marks = [
    ['Billy', 253_402_300_800_000],
    ['Billy', T0],
    ['', T0],
  ]
  expect(siblingFrameSchema.parse({ type: 'read', marks })).toEqual({ type: 'read', marks: [['Billy', T0]] })
})

test('one missing message in 10,000 costs few frames, each of which fits a packet', () => {
  const messages = many(10_000)
  const frames = exchange(logOf(messages), logOf(messages.filter(({ id }) => id !== '1234')))
  expect(frames.length).toBeLessThan(10)
  for (const frame of frames) expect(JSON.stringify(frame).length).toBeLessThan(MAX_PACKET_BYTES / 10)
})
