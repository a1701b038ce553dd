import { describe, expect, test } from 'vitest'
import type { Progress } from '../../../../src/client/events.ts'
import type { SessionEffect, SessionOptions, StoredState } from '../../../../src/client/types.ts'
import { formatContent } from '../../../../src/protocol/message-kinds.ts'
import { parseSealedText } from '../../../../src/protocol/proofs/credentials.ts'
import { formatAuthorProof, roomMessageText } from '../../../../src/protocol/proofs/room-proof.ts'
import {
  EPOCH_MS,
  effectsOf,
  eventsOf,
  MESH_KEY,
  messageOf,
  SessionHarness,
} from '../../../support/harness/session-harness.ts'
import { PlainIdentity } from '../../../support/simulation/plain-identity.ts'

function online(
  users = ['Anna', 'Billy'],
  stored: Partial<StoredState> = {},
  options: Partial<SessionOptions> = {},
): SessionHarness {
  const harness = new SessionHarness(options, stored)
  harness.step({ type: 'start' })
  harness.goOnline(users)
  return harness
}
const progressOf = (effects: readonly SessionEffect[]): Progress[] =>
  eventsOf(effects).flatMap(event => (event.type === 'progress' ? [event.progress] : []))
const sent = (effects: readonly SessionEffect[]) => effectsOf(effects, 'im').map(({ message }) => message)

/** The effect of composing a message that is rejected at once. */
function refusal(to: string, code: string, message: RegExp): object {
  const progress = { state: 'refused', code, message: expect.stringMatching(message) }
  return { type: 'event', event: { type: 'progress', id: expect.any(String), to, progress } }
}

describe('composing', () => {
  test('a message is stored as pending, shown and sent, and stored in the history when a server has accepted it', () => {
    const message = messageOf({ id: 'run.1.x', from: 'Anna', to: 'Billy', at: EPOCH_MS })
    const { from: _, ...composed } = message
    const progress = (progress: Progress) => ({
      type: 'event',
      event: { type: 'progress', id: 'run.1.x', to: 'Billy', progress },
    })
    const harness = online()
    expect(harness.compose('Billy')).toEqual([
      { type: 'store-pending', message },
      { type: 'event', event: { type: 'message', message, origin: 'composed' } },
      progress({ state: 'waiting', reason: 'offline' }),
      progress({ state: 'sent' }),
      { type: 'im', dial: 1, message: composed },
    ])
    expect(harness.answer('run.1.x', { ok: true, delivered: 0 })[0]).toEqual({ type: 'store', message })
  })

  test('M20: a reply and a change have a marker, and so has a text that ends with one', () => {
    const harness = online()
    const target = { id: 'm1', from: 'Billy', quote: 'Lunch now?' }
    const effects = [
      ...harness.ask({ type: 'compose', to: 'Billy', text: 'me', reply: target }),
      ...harness.ask({ type: 'change', to: 'Billy', change: { kind: 'react', target, emoji: '👍' } }),
      ...harness.ask({ type: 'compose', to: 'Billy', text: '(edited) x\n⟦edit m1⟧' }),
    ]
    expect(sent(effects).map(({ text }) => text)).toEqual([
      '> Lunch now?\nme\n⟦reply m1 Billy⟧',
      '👍 to "Lunch now?"\n⟦react m1 Billy⟧',
      '(edited) x\n⟦edit m1⟧\n⟦text⟧',
    ])
  })

  test('ids are unique in the run, and times increase', () => {
    const harness = online()
    const messages = [1, 2, 3].flatMap(() => sent(harness.compose('Billy')))
    expect(messages.map(({ id }) => id)).toEqual(['run.1.x', 'run.2.x', 'run.3.x'])
    expect(messages.map(({ at }) => at)).toEqual([EPOCH_MS, EPOCH_MS + 1 / 1024, EPOCH_MS + 2 / 1024])
  })

  test('S18: each id has a random suffix and at most 64 units', () => {
    let count = 0
    const instance = 'i'.repeat(32)
    const harness = new SessionHarness({ instance, makeIdSuffix: () => `${++count}`.padStart(16, 'r') })
    harness.step({ type: 'start' })
    harness.goOnline(['Anna', 'Billy'])
    const ids = [1, 2].flatMap(() => sent(harness.compose('Billy'))).map(({ id }) => id)
    expect(ids).toEqual([`${instance}.1.${'r'.repeat(15)}1`, `${instance}.2.${'r'.repeat(15)}2`])
    for (const id of ids) expect(id.length).toBeLessThanOrEqual(64)
  })

  test('M4: a message is later than every message received before', () => {
    const harness = online()
    harness.receive(messageOf({ at: EPOCH_MS + 30_000.5 }))
    expect(sent(harness.compose('Billy'))[0]?.at).toBe(EPOCH_MS + 30_000.5 + 1 / 1024)
  })

  test('M4: a received time of more than 60 s ahead is not followed', () => {
    const harness = online()
    harness.receive(messageOf({ at: EPOCH_MS + 60_001 }))
    expect(sent(harness.compose('Billy'))[0]?.at).toBe(EPOCH_MS)
  })

  test('the recipient is normalised, and an invalid one sends nothing', () => {
    const harness = online()
    expect(sent(harness.compose('  Billy '))[0]?.to).toBe('Billy')
    expect(harness.compose('')).toEqual([refusal('', 'bad-name', /empty/)])
  })

  test('a message is refused when the outbox is full', () => {
    const outbox = Array.from({ length: 10_000 }, (_, at) => messageOf({ id: `${at}`, from: 'Anna', to: 'Zoe' }))
    const effects = online(['Anna'], { outbox }).compose('Billy')
    expect(effects).toHaveLength(1)
    expect(progressOf(effects)).toMatchObject([{ state: 'refused', code: 'outbox-full' }])
  })
})

describe('C25: a text that can never be sent', () => {
  const refused = { state: 'refused', code: 'text-too-long' }
  test('is refused when it is composed, online and offline, and is not kept', () => {
    const offline = new SessionHarness()
    offline.step({ type: 'start' })
    for (const harness of [offline, online()]) {
      const effects = harness.compose('Billy', 'x'.repeat(256 * 1024 + 1))
      expect(effects).toHaveLength(1)
      expect(progressOf(effects)).toMatchObject([refused])
      expect(harness.session.pendingMessages).toEqual([])
      expect(sent(harness.compose('Billy', 'x'.repeat(256 * 1024))).length).toBe(harness === offline ? 0 : 1)
    }
  })

  test('is refused, not sent, if the server told a shorter limit in bytes', () => {
    const harness = new SessionHarness()
    harness.step({ type: 'start' })
    harness.goOnline(['Anna', 'Billy'], { textBytes: 10 })
    expect(sent(harness.compose('Billy', 'x'.repeat(10)))).toHaveLength(1)
    const effects = harness.compose('Billy', 'äöüßäö')
    expect(sent(effects)).toEqual([])
    expect(progressOf(effects).at(-1)).toMatchObject({ ...refused, message: expect.stringContaining('10 bytes') })
    expect(effectsOf(effects, 'remove-pending')).toEqual([{ type: 'remove-pending', id: 'run.2.x' }])
  })

  test('is refused if an earlier run has left it in the outbox, and the other messages are sent', () => {
    const outbox = Array.from({ length: 100 }, (_, at) =>
      messageOf({ id: `${at}`, from: 'Anna', to: 'Billy', text: at < 99 ? 'x'.repeat(300_000) : 'short' }),
    )
    const harness = new SessionHarness({}, { outbox, history: outbox })
    harness.step({ type: 'start' })
    const effects = [...harness.goOnline(['Anna', 'Billy']), ...harness.advance(1)]
    expect(sent(effects).map(({ text }) => text)).toEqual(['short'])
    expect(effectsOf(effects, 'remove-pending')).toHaveLength(99)
    expect(progressOf(effects).filter(({ state }) => state === 'refused')).toHaveLength(99)
  })
})

describe('holding', () => {
  test('C8: messages composed while offline are sent when the client is online', () => {
    const harness = new SessionHarness()
    harness.step({ type: 'start' })
    expect(sent(harness.compose('Billy'))).toEqual([])
    expect(sent(harness.goOnline()).map(({ id }) => id)).toEqual(['run.1.x'])
  })

  test('C8: pending messages of an earlier run are sent with their ids and times', () => {
    const message = messageOf({ id: 'earlier.7', from: 'Anna', to: 'Billy', at: EPOCH_MS - 5_000 })
    const harness = new SessionHarness({}, { outbox: [message], history: [message] })
    const effects = harness.step({ type: 'start' })
    expect(progressOf(effects)).toEqual([{ state: 'waiting', reason: 'offline' }])
    expect(effectsOf(effects, 'store')).toEqual([])
    expect(sent(harness.goOnline())).toEqual([{ id: 'earlier.7', at: EPOCH_MS - 5_000, to: 'Billy', text: 'Hi' }])
  })

  test('a pending message that is missing from the history is added to it', () => {
    const message = messageOf({ id: 'earlier.7', from: 'Anna', to: 'Billy' })
    const effects = new SessionHarness({}, { outbox: [message] }).step({ type: 'start' })
    expect(effectsOf(effects, 'store')).toEqual([{ type: 'store', message }])
  })

  test('C8: a message to an offline user is sent when the user comes online', () => {
    const harness = online(['Anna'])
    harness.compose('Billy')
    expect(progressOf(harness.answer('run.1.x', { ok: true, delivered: 0 }))).toEqual([
      { state: 'waiting', reason: 'recipient-offline' },
    ])
    const join = (version: number, user: string) =>
      sent(harness.step({ type: 'roster', dial: 1, delta: { version, joined: [user], left: [] } }))
    expect(join(2, 'Carla')).toEqual([])
    expect(join(3, 'Billy').map(({ id }) => id)).toEqual(['run.1.x'])
  })

  test('C8: a snapshot that shows the recipient online sends the message too', () => {
    const harness = online(['Anna'])
    harness.compose('Billy')
    harness.answer('run.1.x', { ok: true, delivered: 0 })
    const snapshot = { version: 9, users: ['Anna', 'Billy'] }
    expect(sent(harness.step({ type: 'roster-snapshot', dial: 1, snapshot }))).toHaveLength(1)
  })

  test('C8: messages in flight wait again when the connection is lost, and are sent on the next', () => {
    const harness = online()
    harness.compose('Billy')
    const effects = harness.step({ type: 'closed', dial: 1, reason: 'gone' })
    expect(progressOf(effects)).toEqual([{ state: 'waiting', reason: 'offline' }])
    harness.advance(harness.session.deadline - harness.now)
    expect(sent(harness.goOnline(['Anna', 'Billy'])).map(({ id }) => id)).toEqual(['run.1.x'])
  })

  test('C7: a delivered or rejected message is removed from disk', () => {
    const harness = online()
    harness.compose('Billy')
    harness.compose('Billy')
    expect(harness.answer('run.1.x', { ok: true, delivered: 2 })).toEqual([
      { type: 'store', message: messageOf({ id: 'run.1.x', from: 'Anna', to: 'Billy', at: EPOCH_MS }) },
      { type: 'remove-pending', id: 'run.1.x' },
      { type: 'store-receipt', id: 'run.1.x', at: EPOCH_MS, receipt: { delivered: 2 } },
      {
        type: 'event',
        event: { type: 'progress', id: 'run.1.x', to: 'Billy', progress: { state: 'delivered', connections: 2 } },
      },
    ])
    const rejection = { ok: false, code: 'text-too-long', message: 'long' } as const
    const effects = harness.answer('run.2.x', rejection)
    expect(effectsOf(effects, 'remove-pending')).toEqual([{ type: 'remove-pending', id: 'run.2.x' }])
    expect(effectsOf(effects, 'store')).toEqual([])
    expect(effectsOf(effects, 'store-rejected')).toMatchObject([
      { message: { id: 'run.2.x', rejection: { code: 'text-too-long', message: 'long' } } },
    ])
    expect(harness.session.pendingMessages).toEqual([])
  })

  test('C9: the next message is sent when one in flight is answered', () => {
    const harness = online()
    for (let n = 0; n < 64; n++) expect(sent(harness.compose('Billy'))).toHaveLength(1)
    expect(sent(harness.compose('Billy'))).toEqual([])
    expect(sent(harness.answer('run.1.x', { ok: true, delivered: 1 }))).toHaveLength(1)
  })

  test('a result for an unknown message changes nothing', () => {
    expect(online().answer('unknown', { ok: true, delivered: 1 })).toEqual([])
  })
})

// Nothing may be sent before the connection is made again, which waits for the answers to all messages in flight.
test('while the time of the server is to be measured, the session is not due all the time', () => {
  const harness = online()
  for (let n = 0; n < 2; n++) harness.compose('Billy')
  harness.answer('run.1.x', { ok: false, code: 'clock-ahead', message: 'no', retryAfter: 1_000 })
  harness.compose('Billy')
  harness.step({ type: 'tick' })
  expect(harness.session.deadline).toBeGreaterThan(harness.now)
})

describe('in key mode', () => {
  const anna = new PlainIdentity('Anna')
  const billy = new PlainIdentity('Billy')
  const other = new PlainIdentity('Billy 2')

  function onlineWithKey(users: string[], known: Record<string, string> = {}): SessionHarness {
    const harness = new SessionHarness({}, { keys: new Map(Object.entries(known)) })
    harness.step({ type: 'start' })
    harness.goOnlineWithKey(anna, users)
    return harness
  }
  const holder = (harness: SessionHarness, user: string, key: string | undefined) =>
    harness.step({ type: 'key', dial: 1, user, key })

  test('K1: a message to a user with a known key is sent sealed', () => {
    expect(sent(onlineWithKey(['Anna', 'Billy'], { Billy: billy.key }).compose('Billy'))[0]?.text).toMatch(/^sealed1\./)
  })

  test('the key of an online recipient is requested, and the message sent when it is known', () => {
    const harness = onlineWithKey(['Anna', 'Billy'])
    const effects = harness.compose('Billy')
    expect(sent(effects)).toEqual([])
    expect(effectsOf(effects, 'ask-key')).toEqual([{ type: 'ask-key', dial: 1, user: 'Billy' }])
    expect(progressOf(effects).at(-1)).toEqual({ state: 'waiting', reason: 'unconfirmed' })
    expect(effectsOf(harness.compose('Billy'), 'ask-key')).toEqual([])
    expect(sent(holder(harness, 'Billy', billy.key))).toHaveLength(2)
  })

  test('the key of an offline recipient is requested when the recipient comes online', () => {
    const harness = onlineWithKey(['Anna'])
    const effects = harness.compose('Billy')
    expect(effectsOf(effects, 'ask-key')).toEqual([])
    expect(progressOf(effects).at(-1)).toEqual({ state: 'waiting', reason: 'recipient-offline' })
    const joined = harness.step({ type: 'roster', dial: 1, delta: { version: 2, joined: ['Billy'], left: [] } })
    expect(effectsOf(joined, 'ask-key')).toHaveLength(1)
  })

  test('an online recipient whose name no key holds is asked for again after 1 s', () => {
    const harness = onlineWithKey(['Anna', 'Billy'])
    harness.compose('Billy')
    holder(harness, 'Billy', undefined)
    expect(effectsOf(harness.advance(999), 'ask-key')).toEqual([])
    expect(effectsOf(harness.advance(1), 'ask-key')).toHaveLength(1)
  })

  test('K8: a message to a changed key waits until the person trusts it', () => {
    const harness = onlineWithKey(['Anna', 'Billy'], { Billy: billy.key })
    holder(harness, 'Billy', other.key)
    expect(progressOf(harness.compose('Billy')).at(-1)).toEqual({ state: 'waiting', reason: 'key-changed' })
    const effects = harness.ask({ type: 'trust', user: 'Billy', key: other.key })
    expect(effects[0]).toEqual({ type: 'pin', user: 'Billy', key: other.key })
    expect(sent(effects)).toHaveLength(1)
    expect(harness.ask({ type: 'trust', user: 'Billy', key: other.key })).toEqual([])
  })

  test('a name with a changed key is asked for again after 10 s, and may have its known key back', () => {
    const harness = onlineWithKey(['Anna', 'Billy'], { Billy: billy.key })
    holder(harness, 'Billy', other.key)
    harness.compose('Billy')
    holder(harness, 'Billy', other.key)
    expect(effectsOf(harness.advance(9_999), 'ask-key')).toEqual([])
    expect(effectsOf(harness.advance(1), 'ask-key')).toHaveLength(1)
    expect(sent(holder(harness, 'Billy', billy.key))).toHaveLength(1)
  })

  test('D7: a result of 0 connections for an online recipient requests the key that holds the name now', () => {
    const harness = onlineWithKey(['Anna', 'Billy'], { Billy: billy.key })
    harness.compose('Billy')
    expect(effectsOf(harness.answer('run.1.x', { ok: true, delivered: 0 }), 'ask-key')).toHaveLength(1)
  })

  test('a composed message is stored with its text sealed for the own key', () => {
    const harness = onlineWithKey(['Anna'])
    const [held] = effectsOf(harness.compose('Billy'), 'store-pending')
    const accepted = harness.receive({
      ...messageOf({ id: 'run.1.x', from: 'Anna', to: 'Billy' }),
      text: held?.sealed ?? '',
    })
    const [stored] = effectsOf(accepted, 'store')
    expect(parseSealedText(held?.sealed ?? '')).toMatchObject({ from: anna.key, to: anna.key })
    expect(stored?.sealed).toBe(held?.sealed)
  })

  test('a message composed before the key is loaded is marked as not sealed yet', () => {
    const harness = new SessionHarness({ mesh: { key: MESH_KEY, mode: 'key' } })
    harness.step({ type: 'start' })
    expect(effectsOf(harness.compose('Billy'), 'store-pending')).toMatchObject([{ sealed: '' }])
  })

  test('a message that was composed in key mode does not leave without keys', () => {
    const outbox = [{ ...messageOf({ from: 'Anna', to: 'Billy' }), sealed: '' }]
    const harness = new SessionHarness({}, { outbox })
    harness.step({ type: 'start' })
    expect(sent([...harness.goOnline(['Anna', 'Billy']), ...harness.advance(120_000)])).toEqual([])
    expect(harness.session.pendingMessages).toHaveLength(1)
  })
})

describe('a message to a room', () => {
  function inRoom(members = ['Anna', 'Billy'], isJoined = true) {
    const harness = new SessionHarness({}, { rooms: [['#ops', true, EPOCH_MS - 1]] })
    harness.step({ type: 'start' })
    harness.goOnline(['Anna', 'Billy'], { rooms: true })
    const joined = (version = 1) =>
      harness.step({
        type: 'room-joined',
        dial: harness.dial,
        room: '#ops',
        answer: { ok: true, room: '#ops', info: {}, version, members },
      })
    const roomEvent = (joined: string[], version: number) =>
      harness.step({ type: 'room', dial: harness.dial, event: { room: '#ops', version, joined, left: [] } })
    if (isJoined) joined()
    return { harness, joined, roomEvent }
  }

  test('is sent to its canonical name, without a proof in open mode', () => {
    const { harness } = inRoom()
    expect(sent(harness.compose('#OPS'))).toEqual([{ id: 'run.1.x', at: EPOCH_MS, to: '#ops', text: 'Hi' }])
  })

  test('is refused if the user is not in the room, and not kept', () => {
    const { harness } = inRoom()
    const effects = harness.compose('#dev')
    const message = 'you are not in #dev; join it first'
    expect(progressOf(effects)).toEqual([{ state: 'refused', code: 'not-in-room', message }])
    expect([effects.length, harness.session.pendingMessages]).toEqual([1, []])
  })

  test('with an invalid name is rejected', () => {
    expect(inRoom().harness.compose('#')).toEqual([refusal('#', 'bad-room', /^a room name has/)])
  })

  test('finds the room also with spaces around its name', () => {
    const { harness } = inRoom()
    const events = harness.compose(' #OPS ').filter(effect => effect.type === 'event')
    expect(events[0]).toMatchObject({ event: { type: 'message', message: { to: '#ops' } } })
  })

  test('waits until the server has put the client into the room', () => {
    const { harness, joined } = inRoom(['Anna', 'Billy'], false)
    const effects = harness.compose('#ops')
    expect([sent(effects), progressOf(effects).at(-1)]).toEqual([[], { state: 'waiting', reason: 'not-joined' }])
    expect(sent(harness.advance(120_000))).toEqual([])
    expect(sent(joined())).toHaveLength(1)
    expect(sent(joined())).toEqual([])
  })

  test('while offline waits for the room on the next server, too', () => {
    const { harness, joined } = inRoom()
    harness.step({ type: 'closed', dial: harness.dial, reason: 'cut' })
    harness.compose('#ops')
    harness.advance(harness.session.deadline - harness.now)
    expect(sent(harness.goOnline(['Anna', 'Billy'], { rooms: true }))).toEqual([])
    expect(sent(joined())).toHaveLength(1)
  })

  test('that the server does not take because the client is not in the room makes it join again, and is sent then', () => {
    const { harness, joined } = inRoom()
    harness.compose('#ops')
    const effects = harness.answer('run.1.x', { ok: false, code: 'not-in-room', message: 'no' })
    expect(effectsOf(effects, 'join')).toEqual([{ type: 'join', dial: 1, room: '#ops' }])
    expect(progressOf(effects).at(-1)).toEqual({ state: 'waiting', reason: 'not-joined' })
    expect(sent(harness.advance(59_000))).toEqual([])
    expect(sent(joined(2)).map(({ id }) => id)).toEqual(['run.1.x'])
    expect(harness.session.pendingMessages).toHaveLength(1)
  })

  test('that is refused for good is kept as rejected, and is not in the history', () => {
    const { harness } = inRoom()
    harness.compose('#ops')
    const effects = harness.answer('run.1.x', { ok: false, code: 'read-only', message: 'only operators' })
    const rejection = { code: 'read-only', message: 'only operators' }
    expect(effectsOf(effects, 'store-rejected')).toMatchObject([{ message: { id: 'run.1.x', to: '#ops', rejection } }])
    expect(effectsOf(effects, 'store')).toEqual([])
    expect(effectsOf(effects, 'remove-pending')).toHaveLength(1)
    expect([harness.session.messages, harness.session.pendingMessages]).toEqual([[], []])
    expect(progressOf(effects).at(-1)).toEqual({ state: 'refused', ...rejection })
  })

  test('in slow mode is sent again after the wait, and messages to others are not held up', () => {
    const { harness } = inRoom()
    harness.compose('#ops')
    harness.answer('run.1.x', { ok: false, code: 'slow-mode', message: 'wait', retryAfter: 30_000 })
    expect(sent(harness.compose('Billy'))).toHaveLength(1)
    harness.answer('run.2.x', { ok: true, delivered: 1 })
    expect(sent(harness.advance(29_999))).toEqual([])
    expect(sent(harness.advance(1)).map(({ id }) => id)).toEqual(['run.1.x'])
  })

  test('that someone has confirmed is delivered, with the number of others', () => {
    const { harness } = inRoom()
    harness.compose('#ops')
    const effects = harness.answer('run.1.x', { ok: true, delivered: 1, of: 4 })
    expect(progressOf(effects)).toEqual([{ state: 'delivered', connections: 1, of: 4, names: [] }])
    expect(effectsOf(effects, 'store')).toMatchObject([{ message: { id: 'run.1.x', to: '#ops' } }])
    expect(effectsOf(effects, 'store-receipt')).toMatchObject([{ receipt: { delivered: 1, of: 4 } }])
    expect(harness.session.pendingMessages).toEqual([])
  })

  test('that nobody is there to get waits until others join', () => {
    const { harness, roomEvent } = inRoom(['Anna'])
    harness.compose('#ops')
    const effects = harness.answer('run.1.x', { ok: true, delivered: 0, of: 0 })
    expect(progressOf(effects)).toEqual([{ state: 'waiting', reason: 'recipient-offline' }])
    expect(sent(harness.advance(120_000))).toEqual([])
    expect(sent(roomEvent(['Billy'], 2)).map(({ id }) => id)).toEqual(['run.1.x'])
  })

  test('that others have not confirmed in time is sent again', () => {
    const { harness } = inRoom()
    harness.compose('#ops')
    harness.answer('run.1.x', { ok: true, delivered: 0, of: 1, unconfirmed: true })
    expect(sent(harness.advance(1_000)).map(({ id }) => id)).toEqual(['run.1.x'])
  })

  test('waits on a server that does not know rooms', () => {
    const harness = new SessionHarness({}, { rooms: [['#ops', true, EPOCH_MS - 1]] })
    harness.step({ type: 'start' })
    harness.goOnline(['Anna'])
    const effects = harness.compose('#ops')
    expect([sent(effects), progressOf(effects).at(-1)]).toEqual([[], { state: 'waiting', reason: 'not-joined' }])
  })

  test.each([
    ['leaves', (harness: SessionHarness) => harness.ask({ type: 'part', room: '#ops' })],
    [
      'may not be in',
      (harness: SessionHarness) => {
        const refusal = { ok: false, code: 'room-forbidden', message: 'no' } as const
        return harness.step({ type: 'room', dial: harness.dial, event: { room: '#ops', refusal } })
      },
    ],
  ])('is refused when the user %s the room before it was sent', (_, leave) => {
    const { harness } = inRoom(['Anna'])
    harness.compose('#ops')
    harness.answer('run.1.x', { ok: true, delivered: 0, of: 0 })
    expect(progressOf(leave(harness)).at(-1)).toMatchObject({ state: 'refused', code: 'not-in-room' })
    expect(harness.session.pendingMessages).toEqual([])
  })

  test('in key mode is signed with the key of the author, and not sealed', () => {
    const anna = new PlainIdentity('Anna')
    const harness = new SessionHarness({}, { rooms: [['#ops', true, EPOCH_MS - 1]] })
    harness.step({ type: 'start' })
    harness.askForKey()
    harness.proveKey(anna)
    harness.accept(['Anna', 'Billy'], { auth: 'key', rooms: true })
    const members = ['Anna', 'Billy']
    const answer = { ok: true, room: '#ops', info: {}, version: 1, members } as const
    harness.step({ type: 'room-joined', dial: harness.dial, room: '#ops', answer })
    const effects = harness.compose('#ops')
    const message = { id: 'run.1.x', at: EPOCH_MS, from: 'Anna', to: '#ops', text: 'Hi' }
    const proof = formatAuthorProof(anna.key, anna.sign(roomMessageText(message, MESH_KEY)))
    const { from: _, ...composed } = message
    expect(sent(effects)).toEqual([{ ...composed, proof }])
    expect(effectsOf(effects, 'store-pending')).toEqual([{ type: 'store-pending', message }])
  })
})

describe('taking a message back', () => {
  const cancel = (harness: SessionHarness, id: string) => harness.ask({ type: 'cancel', id })
  const refused = (id: string, reason: 'not-waiting' | 'may-be-delivered') => [
    { type: 'event', event: { type: 'not-cancelled', id, reason } },
  ]
  const message = messageOf({ id: 'run.1.x', from: 'Anna', to: 'Billy', at: EPOCH_MS })

  test('that no server has been told of removes it from the disk, and it is never sent', () => {
    const harness = new SessionHarness()
    harness.step({ type: 'start' })
    harness.compose('Billy')
    expect(cancel(harness, 'run.1.x')).toEqual([
      { type: 'remove-pending', id: 'run.1.x' },
      { type: 'event', event: { type: 'cancelled', message } },
    ])
    expect(sent(harness.goOnline(['Anna', 'Billy']))).toEqual([])
    expect(harness.session.pendingMessages).toEqual([])
    expect(harness.session.messages).toEqual([])
  })

  test('is told when the disk does not have it any more', () => {
    const harness = new SessionHarness({ answersSaves: true })
    harness.step({ type: 'start' })
    harness.compose('Billy')
    expect(cancel(harness, 'run.1.x')).toEqual([
      { type: 'remove-pending', id: 'run.1.x' },
      { type: 'save', through: 2 },
    ])
    expect(cancel(harness, 'run.1.x')).toEqual([])
    expect(harness.step({ type: 'saved', through: 1 })).toEqual([])
    expect(harness.step({ type: 'saved', through: 2 })).toEqual([
      { type: 'event', event: { type: 'cancelled', message } },
    ])
  })

  test('of an earlier run works if it was never sent', () => {
    const harness = new SessionHarness({}, { outbox: [{ ...message, provisional: true }] })
    harness.step({ type: 'start' })
    expect(eventsOf(cancel(harness, 'run.1.x'))).toEqual([{ type: 'cancelled', message }])
  })

  const deletion = {
    id: 'run.2.x',
    at: expect.any(Number),
    from: 'Anna',
    to: 'Billy',
    text: formatContent({ kind: 'delete', target: { id: 'run.1.x', from: 'Anna' } }, 'Anna'),
  }

  test.each([
    ['is in flight', (_: SessionHarness) => {}],
    ['a server has accepted', (harness: SessionHarness) => harness.answer('run.1.x', { ok: true, delivered: 0 })],
    [
      'was in flight when the connection broke',
      (harness: SessionHarness) => harness.step({ type: 'closed', dial: harness.dial, reason: 'gone' }),
    ],
  ])('that %s sends a deletion of it instead', (_, happen) => {
    const harness = online()
    harness.compose('Billy')
    happen(harness)
    const effects = cancel(harness, 'run.1.x')
    expect(eventsOf(effects)).toContainEqual({ type: 'cancelled', message, isDeleted: true })
    expect(effectsOf(effects, 'remove-pending')).toEqual([{ type: 'remove-pending', id: 'run.1.x' }])
    expect(harness.session.pendingMessages).toEqual([deletion])
    // Whoever compares histories with this client gets both.
    expect(harness.session.messages).toEqual([message])
    // The result of the earlier attempt changes nothing.
    harness.answer('run.1.x', { ok: true, delivered: 1 })
    harness.advance(20_000)
    expect(harness.session.pendingMessages).toEqual([deletion])
  })

  test('of an earlier run that may have been sent sends a deletion of it instead', () => {
    const harness = new SessionHarness({}, { outbox: [message] })
    harness.step({ type: 'start' })
    expect(eventsOf(cancel(harness, 'run.1.x'))).toContainEqual({ type: 'cancelled', message, isDeleted: true })
    const [first] = harness.session.pendingMessages
    expect(first?.text).toBe(deletion.text)
  })

  test('that a server may have accepted leaves the disk after the deletion of it is there', () => {
    const harness = online(undefined, {}, { answersSaves: true })
    harness.compose('Billy')
    harness.step({ type: 'saved', through: 1 })
    harness.answer('run.1.x', { ok: true, delivered: 0 })
    harness.step({ type: 'saved', through: 2 })
    const effects = cancel(harness, 'run.1.x')
    expect(effects.map(({ type }) => type)).toContain('store-pending')
    expect(effects.map(({ type }) => type)).not.toContain('remove-pending')
    const saved = harness.step({ type: 'saved', through: 3 })
    expect(saved).toContainEqual({ type: 'remove-pending', id: 'run.1.x' })
    expect(eventsOf(saved)).toContainEqual({ type: 'cancelled', message, isDeleted: true })
  })

  test('makes place for the next message in flight', () => {
    const harness = online()
    for (let count = 0; count < 65; count++) harness.compose('Billy')
    expect(sent(cancel(harness, 'run.1.x'))).toHaveLength(1)
  })

  test('is refused for an edit that a server may have accepted: an edit cannot be deleted', () => {
    const harness = online()
    harness.ask({
      type: 'change',
      to: 'Billy',
      change: { kind: 'edit', target: { id: 'one', from: 'Anna' }, text: 'Hi' },
    })
    expect(cancel(harness, 'run.1.x')).toEqual(refused('run.1.x', 'may-be-delivered'))
  })

  test('is refused if a server may have accepted it and its time is wrong: it cannot be stored', () => {
    const early = { ...message, at: EPOCH_MS + 48 * 3_600_000 }
    const harness = new SessionHarness({}, { outbox: [early] })
    harness.step({ type: 'start' })
    expect(cancel(harness, 'run.1.x')).toEqual(refused('run.1.x', 'may-be-delivered'))
  })

  test('that does not wait is refused', () => {
    const harness = online()
    harness.compose('Billy')
    harness.answer('run.1.x', { ok: true, delivered: 1 })
    expect(cancel(harness, 'run.1.x')).toEqual(refused('run.1.x', 'not-waiting'))
  })

  test('works after a server has rejected it for now', () => {
    const harness = online()
    harness.compose('Billy')
    harness.answer('run.1.x', { ok: false, code: 'rate-limited', message: 'slow down', retryAfter: 1_000 })
    expect(eventsOf(cancel(harness, 'run.1.x'))).toEqual([{ type: 'cancelled', message }])
    expect(sent(harness.advance(5_000))).toEqual([])
  })
})
