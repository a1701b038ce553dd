/** A session whose storage answers `save`: nothing is confirmed or sent before it is saved. */
import { expect, test } from 'vitest'
import type { SessionEffect } from '../../../src/client/types.ts'
import { effectsOf, eventsOf, messageOf, SessionHarness } from '../../support/harness/session-harness.ts'

function online(): SessionHarness {
  const harness = new SessionHarness({ answersSaves: true })
  harness.step({ type: 'start' })
  harness.goOnline(['Anna', 'Billy'])
  return harness
}
const counts = (effects: readonly SessionEffect[]) => effectsOf(effects, 'got').map(({ count }) => count)
const saves = (effects: readonly SessionEffect[]) => effectsOf(effects, 'save').map(({ through }) => through)

test('D10: received messages are shown at once, and confirmed once they are saved', () => {
  const harness = online()
  const shown = ['1', '2'].flatMap(id => eventsOf(harness.receive(messageOf({ id }))))
  expect(shown).toHaveLength(2)
  const flushed = harness.step({ type: 'flush' })
  expect([saves(flushed), counts(flushed)]).toEqual([[2], []])
  expect(harness.session.needsFlush).toBe(false)
  expect(counts(harness.advance(5_000))).toEqual([])
  expect(counts(harness.step({ type: 'saved', through: 1 }))).toEqual([])
  expect(counts(harness.step({ type: 'saved', through: 2 }))).toEqual([2])
})

test('D10: messages that arrive during a save wait for the next one', () => {
  const harness = online()
  harness.receive(messageOf({ id: '1' }))
  harness.step({ type: 'flush' })
  harness.receive(messageOf({ id: '2' }))
  expect(counts(harness.step({ type: 'saved', through: 1 }))).toEqual([1])
  const later = harness.advance(100)
  expect([saves(later), counts(later)]).toEqual([[2], []])
  expect(counts(harness.step({ type: 'saved', through: 2 }))).toEqual([2])
})

test('D10: a message that is sent again is not confirmed before the first one is saved', () => {
  const harness = online()
  harness.receive(messageOf())
  harness.step({ type: 'flush' })
  harness.receive(messageOf())
  expect(counts(harness.advance(10_000))).toEqual([])
  harness.step({ type: 'saved', through: 1 })
  expect(counts(harness.advance(100))).toEqual([2])
})

test('D11: a composed message is shown at once, and sent once it is saved', () => {
  const harness = online()
  const composed = harness.compose('Billy')
  expect(composed.map(({ type }) => type)).toEqual(['store-pending', 'event', 'save', 'event'])
  expect(effectsOf(harness.advance(60_000), 'im')).toEqual([])
  expect(effectsOf(harness.step({ type: 'saved', through: 1 }), 'im')).toHaveLength(1)
})

test('D13: a message leaves the outbox when the history that has it is saved', () => {
  const harness = online()
  harness.compose('Billy')
  harness.step({ type: 'saved', through: 1 })
  const delivered = harness.answer('run.1.x', { ok: true, delivered: 1 })
  expect(effectsOf(delivered, 'store')).toHaveLength(1)
  expect(saves(delivered)).toEqual([2])
  expect(effectsOf(delivered, 'remove-pending')).toEqual([])
  expect(effectsOf(harness.step({ type: 'saved', through: 2 }), 'remove-pending')).toHaveLength(1)
})

test('D13: a session that ends while the history is saved leaves nothing settled in the outbox', () => {
  const harness = online()
  harness.compose('Billy')
  harness.step({ type: 'saved', through: 1 })
  harness.answer('run.1.x', { ok: true, delivered: 1 })
  expect(effectsOf(harness.ask({ type: 'close' }), 'remove-pending')).toHaveLength(1)
})

test('D11: a composed message is not given to other clients of the user before a server has accepted it', () => {
  const harness = online()
  harness.compose('Billy')
  const ask = () => {
    const frame = { type: 'compare' as const, ranges: [{ from: 0, count: 0, hash: '0'.repeat(16) }] }
    const effects = harness.step({ type: 'relay', dial: 1, from: 'server-1:2', frame, sealed: false })
    return JSON.stringify(effectsOf(effects, 'relay')).includes('"text":"Hi"')
  }
  expect(ask()).toBe(false)
  harness.step({ type: 'saved', through: 1 })
  expect(ask()).toBe(false)
  harness.answer('run.1.x', { ok: true, delivered: 0 })
  expect(ask()).toBe(true)
})

test('messages that are held by a client that has ended are sent, each once', () => {
  const harness = online()
  const message = messageOf({ from: 'Anna', to: 'Billy' })
  const adopted = harness.ask({ type: 'adopt', messages: [message] })
  expect(effectsOf(adopted, 'im')).toHaveLength(1)
  expect(saves(adopted)).toEqual([1])
  expect(harness.ask({ type: 'adopt', messages: [message] })).toEqual([])
})

test('a session leaves its server when 10,000 messages are not saved, and takes messages again when they are', () => {
  const harness = online()
  for (let n = 0; n < 10_000; n++) harness.receive(messageOf({ id: `b.${n}` }))
  const left = harness.receive(messageOf({ id: 'one more' }))
  expect(effectsOf(left, 'store')).toEqual([])
  expect(effectsOf(left, 'hang-up')).toHaveLength(1)
  harness.step({ type: 'saved', through: 10_000 })
  harness.advance(harness.session.deadline - harness.now)
  harness.goOnline(['Anna', 'Billy'])
  expect(effectsOf(harness.receive(messageOf({ id: 'one more' })), 'store')).toHaveLength(1)
})
