import { expect, test } from 'vitest'
import { LateMessages } from '../../../src/client/history/late-messages.ts'
import {
  archiveOf,
  EPOCH_MS,
  effectsOf,
  eventsOf,
  messageOf,
  SessionHarness,
} from '../../support/harness/session-harness.ts'

const WALL = 1_700_000_000_000
const received = (at: number, from = 'Billy') => ({ id: `${at}`, at, from, to: 'Anna', text: '' })
const sent = (at: number) => ({ id: `${at}`, at, from: 'Anna', to: 'Billy', text: '' })

function build(...observed: readonly ReturnType<typeof received>[]): LateMessages {
  const late = new LateMessages('Anna')
  for (const message of observed) late.observe(message)
  return late
}

test('a message that is older than a minute when it arrives is late', () => {
  expect(build().isLate(received(WALL - 60_000), WALL)).toBe(false)
  expect(build().isLate(received(WALL - 60_001), WALL)).toBe(true)
})

test('a message that is dated before one that the same user has sent is late', () => {
  const late = build(received(WALL - 1_000), received(WALL - 2_000))
  expect(late.isLate(received(WALL - 1_001), WALL)).toBe(true)
  expect(late.isLate(received(WALL - 999), WALL)).toBe(false)
  expect(late.isLate(received(WALL - 1_001, 'Carla'), WALL)).toBe(false)
})

test('a message that is dated before the own message that it answers is late; one that crossed it is not', () => {
  const late = build(sent(WALL))
  expect(late.isLate(received(WALL - 5_001), WALL)).toBe(true)
  expect(late.isLate(received(WALL - 5_000), WALL)).toBe(false)
})

test('own messages are never late', () => {
  expect(build(sent(WALL)).isLate(sent(1), WALL)).toBe(false)
})

test('at most 10,000 threads are remembered', () => {
  const late = build()
  for (let n = 0; n < 10_100; n++) late.observe(received(WALL, `user ${n}`))
  expect(late.size).toBe(10_000)
  expect(late.isLate(received(WALL - 1, 'user 0'), WALL)).toBe(false)
  expect(late.isLate(received(WALL - 1, 'user 10099'), WALL)).toBe(true)
})

test('a message that is dated before one that was read in an earlier run is late, and stored as late', () => {
  const harness = new SessionHarness({}, { archive: archiveOf([messageOf({ at: EPOCH_MS - 1_000 })]) })
  harness.step({ type: 'start' })
  harness.goOnline()
  const forged = messageOf({ id: 'b.2', at: EPOCH_MS - 2_000 })
  const effects = harness.receive(forged)
  expect(effectsOf(effects, 'store')).toEqual([{ type: 'store', message: forged, late: true }])
  expect(eventsOf(effects)).toContainEqual({ type: 'message', message: forged, origin: 'live', late: true })
})
