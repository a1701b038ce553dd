import { describe, expect, test } from 'vitest'
import type { SessionEffect, StoredState } from '../../../../src/client/types.ts'
import { EPOCH_MS, effectsOf, eventsOf, messageOf, SessionHarness } from '../../../support/harness/session-harness.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

function started(stored: Partial<StoredState> = {}, wallOffset = 0): SessionHarness {
  const harness = new SessionHarness({}, stored)
  harness.wallOffset = wallOffset
  harness.step({ type: 'start' })
  return harness
}
function online(stored: Partial<StoredState> = {}, wallOffset = 0): SessionHarness {
  const harness = started(stored, wallOffset)
  harness.goOnline(['Anna', 'Billy'])
  return harness
}
const sent = (effects: readonly SessionEffect[]) => effectsOf(effects, 'im').map(({ message }) => message)
const sentTimes = (effects: readonly SessionEffect[]) => sent(effects).map(({ at }) => at - EPOCH_MS)
const redated = (effects: readonly SessionEffect[]) =>
  eventsOf(effects).flatMap(event => (event.type === 'redated' ? [event.message] : []))
const ahead = (time?: number) =>
  ({
    ok: false,
    code: 'clock-ahead',
    message: 'ahead',
    retryAfter: 60_000,
    ...(time === undefined ? {} : { time }),
  }) as const

describe('before the first connection', () => {
  test.each([10 * MINUTE_MS, -HOUR_MS])('M15: messages get their time once online; local clock %d ms ahead', skew => {
    const harness = started({}, skew)
    expect(effectsOf(harness.compose('Billy'), 'store-pending')).toMatchObject([{ provisional: true }])
    harness.now += 50
    harness.compose('Billy')
    harness.now += 50
    const effects = harness.goOnline(['Anna', 'Billy'])
    expect(sent(effects).map(({ id }) => id)).toEqual(['run.1.x', 'run.2.x'])
    expect(sentTimes(effects)).toEqual([0, 50])
    expect(redated(effects).map(({ at }) => at - EPOCH_MS)).toEqual([0, 50])
    const held = effectsOf(effects, 'store-pending')
    expect(held.map(({ message }) => message.at - EPOCH_MS)).toEqual([0, 50])
    expect(held.some(({ provisional }) => provisional)).toBe(false)
  })

  test('M15: such a message sorts after what its author has read on this machine', () => {
    const history = [messageOf({ at: EPOCH_MS + 5_000 })]
    const harness = started({ history }, -HOUR_MS)
    harness.compose('Billy')
    expect(sentTimes(harness.goOnline(['Anna', 'Billy']))).toEqual([5_000 + 1 / 1024])
  })

  test('M16: a provisional message of an earlier run is dated again, one without the mark is not', () => {
    const provisional = { ...messageOf({ id: 'old.1', from: 'Anna', to: 'Billy', at: EPOCH_MS - DAY_MS }) }
    const accepted = { ...provisional, id: 'old.2' }
    const harness = started({ outbox: [{ ...provisional, provisional: true }, accepted] })
    expect(harness.session.messages.map(({ id }) => id)).toEqual(['old.2'])
    const effects = harness.goOnline(['Anna', 'Billy'])
    expect(sent(effects).map(({ id, at }) => [id, at - EPOCH_MS])).toEqual([
      ['old.1', 0],
      ['old.2', -DAY_MS],
    ])
  })

  test('a message composed in a later time without a connection keeps its time', () => {
    const harness = online()
    harness.step({ type: 'closed', dial: harness.dial, reason: 'gone' })
    harness.compose('Billy')
    harness.advance(harness.session.deadline - harness.now)
    expect(sentTimes(harness.goOnline(['Anna', 'Billy']))).toEqual([0])
  })
})

describe('a message that no server has accepted', () => {
  /** The server's clock was an hour ahead when this client connected. */
  function misled(): SessionHarness {
    const harness = started()
    harness.goOnline(['Anna', 'Billy'], { time: EPOCH_MS + HOUR_MS })
    return harness
  }

  test('M17: is dated again after `clock-ahead`, in the order of composition', () => {
    const harness = misled()
    harness.compose('Billy', 'one')
    harness.compose('Billy', 'two')
    const effects = [...harness.answer('run.1.x', ahead(EPOCH_MS)), ...harness.answer('run.2.x', ahead(EPOCH_MS))]
    expect(sent(effects).map(({ id, at }) => [id, at - EPOCH_MS])).toEqual([
      ['run.1.x', 0],
      ['run.2.x', 1 / 1024],
    ])
    expect(eventsOf(effects)).toContainEqual(
      expect.objectContaining({ progress: { state: 'waiting', reason: 'clock-ahead' } }),
    )
    expect(sentTimes(harness.compose('Billy', 'three'))).toEqual([2 / 1024])
  })

  test('M17: is dated again when the server tells another time', () => {
    const harness = misled()
    harness.compose('Billy')
    harness.answer('run.1.x', { ok: false, code: 'rate-limited', message: 'slow', retryAfter: 5_000 })
    const effects = harness.step({ type: 'time', dial: harness.dial, time: EPOCH_MS })
    expect(redated(effects)).toMatchObject([{ id: 'run.1.x', at: EPOCH_MS }])
  })

  test('M17: after `clock-ahead` of a server of 0.1 the client connects again, once nothing is in flight', () => {
    const harness = misled()
    harness.compose('Billy', 'one')
    harness.compose('Billy', 'two')
    expect(effectsOf(harness.answer('run.1.x', ahead()), 'hang-up')).toEqual([])
    expect(effectsOf(harness.answer('run.2.x', ahead()), 'hang-up')).toHaveLength(1)
    harness.advance(harness.session.deadline - harness.now)
    const effects = harness.goOnline(['Anna', 'Billy'])
    expect(sent(effects).map(({ id }) => id)).toEqual(['run.1.x', 'run.2.x'])
    expect(Math.max(...sentTimes(effects))).toBeLessThan(MINUTE_MS)
  })

  test('a server that tells another time with each answer is asked once per second', () => {
    const harness = misled()
    harness.compose('Billy')
    expect(sent(harness.answer('run.1.x', ahead(EPOCH_MS)))).toHaveLength(1)
    expect(sent(harness.answer('run.1.x', ahead(EPOCH_MS - HOUR_MS)))).toEqual([])
    expect(sent(harness.advance(1_000))).toHaveLength(1)
  })

  test('M18: a message that a server may have accepted keeps its time', () => {
    const harness = misled()
    harness.compose('Billy', 'lost in flight')
    harness.compose('Billy', 'copied')
    harness.receive(
      messageOf({ id: 'run.2.x', from: 'Anna', to: 'Billy', text: 'copied', at: EPOCH_MS + HOUR_MS + 1 / 1024 }),
    )
    harness.step({ type: 'closed', dial: harness.dial, reason: 'gone' })
    expect(harness.session.messages.map(({ text }) => text)).toEqual(['lost in flight', 'copied'])
    harness.advance(harness.session.deadline - harness.now)
    expect(sentTimes(harness.goOnline(['Anna', 'Billy']))).toEqual([HOUR_MS, HOUR_MS + 1 / 1024])
    const effects = harness.answer('run.1.x', ahead(EPOCH_MS + harness.now))
    expect(sent(effects)).toEqual([])
    expect(redated(effects)).toEqual([])
  })
})

describe('a clock of this machine that is wrong by years', () => {
  const YEARS_MS = 5_000 * DAY_MS

  test.each([YEARS_MS, -YEARS_MS])('C20: the second answer decides; %d ms ahead', skew => {
    const harness = started({}, skew)
    harness.compose('Billy')
    harness.goOnline(['Anna', 'Billy'])
    expect(harness.session.meshTimeOffset).toBeUndefined()
    const effects = harness.goOnline(['Anna', 'Billy'])
    expect(sentTimes(effects)).toEqual([0])
    const delivered = harness.answer('run.1.x', { ok: true, delivered: 1 })
    expect(effectsOf(delivered, 'store')).toMatchObject([{ message: { at: EPOCH_MS } }])
    expect(eventsOf(effects)).toContainEqual({ type: 'clock-wrong', ahead: skew })
    harness.step({ type: 'closed', dial: harness.dial, reason: 'gone' })
    harness.advance(harness.session.deadline - harness.now)
    const again = harness.goOnline(['Anna', 'Billy'])
    expect(harness.session.meshTimeOffset).toBeDefined()
    expect(eventsOf(again).some(({ type }) => type === 'clock-wrong')).toBe(false)
  })

  test('M19: messages that a server with a time of years ahead has accepted are dated again elsewhere', () => {
    const harness = started()
    harness.compose('Billy')
    for (let n = 0; n < 2; n++) harness.goOnline(['Anna', 'Billy'], { time: EPOCH_MS + YEARS_MS })
    harness.answer('run.1.x', { ok: true, delivered: 0 })
    expect(harness.session.messages).toEqual([])
    harness.step({ type: 'closed', dial: harness.dial, reason: 'gone' })
    harness.advance(harness.session.deadline - harness.now)
    const effects = [...harness.goOnline(['Anna', 'Billy']), ...harness.advance(1_000)]
    expect(sentTimes(effects)[0]).toBeLessThan(MINUTE_MS)
  })
})
