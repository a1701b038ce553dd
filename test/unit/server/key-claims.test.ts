/** `auth: key` on one server's core: which key may use a name, and which sealed messages pass. */
import { describe, expect, test } from 'vitest'
import type { DiallerFrame, PresenceEntry } from '../../../src/protocol/frames.ts'
import { ServerHarness } from '../../support/harness/server-harness.ts'
import { keyNamed, PlainIdentity } from '../../support/simulation/plain-identity.ts'

const ANNA = keyNamed('Anna')
const MALLORY = keyNamed('Mallory')
const keyed = (key: string) => ({ kind: 'key' as const, key })

function setUp() {
  const harness = new ServerHarness({}, { auth: 'key' })
  const link = harness.acceptLink('server-2', 'key')
  harness.step({ type: 'frame', link, frame: { event: 'members', payload: [] } })
  let seq = 0
  /** The peer announces its users: a snapshot first, then deltas. */
  const announce = (...changes: PresenceEntry[]) => {
    const incarnation = 'server-2#1'
    const payload =
      seq === 0
        ? { type: 'snapshot' as const, incarnation, seq: ++seq, users: changes, more: false }
        : { type: 'delta' as const, incarnation, seq: ++seq, changes }
    harness.step({ type: 'frame', link, frame: { event: 'presence', payload } })
  }
  const join = (user: string, key: string) => {
    const connection = harness.connect()
    return { connection, answer: harness.identify(connection, user, 2, keyed(key)) }
  }
  return { harness, announce, join, link }
}

test('a name that is online here or on a peer is given to its key only', () => {
  const { harness, announce, join } = setUp()
  const anna = join('Anna', ANNA)
  expect(anna.answer).toMatchObject({ ok: true, auth: 'key' })
  expect(join('Anna', MALLORY).answer).toMatchObject({ ok: false, code: 'name-taken' })
  expect(join('Anna', ANNA).answer).toMatchObject({ ok: true })
  announce(['Billy', 1, keyNamed('Billy'), 1])
  expect(join('Billy', MALLORY).answer).toMatchObject({ ok: false, code: 'name-taken' })
  expect(join('Billy', keyNamed('Billy')).answer).toMatchObject({ ok: true })
  const unidentified = harness.connect()
  expect(harness.identify(unidentified, 'Carla')).toMatchObject({ ok: false, code: 'unauthorized' })
  expect(harness.identify(unidentified, 'Carla', 1)).toMatchObject({ ok: false, code: 'unauthorized' })
})

test('a name stays with its key for 12 hours after its last connection is gone, here or on a peer', () => {
  const { harness, announce, join, link } = setUp()
  const { connection } = join('Anna', ANNA)
  harness.step({ type: 'disconnected', connection })
  announce(['Billy', 1, keyNamed('Billy'), 1])
  announce(['Billy', 0])
  announce(['Carla', 1, keyNamed('Carla'), 1])
  harness.step({ type: 'frame', link, frame: { event: 'goodbye', payload: null } })
  expect(harness.server.rememberedClaims).toBe(3)
  for (const user of ['Anna', 'Billy', 'Carla']) {
    expect(join(user, MALLORY).answer).toMatchObject({ ok: false, code: 'name-taken' })
    const back = join(user, keyNamed(user))
    expect(back.answer).toMatchObject({ ok: true })
    harness.step({ type: 'disconnected', connection: back.connection })
  }
  harness.advance(12 * 3_600_000)
  for (const user of ['Anna', 'Billy', 'Carla']) {
    const { connection, answer } = join(user, MALLORY)
    expect(answer).toMatchObject({ ok: true })
    harness.step({ type: 'disconnected', connection })
  }
  harness.advance(13 * 3_600_000)
  expect(harness.server.rememberedClaims).toBe(0)
})

test('a name stays claimed when its server is lost', () => {
  const { harness, announce, join, link } = setUp()
  announce(['Billy', 1, keyNamed('Billy'), 1])
  harness.step({ type: 'link-closed', link, reason: 'cut' })
  harness.advance(4_000)
  expect(join('Billy', MALLORY).answer).toMatchObject({ ok: false, code: 'name-taken' })
  harness.advance(2_000)
  expect(join('Billy', MALLORY).answer).toMatchObject({ ok: false, code: 'name-taken' })
  expect(join('Billy', keyNamed('Billy')).answer).toMatchObject({ ok: true })
})

test('the older of two claims wins, and the connection with the younger one is refused with a reason', () => {
  const { harness, announce, join } = setUp()
  const { connection } = join('Anna', MALLORY)
  announce(['Anna', 1, ANNA, harness.wallOffset + harness.now + 1_000])
  expect(harness.closed.size).toBe(0)
  announce(['Anna', 1, ANNA, harness.wallOffset])
  expect([...harness.closed.keys()]).toEqual([connection])
  expect(harness.refusalCodes(connection)).toEqual(['name-taken'])
})

test('a claim time invented by a peer does not make the claim of the same key here younger', () => {
  const { harness, announce, join } = setUp()
  announce(['Anna', 1, ANNA, Number.MAX_SAFE_INTEGER])
  const { connection } = join('Anna', ANNA)
  // At the peer, another key claims the name a little later than Anna did here.
  announce(['Anna', 1, MALLORY, harness.wallOffset + harness.now + 1_000])
  expect(harness.closed.has(connection)).toBe(false)
  expect(join('Anna', MALLORY).answer).toMatchObject({ ok: false, code: 'name-taken' })
})

test('a name that a server of 0.1 gives to another key stays with the key that held it before', () => {
  const { harness, announce, join } = setUp()
  const asker = join('Billy', keyNamed('Billy')).connection
  const holder = () => {
    harness.step({ type: 'key', connection: asker, user: 'Anna', call: 900 })
    return harness.answers.get(900)
  }
  announce(['Anna', 1, ANNA, 1])
  expect(holder()).toEqual({ ok: true, key: ANNA })
  announce(['Anna', 1, MALLORY, 2])
  expect(holder()).toEqual({ ok: true, key: ANNA })
  announce(['Anna', 0])
  expect(holder()).toEqual({ ok: true, key: ANNA })
  harness.advance(12 * 3_600_000)
  expect(holder()).toEqual({ ok: true })
})

describe('a ticket of a claim', () => {
  const start = (limits = {}) => {
    const harness = new ServerHarness(limits, { auth: 'key', peers: [] })
    const wall = () => harness.wallOffset + harness.now
    let call = 10_000
    const identify = (user: string, key: string, ticket?: { at: number; issued: number }) => {
      const connection = harness.connect()
      call++
      const credential = { ...keyed(key), ...(ticket === undefined ? {} : { ticket }) }
      harness.step({ type: 'identify', connection, user, protocol: 2, call, credential })
      const number = call
      return { connection, answer: () => harness.answers.get(number) }
    }
    return { harness, wall, identify }
  }

  test('A15: the connections of a key that came first are closed, then the owner gets the name', () => {
    const { harness, wall, identify } = start()
    const thief = identify('Anna', MALLORY)
    expect(thief.answer()).toMatchObject({ ok: true })
    const anna = identify('Anna', ANNA, { at: wall() - 5_000, issued: wall() - 1_000 })
    expect(anna.answer()).toBeUndefined()
    expect(harness.refusalCodes(thief.connection)).toEqual(['name-taken'])
    expect(harness.closed.has(thief.connection)).toBe(true)
    harness.step({ type: 'disconnected', connection: thief.connection })
    expect(anna.answer()).toMatchObject({ ok: true })
    expect(identify('Anna', MALLORY).answer()).toMatchObject({ code: 'name-taken' })
    // The thief may have a ticket, too.
    const ticket = { at: wall() - 4_000, issued: wall() }
    expect(identify('Anna', MALLORY, ticket).answer()).toMatchObject({ code: 'name-taken' })
  })

  test('A15: one with an impossible or an old time is ignored', () => {
    const { wall, identify } = start({ claimMs: 60_000 })
    identify('Anna', ANNA)
    for (const issued of [wall() + 6 * 60_000, wall() - 60_000]) {
      expect(identify('Anna', MALLORY, { at: wall() - 100_000, issued }).answer()).toMatchObject({ code: 'name-taken' })
    }
  })

  test('A15: a name that is held by ticket is not refused because of a look-alike that came first', () => {
    const { wall, identify } = start()
    identify('ANNA', MALLORY)
    expect(identify('Anna', ANNA).answer()).toMatchObject({ code: 'look-alike' })
    const ticket = { at: wall() - 5_000, issued: wall() - 1_000 }
    expect(identify('Anna', ANNA, ticket).answer()).toMatchObject({ ok: true })
  })

  test('A14: an identified connection gets the claim for its ticket, at most every 10 s', () => {
    const { harness, identify } = start()
    const { connection } = identify('Anna', ANNA)
    let call = 20_000
    const ask = (connection: number) => {
      harness.step({ type: 'claim', connection, call: ++call })
      return harness.answers.get(call)
    }
    expect(ask(connection)).toMatchObject({ ok: true, user: 'Anna', claim: { key: ANNA } })
    expect(ask(connection)).toMatchObject({ code: 'rate-limited' })
    harness.advance(10_000)
    expect(ask(connection)).toMatchObject({ ok: true })
    expect(ask(harness.connect())).toMatchObject({ code: 'not-identified' })
  })
})

test('only messages sealed by their sender are accepted, and only the key they are sealed for receives them', () => {
  const { harness, join } = setUp()
  const anna = join('Anna', ANNA).connection
  const billy = join('Billy', keyNamed('Billy')).connection
  const message = (to: string) =>
    new PlainIdentity('Anna').seal({ id: 'x', at: 1, from: 'Anna', to: 'Billy', text: 'hi' }, to)
  const recipients = () =>
    harness.effects.splice(0).flatMap(one => (one.type === 'emit' && one.message.event === 'im' ? [...one.to] : []))
  expect(harness.im(anna, 'Billy', 'hi')).toMatchObject({ ok: false, code: 'not-sealed' })
  expect(harness.im(billy, 'Anna', message(ANNA))).toMatchObject({ ok: false, code: 'not-sealed' })
  recipients()
  expect(harness.im(anna, 'Billy', message(MALLORY))).toEqual({ ok: true, delivered: 0 })
  expect(recipients()).toEqual([anna])
  harness.im(anna, 'Billy', message(keyNamed('Billy')))
  expect(recipients()).toEqual([billy, anna])
})

describe('a server that has just started', () => {
  const start = () => {
    const harness = new ServerHarness({}, { auth: 'key' })
    const join = (user: string, key: string) => {
      const connection = harness.connect()
      const call = 1_000 + connection
      const credential = keyed(key)
      harness.step({ type: 'identify', connection, user, protocol: 2, call, credential })
      return { connection, answer: () => harness.answers.get(call) }
    }
    return { harness, join }
  }

  test('gives names away only when a peer has sent the claims that it remembers', () => {
    const { harness, join } = start()
    const thief = join('Billy', MALLORY)
    const anna = join('Anna', ANNA)
    expect([thief.answer(), anna.answer()]).toEqual([undefined, undefined])
    const link = harness.acceptLink('server-2', 'key')
    const frame = (frame: DiallerFrame) => harness.step({ type: 'frame', link, frame })
    frame({ event: 'claims', payload: [['Billy', keyNamed('Billy'), 1, 1_000]] })
    frame({ event: 'members', payload: [] })
    expect(thief.answer()).toMatchObject({ ok: false, code: 'name-taken' })
    expect(anna.answer()).toMatchObject({ ok: true })
    expect(join('Carla', keyNamed('Carla')).answer()).toMatchObject({ ok: true })
  })

  test('waits 2 s for them, and does not remember connections that close', () => {
    const { harness, join } = start()
    const anna = join('Anna', ANNA)
    const gone = join('Carla', ANNA)
    harness.step({ type: 'disconnected', connection: gone.connection })
    harness.advance(1_999)
    expect(anna.answer()).toBeUndefined()
    harness.advance(1)
    expect(anna.answer()).toMatchObject({ ok: true })
    expect(gone.answer()).toBeUndefined()
    expect(harness.server.roster).toEqual([])
    harness.advance(100)
    expect(harness.server.roster).toEqual(['Anna'])
  })

  test('refuses a second identification on a connection while the first one waits', () => {
    const { harness, join } = start()
    const { connection } = join('Anna', ANNA)
    expect(harness.identify(connection, 'Anna', 2, keyed(ANNA))).toMatchObject({ code: 'rate-limited' })
  })
})
