/** `auth: key` on one server's core: which key may use a name, and which sealed messages pass. */
import { expect, test } from 'vitest'
import type { PresenceEntry } from '../../../src/protocol/frames.ts'
import { ServerHarness } from '../../support/server-harness.ts'
import { keyNamed, PlainIdentity } from '../../support/simulation/plain-identity.ts'

const ANNA = keyNamed('Anna')
const MALLORY = keyNamed('Mallory')
const keyed = (key: string) => ({ kind: 'key' as const, key })

function setUp() {
  const harness = new ServerHarness({}, { auth: 'key' })
  const link = harness.acceptLink('server-2', 'key')
  let seq = 0
  /** What a peer tells of its users. */
  const told = (...changes: PresenceEntry[]) => {
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
  return { harness, told, join, link }
}

test('gives a name that is online to its key only, here and on peers', () => {
  const { harness, told, join } = setUp()
  const anna = join('Anna', ANNA)
  expect(anna.answer).toMatchObject({ ok: true, auth: 'key' })
  expect(join('Anna', MALLORY).answer).toMatchObject({ ok: false, code: 'name-taken' })
  expect(join('Anna', ANNA).answer).toMatchObject({ ok: true })
  told(['Billy', 1, keyNamed('Billy'), 1])
  expect(join('Billy', MALLORY).answer).toMatchObject({ ok: false, code: 'name-taken' })
  expect(join('Billy', keyNamed('Billy')).answer).toMatchObject({ ok: true })
  const stranger = harness.connect()
  expect(harness.identify(stranger, 'Carla')).toMatchObject({ ok: false, code: 'unauthorized' })
  expect(harness.identify(stranger, 'Carla', 1)).toMatchObject({ ok: false, code: 'unauthorized' })
})

test('frees it when its last connection is gone', () => {
  const { harness, told, join } = setUp()
  const { connection } = join('Anna', ANNA)
  harness.step({ type: 'disconnected', connection })
  expect(join('Anna', MALLORY).answer).toMatchObject({ ok: true })
  told(['Billy', 1, keyNamed('Billy'), 1])
  told(['Billy', 0])
  expect(join('Billy', MALLORY).answer).toMatchObject({ ok: true })
})

test('holds a name through the grace period of a peer that is out of sight', () => {
  const { harness, told, join, link } = setUp()
  told(['Billy', 1, keyNamed('Billy'), 1])
  harness.step({ type: 'link-closed', link, reason: 'cut' })
  harness.advance(4_000)
  expect(join('Billy', MALLORY).answer).toMatchObject({ ok: false, code: 'name-taken' })
  harness.advance(2_000)
  expect(join('Billy', MALLORY).answer).toMatchObject({ ok: true })
})

test('settles two holders by the older claim, and tells the younger why', () => {
  const { harness, told, join } = setUp()
  const { connection } = join('Anna', MALLORY)
  told(['Anna', 1, ANNA, harness.wallOffset + harness.now + 1_000])
  expect(harness.closed.size).toBe(0)
  told(['Anna', 1, ANNA, harness.wallOffset])
  expect([...harness.closed.keys()]).toEqual([connection])
  expect(harness.refusalCodes(connection)).toEqual(['name-taken'])
})

test('takes over no time that a peer invents for a key: who holds the name here is not younger for it', () => {
  const { harness, told, join } = setUp()
  told(['Anna', 1, ANNA, Number.MAX_SAFE_INTEGER])
  const { connection } = join('Anna', ANNA)
  // The peer goes on, and a thief takes the name there, a little later than she did here.
  told(['Anna', 1, MALLORY, harness.wallOffset + harness.now + 1_000])
  expect(harness.closed.has(connection)).toBe(false)
  expect(join('Anna', MALLORY).answer).toMatchObject({ ok: false, code: 'name-taken' })
})

test('a name that passes to another key in one turn of its server has passed here, too', () => {
  const { harness, told, join } = setUp()
  const asker = join('Billy', keyNamed('Billy')).connection
  const holder = () => {
    harness.step({ type: 'key', connection: asker, user: 'Anna', call: 900 })
    return harness.answers.get(900)
  }
  told(['Anna', 1, ANNA, 1])
  expect(holder()).toEqual({ ok: true, key: ANNA })
  told(['Anna', 1, MALLORY, 2])
  expect(holder()).toEqual({ ok: true, key: MALLORY })
  told(['Anna', 0])
  expect(holder()).toEqual({ ok: true })
})

test('takes only what its sender has sealed, and gives it only to the key for which it is', () => {
  const { harness, join } = setUp()
  const anna = join('Anna', ANNA).connection
  const billy = join('Billy', keyNamed('Billy')).connection
  const message = (to: string) =>
    new PlainIdentity('Anna').seal({ id: 'x', at: 1, from: 'Anna', to: 'Billy', text: 'hi' }, to)
  const told = () =>
    harness.effects.splice(0).flatMap(one => (one.type === 'emit' && one.message.event === 'im' ? [...one.to] : []))
  expect(harness.im(anna, 'Billy', 'hi')).toMatchObject({ ok: false, code: 'not-sealed' })
  expect(harness.im(billy, 'Anna', message(ANNA))).toMatchObject({ ok: false, code: 'not-sealed' })
  told()
  expect(harness.im(anna, 'Billy', message(MALLORY))).toEqual({ ok: true, delivered: 0 })
  expect(told()).toEqual([anna])
  harness.im(anna, 'Billy', message(keyNamed('Billy')))
  expect(told()).toEqual([billy, anna])
})
