import { describe, expect, test } from 'vitest'
import type { SessionEffect, SessionOptions, StoredState } from '../../../../src/client/types.ts'
import type { Message } from '../../../../src/protocol/messages.ts'
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

test('a message that is dated before one that was received, or is old, is shown as late', () => {
  const harness = online()
  const isLate = (id: string, at: number) =>
    eventsOf(harness.receive(messageOf({ id, at }))).map(event => event.type === 'message' && event.late === true)
  expect(isLate('b.1', EPOCH_MS)).toEqual([false])
  expect(isLate('b.2', EPOCH_MS - 1)).toEqual([true])
  expect(isLate('b.3', EPOCH_MS + 1)).toEqual([false])
  harness.advance(120_000)
  expect(isLate('b.4', EPOCH_MS + 2)).toEqual([true])
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

describe('a message to a room', () => {
  function inRoom(members: number, options: Partial<SessionOptions> = {}): SessionHarness {
    const harness = new SessionHarness(options, { rooms: [['#ops', true, EPOCH_MS - 1]] })
    harness.step({ type: 'start' })
    harness.goOnline(['Anna', 'Billy'], { rooms: true })
    const names = Array.from({ length: members }, (_, at) => (at === 0 ? 'Anna' : `user ${at}`))
    const answer = { ok: true, room: '#ops', info: {}, version: 1, members: names } as const
    harness.step({ type: 'room-joined', dial: harness.dial, room: '#ops', answer })
    return harness
  }
  const said = (parts: Partial<Message> = {}) => messageOf({ to: '#ops', ...parts })
  /** When the confirmation of a message leaves, ms. */
  const confirmedAfter = (harness: SessionHarness, message = said()) => {
    harness.receive(message)
    for (let ms = 0; ms <= 20_000; ms += 5) {
      if (counts(harness.advance(ms === 0 ? 0 : 5)).length > 0) return ms
    }
    return undefined
  }

  test('is stored and shown', () => {
    const message = said()
    expect(inRoom(2).receive(message)).toEqual([
      { type: 'store', message },
      { type: 'event', event: { type: 'message', message, origin: 'live' } },
    ])
  })

  test('that the user is not in is dropped, but confirmed: the count is of all messages', () => {
    const harness = inRoom(2)
    expect(harness.receive(said({ to: '#dev' }))).toEqual([])
    harness.ask({ type: 'part', room: '#ops' })
    harness.step({ type: 'room-parted', dial: harness.dial, room: '#ops' })
    expect(harness.receive(said({ id: '2' }))).toEqual([])
    harness.receive(messageOf({ id: '3' }))
    expect(counts(harness.advance(1_000)).at(-1)).toBe(3)
    expect(harness.session.messages.map(({ id }) => id)).toEqual(['3'])
  })

  test('that comes after leaving, before the answer of the server, is kept: its sender takes it for delivered', () => {
    const harness = inRoom(2)
    harness.ask({ type: 'part', room: '#ops' })
    expect(harness.receive(said())[0]).toMatchObject({ type: 'store' })
  })

  test('is confirmed after a random time that grows with the room, so that all together confirm equally often', () => {
    expect([2, 50, 99].map(members => confirmedAfter(inRoom(members)))).toEqual([10, 250, 495])
    expect(confirmedAfter(inRoom(99, { random: () => 0 }))).toBe(0)
  })

  test('is confirmed at once by a few members of a large room, and within 20 s by the others', () => {
    expect(confirmedAfter(inRoom(2_000, { random: () => 0.004 }))).toBe(0)
    expect(confirmedAfter(inRoom(2_000, { random: () => 0.99 }))).toBe(20_000)
    expect(confirmedAfter(inRoom(100, { random: () => 0.99 }))).toBe(2_000)
  })

  test('is confirmed together with the ones that follow, after one random time for all', () => {
    let random = 0.9
    const harness = inRoom(90, { random: () => random })
    harness.receive(said())
    random = 0.1
    harness.receive(said({ id: '2' }))
    expect(counts(harness.advance(809))).toEqual([])
    expect(counts(harness.advance(1))).toEqual([2])
    expect(confirmedAfter(harness, said({ id: '3' }))).toBe(90)
  })

  test('of a small room is confirmed in time while one of a large room waits', () => {
    const harness = inRoom(2_000, { random: () => 0.99 })
    harness.receive(said())
    harness.receive(messageOf({ id: '2' }))
    expect(counts(harness.advance(0))).toEqual([2])
  })

  test('of this user, from another connection, is confirmed after 1 s', () => {
    expect(confirmedAfter(inRoom(500), said({ from: 'Anna' }))).toBe(1_000)
  })

  test('does not delay the confirmation of a message to this user', () => {
    const harness = inRoom(2_000)
    harness.receive(said())
    harness.receive(messageOf({ id: '2' }))
    expect(counts(harness.step({ type: 'flush' }))).toEqual([2])
  })

  test('in token mode is taken from a server without a proof, which has checked its author', () => {
    const harness = new SessionHarness({ auth: 'token' }, { rooms: [['#ops', true, EPOCH_MS - 1]] })
    harness.step({ type: 'start' })
    harness.goOnline(['Anna'], { rooms: true, auth: 'token' })
    expect(effectsOf(harness.receive(said({ proof: 'p' })), 'store')).toMatchObject([{ message: { proof: 'p' } }])
    expect(effectsOf(harness.receive(said({ id: '2' })), 'store')).toHaveLength(1)
  })

  test('in key mode is dropped and said to be forged unless its author has signed it, and is confirmed', () => {
    const harness = new SessionHarness(
      {},
      { rooms: [['#ops', true, EPOCH_MS - 1]], keys: new Map([['Billy', billy.key]]) },
    )
    harness.step({ type: 'start' })
    harness.goOnlineWithKey(anna, ['Anna', 'Billy'])
    const sign = (identity: PlainIdentity, message = said()) => {
      const text = roomMessageText(message, MESH_KEY)
      return { ...message, proof: formatAuthorProof(identity.key, identity.sign(text)) }
    }
    const forged = [said(), sign(other), { ...sign(billy), text: 'No' }, { ...sign(billy), at: EPOCH_MS - 1 }]
    for (const message of forged) {
      expect(harness.receive(message)).toEqual([{ type: 'event', event: { type: 'forged', from: 'Billy' } }])
    }
    const message = sign(billy)
    expect(effectsOf(harness.receive(message), 'store')).toEqual([{ type: 'store', message }])
    expect(counts(harness.advance(20_000)).at(-1)).toBe(5)
  })
})
