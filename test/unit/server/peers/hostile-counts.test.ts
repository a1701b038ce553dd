/** Numbers and requests of a peer that would make the server send too much, or what clients cannot read. */
import { expect, test } from 'vitest'
import { MAX_PEER_COUNT, presenceSchema } from '../../../../src/protocol/frames.ts'
import { fateSchema, receiptsSchema } from '../../../../src/protocol/messages.ts'
import { ServerHarness } from '../../../support/harness/server-harness.ts'

/** A server with both links to server-2. */
function setUp() {
  const harness = new ServerHarness({})
  const inbound = harness.acceptLink('server-2')
  const introduction = { id: 'server-2', incarnation: 'server-2#1', protocol: 2, url: 'http://127.0.0.1:2' }
  const outbound = 9_000
  harness.step({ type: 'dialled', peer: 'server-2', link: outbound, introduction, holds: { seq: 0 } })
  return { harness, inbound, outbound }
}

test('P16: a peer that requests snapshots all the time gets two per second at most', () => {
  const { harness, outbound } = setUp()
  harness.join('Anna')
  harness.advance(2_000)
  harness.effects.length = 0
  const request = () => harness.step({ type: 'frame', link: outbound, frame: { event: 'resync', payload: null } })
  const snapshots = () =>
    harness.effects.filter(
      one => one.type === 'send' && one.frame.event === 'presence' && one.frame.payload.type === 'snapshot',
    ).length
  for (let n = 0; n < 1_000; n++) request()
  expect(snapshots()).toBe(1)
  for (let n = 0; n < 100; n++) {
    harness.now += 10
    request()
  }
  expect(snapshots()).toBe(3)
})

test('P16: a count of connections near 2^53 counts as a million, so that sums can be read', () => {
  const users = [['Anna', Number.MAX_SAFE_INTEGER]]
  const frame = { type: 'snapshot', incarnation: 'server-2#1', seq: 1, users, more: false }
  expect(presenceSchema.parse(frame)).toMatchObject({ users: [['Anna', MAX_PEER_COUNT]] })
  const delta = { type: 'delta', incarnation: 'server-2#1', seq: 1, changes: [['Anna', 2 ** 52, 'no key', 1]] }
  expect(presenceSchema.parse(delta)).toMatchObject({ changes: [['Anna', 0]] })
})

test('F11: a delivery result near 2^53 does not make the result of the message unreadable', () => {
  const { harness, inbound, outbound } = setUp()
  const presence = {
    type: 'snapshot' as const,
    incarnation: 'server-2#1',
    seq: 1,
    users: [['Billy', 1]] as [string, number][],
    more: false,
  }
  harness.step({ type: 'frame', link: inbound, frame: { event: 'presence', payload: presence } })
  const [anna, billy] = [harness.join('Anna'), harness.join('Billy')]
  const call = 7_777
  const message = { id: 'one', at: harness.wallOffset + harness.now, to: 'Billy', text: 'hi' }
  harness.step({ type: 'im', connection: anna, message, call })
  harness.step({ type: 'got', connection: billy, count: 1 })
  const fates: [number, number, boolean][] = [[1, Number.MAX_SAFE_INTEGER, false]]
  harness.step({ type: 'frame', link: outbound, frame: { event: 'fates', payload: fates } })
  harness.advance(6_000)
  const answer = harness.answers.get(call)
  expect(fateSchema.safeParse(answer).success, JSON.stringify(answer)).toBe(true)
  expect(answer).toMatchObject({ ok: true, delivered: 1 })
  const receipts = harness.sentTo(anna, 'receipts')
  expect(receiptsSchema.safeParse(receipts.at(-1)).success, JSON.stringify(receipts)).toBe(true)
  expect(receipts.at(-1)).toMatchObject([['one', message.at, 'Billy', MAX_PEER_COUNT + 1]])
})
