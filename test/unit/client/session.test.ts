import { expect, test } from 'vitest'
import { EPOCH_MS, eventsOf, messageOf, SessionHarness } from '../../support/session-harness.ts'

test('nothing happens before the start', () => {
  const harness = new SessionHarness({}, { history: [messageOf()] })
  expect(harness.session.deadline).toBe(Number.POSITIVE_INFINITY)
  expect(harness.session.messages).toEqual([])
})

test('the start replays the history, then the outbox, then connects', () => {
  const history = [messageOf({ id: 'b.1', at: 1 })]
  const outbox = [messageOf({ id: 'a.1', at: 2, from: 'Anna', to: 'Billy' })]
  const harness = new SessionHarness({}, { history, outbox })
  expect(eventsOf(harness.step({ type: 'start' })).map(({ type }) => type)).toEqual([
    'message',
    'message',
    'progress',
    'connection',
  ])
  expect(harness.session.messages.map(({ id }) => id)).toEqual(['b.1', 'a.1'])
  expect(harness.session.pendingMessages.map(({ id }) => id)).toEqual(['a.1'])
})

test('connection counts are kept as the server sends them', () => {
  const harness = new SessionHarness()
  harness.step({ type: 'start' })
  harness.goOnline(['Anna', 'Billy'], { connections: [['Anna', 2]] })
  harness.step({ type: 'connections', dial: 1, changes: [['Billy', 3]] })
  expect([...harness.session.connectionCounts]).toEqual([
    ['Anna', 2],
    ['Billy', 3],
  ])
})

test('S3, S11: siblings exchange messages and read marks through the session', () => {
  const harness = new SessionHarness()
  harness.step({ type: 'start' })
  harness.goOnline()
  harness.receive(messageOf())
  harness.step({ type: 'siblings', dial: 1, connections: 2 })
  harness.request({ type: 'read', thread: 'Billy', at: EPOCH_MS })
  const relays = harness.advance(500).flatMap(effect => (effect.type === 'relay' ? [effect.frame.type] : []))
  expect(relays).toEqual(['read', 'compare'])
  const messages = [messageOf({ id: 'b.2', at: EPOCH_MS + 1 })]
  harness.step({ type: 'relay', dial: 1, from: 'server-1:2', frame: { type: 'tell', messages } })
  expect(harness.session.messages.map(({ id }) => id)).toEqual(['b.1', 'b.2'])
})

test('the deadline while online is the earliest of confirmation, message and catch-up', () => {
  const harness = new SessionHarness()
  harness.step({ type: 'start' })
  harness.goOnline(['Anna', 'Billy'])
  expect(harness.session.deadline).toBe(Number.POSITIVE_INFINITY)
  harness.compose('Billy')
  expect(harness.session.deadline).toBe(8_000)
  harness.receive(messageOf({ from: 'Anna', to: 'Billy', id: 'x' }))
  expect(harness.session.deadline).toBe(1_000)
  harness.step({ type: 'siblings', dial: 1, connections: 2 })
  expect(harness.session.deadline).toBe(375)
})
