/** Typing notices: which ones a client sends, and which ones it shows. */
import { beforeEach, describe, expect, test } from 'vitest'
import type { SessionEffect } from '../../../../src/client/types.ts'
import { MAX_TYPING_AUDIENCE, type TypingNotice } from '../../../../src/protocol/messages.ts'
import { formatAuthorProof, roomTypingText } from '../../../../src/protocol/proofs/room-proof.ts'
import { EPOCH_MS, effectsOf, eventsOf, MESH_KEY, SessionHarness } from '../../../support/harness/session-harness.ts'
import { keyNamed, PlainIdentity } from '../../../support/simulation/plain-identity.ts'

const notices = (effects: readonly SessionEffect[]) => effectsOf(effects, 'typing').map(({ notice }) => notice)
const shown = (effects: readonly SessionEffect[]) =>
  eventsOf(effects).flatMap(event => (event.type === 'typing' ? [`${event.from} ${event.to}`] : []))

/** Anna's session, online with these users. */
function online(users: readonly string[], answer: { typing?: true; rooms?: true } = { typing: true, rooms: true }) {
  const harness = new SessionHarness({ typing: true })
  harness.step({ type: 'start' })
  harness.goOnline(users, answer)
  return harness
}
const type = (harness: SessionHarness, to: string) => notices(harness.ask({ type: 'typing', to }))
const hear = (harness: SessionHarness, notice: TypingNotice) =>
  shown(harness.step({ type: 'typing', dial: harness.dial, notice }))
function enter(harness: SessionHarness, room: string, members: readonly string[]) {
  harness.ask({ type: 'join', room })
  const answer = { ok: true as const, room, info: {}, version: 1, members: [...members] }
  harness.step({ type: 'room-joined', dial: harness.dial, room, answer })
}

describe('a client that types', () => {
  test('tells it at the first key, and at most every 3 s', () => {
    const harness = online(['Anna', 'Billy'])
    expect(type(harness, ' Billy ')).toEqual([{ to: 'Billy' }])
    for (const [ms, told] of [
      [0, 0],
      [2_999, 0],
      [1, 1],
      [2_999, 0],
      [60_000, 1],
    ] as const) {
      harness.advance(ms)
      expect([ms, type(harness, 'Billy').length]).toEqual([ms, told])
    }
  })

  test('sends one for each recipient, at the rate that a server passes on', () => {
    const users = Array.from({ length: 20 }, (_, at) => `user ${at + 10}`)
    const harness = online(['Anna', ...users])
    expect(users.flatMap(user => type(harness, user))).toHaveLength(5)
    harness.advance(1_000)
    expect(users.flatMap(user => type(harness, user))).toHaveLength(1)
  })

  test('tells it again after it has sent the message', () => {
    const harness = online(['Anna', 'Billy'])
    type(harness, 'Billy')
    harness.compose('Billy')
    expect(type(harness, 'Billy')).toEqual([{ to: 'Billy' }])
  })

  test.each(['Anna', 'Nobody', '', '#', '#ops', '\u0000'])('tells nothing to %j', to => {
    expect(type(online(['Anna', 'Billy']), to)).toEqual([])
  })

  test('tells nothing to a server that does not know notices, nor while offline', () => {
    const old = online(['Anna', 'Billy'], {})
    expect(type(old, 'Billy')).toEqual([])
    const harness = online(['Anna', 'Billy'])
    harness.step({ type: 'closed', dial: harness.dial, reason: 'gone' })
    expect(type(harness, 'Billy')).toEqual([])
  })

  test('tells it to a room of 1 to 32 others, which it has joined', () => {
    const harness = online(['Anna', 'Billy'])
    enter(harness, '#ops', ['Anna', 'Billy'])
    enter(harness, '#empty', ['Anna'])
    const many = Array.from({ length: MAX_TYPING_AUDIENCE + 1 }, (_, at) => `user ${at}`)
    enter(harness, '#large', ['Anna', ...many])
    expect(['#OPS', '#empty', '#large'].flatMap(room => type(harness, room))).toEqual([{ to: '#ops' }])
  })

  test('stores nothing and shows nothing', () => {
    const effects = online(['Anna', 'Billy']).ask({ type: 'typing', to: 'Billy' })
    expect(effects.map(effect => effect.type)).toEqual(['typing'])
  })
})

describe('a client that hears a notice', () => {
  test('shows users who are online, and members of rooms that it has joined', () => {
    const harness = online(['Anna', 'Billy', 'Cleo'])
    enter(harness, '#ops', ['Anna', 'Billy'])
    expect([hear(harness, { from: 'Billy', to: 'Anna' }), hear(harness, { from: 'Billy', to: '#ops' })]).toEqual([
      ['Billy Anna'],
      ['Billy #ops'],
    ])
  })

  test.each([
    ['of the same user', { from: 'Anna', to: 'Anna' }],
    ['of the same user in a room', { from: 'Anna', to: '#ops' }],
    ['to another user', { from: 'Billy', to: 'Cleo' }],
    ['of a user who is not online', { from: 'Nobody', to: 'Anna' }],
    ['to a room that it has not joined', { from: 'Billy', to: '#dev' }],
    ['of a user who is not in the room', { from: 'Cleo', to: '#ops' }],
  ])('shows none %s', (_, notice) => {
    const harness = online(['Anna', 'Billy', 'Cleo'])
    enter(harness, '#ops', ['Anna', 'Billy'])
    expect(hear(harness, notice)).toEqual([])
  })

  test('reads a bounded number of them', () => {
    const harness = online(['Anna', 'Billy'])
    const all = Array.from({ length: 10_000 }, () => hear(harness, { from: 'Billy', to: 'Anna' })).flat()
    expect(all).toHaveLength(100)
    harness.advance(1_000)
    expect(hear(harness, { from: 'Billy', to: 'Anna' })).toEqual(['Billy Anna'])
  })
})

describe('in key mode', () => {
  const anna = new PlainIdentity('Anna')
  const billy = new PlainIdentity('Billy')
  const mallory = new PlainIdentity('Mallory')
  let harness: SessionHarness
  beforeEach(() => {
    const keys = new Map([['Billy', billy.key]])
    harness = new SessionHarness({ typing: true }, { keys })
    harness.step({ type: 'start' })
    harness.askForKey()
    harness.proveKey(anna)
    harness.accept(['Anna', 'Billy', 'Cleo'], { auth: 'key', typing: true, rooms: true })
    enter(harness, '#ops', ['Anna', 'Billy', 'Cleo'])
  })
  const sealedBy = (identity: PlainIdentity, to = anna.key, at = EPOCH_MS + harness.now): TypingNotice => {
    const notice = { from: 'Billy', to: 'Anna', at }
    return { ...notice, proof: identity.seal({ ...notice, id: '', text: '' }, to, 'typing') }
  }
  const signedBy = (identity: PlainIdentity, mesh = MESH_KEY, at = EPOCH_MS + harness.now): TypingNotice => {
    const notice = { from: 'Billy', to: '#ops', at }
    return { ...notice, proof: formatAuthorProof(identity.key, identity.sign(roomTypingText(notice, mesh))) }
  }

  test('a notice is sealed for the known key of the recipient, and signed for a room', () => {
    const notice = { from: 'Anna', to: 'Billy', at: EPOCH_MS }
    const proof = anna.seal({ ...notice, id: '', text: '' }, billy.key, 'typing')
    expect(type(harness, 'Billy')).toEqual([{ to: 'Billy', at: EPOCH_MS, proof }])
    const text = roomTypingText({ ...notice, to: '#ops' }, MESH_KEY)
    expect(type(harness, '#ops')).toEqual([
      { to: '#ops', at: EPOCH_MS, proof: formatAuthorProof(anna.key, anna.sign(text)) },
    ])
  })

  test('a user whose key is not known, or has changed, is told nothing', () => {
    expect(type(harness, 'Cleo')).toEqual([])
    harness.step({ type: 'key', dial: harness.dial, user: 'Billy', key: keyNamed('another') })
    expect(type(harness, 'Billy')).toEqual([])
  })

  test('a notice of a user with a known key is shown, once', () => {
    const [sealed, signed] = [sealedBy(billy), signedBy(billy)]
    expect([hear(harness, sealed), hear(harness, signed)]).toEqual([['Billy Anna'], ['Billy #ops']])
    expect([hear(harness, sealed), hear(harness, signed)]).toEqual([[], []])
    harness.advance(3_000)
    expect([hear(harness, sealedBy(billy)), hear(harness, signedBy(billy))]).toEqual([['Billy Anna'], ['Billy #ops']])
  })

  test('a notice that its sender has not made for this, now, is not shown', () => {
    const now = EPOCH_MS + harness.now
    const { proof: ofMessage } = {
      proof: billy.seal({ id: '', at: now, from: 'Billy', to: 'Anna', text: '' }, anna.key),
    }
    for (const notice of [
      { from: 'Billy', to: 'Anna' },
      { from: 'Billy', to: '#ops' },
      sealedBy(mallory),
      signedBy(mallory),
      sealedBy(billy, mallory.key),
      signedBy(billy, keyNamed('another mesh')),
      sealedBy(billy, anna.key, now - 15_001),
      sealedBy(billy, anna.key, now + 15_001),
      signedBy(billy, MESH_KEY, now - 15_001),
      { ...sealedBy(billy), at: now + 1 },
      { ...signedBy(billy), at: now + 1 },
      { ...sealedBy(billy), from: 'Cleo' },
      { ...signedBy(billy), from: 'Cleo' },
      { ...sealedBy(billy), proof: ofMessage },
    ])
      expect([notice, hear(harness, notice)]).toEqual([notice, []])
  })

  test('a notice is not taken for a message', () => {
    const { at = 0, proof = '' } = sealedBy(billy)
    const effects = harness.receive({ id: '', at, from: 'Billy', to: 'Anna', text: proof })
    expect(eventsOf(effects)).toEqual([{ type: 'forged', from: 'Billy' }])
  })
})

test('with a view of a long roster, notices of the users that the client watches are shown', () => {
  const harness = new SessionHarness({ typing: true })
  harness.step({ type: 'start' })
  harness.goOnline([], { typing: true, roster: { version: 1, users: [], total: 50_000 } })
  const notice = { from: 'Billy', to: 'Anna' }
  expect([type(harness, 'Billy'), hear(harness, notice)]).toEqual([[], []])
  harness.ask({ type: 'watch', users: ['Billy'] })
  const answer = { ok: true as const, users: ['Billy'], total: 50_000 }
  harness.step({ type: 'watched', dial: harness.dial, names: ['Billy'], answer })
  expect([type(harness, 'Billy'), hear(harness, notice)]).toEqual([[{ to: 'Billy' }], ['Billy Anna']])
})

test('a client asks for notices only if it is told to', () => {
  const requestOf = (typing?: boolean) => {
    const harness = new SessionHarness({ typing })
    harness.step({ type: 'start' })
    harness.step({ type: 'opened', dial: harness.dial })
    return harness.request.typing
  }
  expect([requestOf(), requestOf(true)]).toEqual([false, true])
})
