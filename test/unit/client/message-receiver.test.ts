import { describe, expect, test } from 'vitest'
import type { SessionEffect, StoredState } from '../../../src/client/types.ts'
import { EPOCH_MS, effectsOf, eventsOf, messageOf, SessionHarness } from '../../support/session-harness.ts'
import { PlainIdentity } from '../../support/simulation/plain-identity.ts'

const anna = new PlainIdentity('Anna')
const billy = new PlainIdentity('Billy')
const other = new PlainIdentity('Billy 2')

function online(stored: Partial<StoredState> = {}): SessionHarness {
  const harness = new SessionHarness({}, stored)
  harness.step({ type: 'start' })
  harness.goOnline(['Anna', 'Billy'])
  return harness
}
function onlineWithKey(known: Record<string, string>): SessionHarness {
  const harness = new SessionHarness({}, { keys: new Map(Object.entries(known)) })
  harness.step({ type: 'start' })
  harness.goOnlineWithKey(anna, ['Anna', 'Billy'])
  return harness
}
const sealedBy = (identity: PlainIdentity) => ({ ...messageOf(), text: identity.seal(messageOf(), anna.key) })
const counts = (effects: readonly SessionEffect[]) => effectsOf(effects, 'got').map(({ count }) => count)

test('a received message is stored, then shown', () => {
  const message = messageOf()
  expect(online().receive(message)).toEqual([
    { type: 'store', message },
    { type: 'event', event: { type: 'message', message, origin: 'live' } },
  ])
})

test('M7: a message that arrives twice is stored and shown once, and confirmed twice', () => {
  const harness = online()
  harness.receive(messageOf())
  expect(harness.receive(messageOf())).toEqual([])
  expect(counts(harness.step({ type: 'flush' }))).toEqual([2])
})

test('messages of earlier runs are shown at the start, and not again when they arrive', () => {
  const message = messageOf()
  const harness = new SessionHarness({}, { history: [message, message] })
  expect(eventsOf(harness.step({ type: 'start' }))).toMatchObject([
    { type: 'message', message, origin: 'history' },
    { type: 'connection' },
  ])
  harness.goOnline()
  expect(harness.receive(message)).toEqual([])
})

test('M4: a composed message is later than the history', () => {
  const harness = new SessionHarness({}, { history: [messageOf({ at: EPOCH_MS + 9 })] })
  harness.step({ type: 'start' })
  harness.compose('Billy')
  expect(harness.session.pendingMessages[0]?.at).toBe(EPOCH_MS + 9 + 1 / 1024)
})

describe('confirmations', () => {
  test('D3: a message needs a flush at the end of the event-loop turn, which confirms it', () => {
    const harness = online()
    expect(harness.session.needsFlush).toBe(false)
    harness.receive(messageOf())
    expect(harness.session.needsFlush).toBe(true)
    expect(harness.step({ type: 'flush' })).toEqual([{ type: 'got', dial: 1, count: 1 }])
    expect(harness.session.needsFlush).toBe(false)
  })

  test('D3: the messages of a stream are confirmed by a tick after 100 ms', () => {
    const harness = online()
    harness.receive(messageOf())
    harness.step({ type: 'flush' })
    harness.receive(messageOf({ id: '2' }))
    harness.receive(messageOf({ id: '3' }))
    expect(harness.session.needsFlush).toBe(false)
    expect(counts(harness.advance(99))).toEqual([])
    expect(counts(harness.advance(1))).toEqual([3])
  })

  test("D3: the user's own copies are confirmed after 1 s", () => {
    const harness = online()
    harness.receive(messageOf({ from: 'Anna', to: 'Billy' }))
    expect(harness.session.needsFlush).toBe(false)
    expect(counts(harness.advance(999))).toEqual([])
    expect(counts(harness.advance(1))).toEqual([1])
  })

  test('D3: a message to oneself is confirmed at once', () => {
    const harness = online()
    harness.receive(messageOf({ from: 'Anna', to: 'Anna' }))
    expect(harness.session.needsFlush).toBe(true)
  })

  test('D2: counting starts again with each connection', () => {
    const harness = online()
    harness.receive(messageOf())
    harness.step({ type: 'closed', dial: 1, reason: 'gone' })
    harness.advance(harness.session.deadline - harness.now)
    harness.goOnline()
    harness.receive(messageOf({ id: '2' }))
    expect(harness.step({ type: 'flush' })).toEqual([{ type: 'got', dial: 2, count: 1 }])
  })

  test('nothing is confirmed while offline', () => {
    const harness = online()
    harness.receive(messageOf())
    harness.step({ type: 'closed', dial: 1, reason: 'gone' })
    expect(harness.session.needsFlush).toBe(false)
    expect(harness.step({ type: 'flush' })).toEqual([])
  })
})

describe('in key mode', () => {
  test('a sealed message is shown as its plain text', () => {
    const effects = onlineWithKey({ Billy: billy.key }).receive(sealedBy(billy))
    expect(effectsOf(effects, 'store')).toEqual([{ type: 'store', message: messageOf(), sealed: sealedBy(billy).text }])
  })

  test('K7: a forged message is reported and not shown, but confirmed', () => {
    const harness = onlineWithKey({ Billy: billy.key })
    expect(harness.receive(messageOf())).toEqual([{ type: 'event', event: { type: 'forged', from: 'Billy' } }])
    expect(counts(harness.step({ type: 'flush' }))).toEqual([1])
  })

  test('a message signed with a changed key is marked for good', () => {
    const effects = onlineWithKey({ Billy: billy.key }).receive(sealedBy(other))
    expect(effectsOf(effects, 'store')[0]?.message.text).toBe('[signed with another key than before] Hi')
    expect(eventsOf(effects)).toContainEqual(expect.objectContaining({ type: 'key', state: 'changed' }))
  })

  test('the first message of a user brings the key, and sends what waits for it', () => {
    const harness = onlineWithKey({})
    harness.compose('Billy')
    const effects = harness.receive(sealedBy(billy))
    expect(effectsOf(effects, 'pin')).toEqual([{ type: 'pin', user: 'Billy', key: billy.key }])
    expect(effectsOf(effects, 'im')).toHaveLength(1)
    expect(effectsOf(effects, 'store')).toEqual([{ type: 'store', message: messageOf(), sealed: sealedBy(billy).text }])
  })
})
