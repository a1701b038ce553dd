/** How many have confirmed the user's messages: counts only grow, and all clients of the user end with the same. */

import { describe, expect, test } from 'vitest'
import type { SiblingFrame } from '../../../../src/client/history/reconciliation.ts'
import { ReceiptLog } from '../../../../src/client/messages/receipts.ts'
import { MAX_RECEIPT_NAMES, type Receipt } from '../../../../src/protocol/messages.ts'
import {
  clientContext,
  EPOCH_MS,
  effectsOf,
  eventsOf,
  messageOf,
  SessionHarness,
  takeEffects,
} from '../../../support/harness/session-harness.ts'
import { Random } from '../../../support/random.ts'

function build(stored: Receipt[] = []) {
  const context = clientContext()
  const log = new ReceiptLog(context, stored)
  /** What a receipt stores and tells; undefined: nothing. */
  const record = (receipt: Receipt) => {
    log.record(receipt)
    const effects = takeEffects(context)
    const [stored] = effectsOf(effects, 'store-receipt')
    const [event] = eventsOf(effects)
    if (stored === undefined || event?.type !== 'progress') return effects.length === 0 ? undefined : effects
    return [stored.receipt, event.progress]
  }
  return { context, log, record }
}
const toBilly = (delivered: number): Receipt => ['m', EPOCH_MS, 'Billy', delivered]
const toRoom = (delivered: number, of: number, ...names: string[]): Receipt => [
  'm',
  EPOCH_MS,
  '#ops',
  delivered,
  of,
  names,
]
const delivered = (connections: number) => ({ state: 'delivered', connections })

test('a receipt is stored and told', () => {
  const { context, log } = build()
  log.record(toBilly(2))
  expect(takeEffects(context)).toEqual([
    { type: 'store-receipt', id: 'm', at: EPOCH_MS, receipt: { delivered: 2 } },
    { type: 'event', event: { type: 'progress', id: 'm', to: 'Billy', progress: delivered(2) } },
  ])
})

test('a count only grows: one that is not higher changes nothing', () => {
  const { record } = build()
  expect([1, 1, 3, 2, 0, 3].map(count => record(toBilly(count)))).toEqual([
    [{ delivered: 1 }, delivered(1)],
    undefined,
    [{ delivered: 3 }, delivered(3)],
    undefined,
    undefined,
    undefined,
  ])
})

test('a receipt of nobody, or of an impossible time, is none', () => {
  const { record, log } = build()
  expect(record(toBilly(0))).toBeUndefined()
  for (const at of [-1, 0, EPOCH_MS + 24 * 3_600_000 + 1, 1e300]) expect(record(['m', at, 'Billy', 1])).toBeUndefined()
  expect(log.latest).toEqual([])
})

test('names add up, whatever the order, and a new name counts although the number is lower', () => {
  const { record } = build()
  expect(record(toRoom(2, 5, 'Billy'))).toEqual([
    { delivered: 2, of: 5 },
    { ...delivered(2), of: 5, names: ['Billy'] },
  ])
  expect(record(toRoom(1, 5, 'Cleo', 'Billy'))).toEqual([
    { delivered: 2, of: 5 },
    { ...delivered(2), of: 5, names: ['Billy', 'Cleo'] },
  ])
  expect(record(toRoom(2, 5, 'Billy'))).toBeUndefined()
})

test('the delivery result of an own message is a receipt', () => {
  const { context, log } = build()
  log.recordFate(messageOf({ id: 'm', to: '#ops' }), { ok: true, delivered: 1, of: 3 })
  log.recordFate(messageOf({ id: 'n', to: 'Billy' }), { ok: true, delivered: 1 })
  expect(log.latest).toEqual([
    ['m', EPOCH_MS, '#ops', 1, 3, []],
    ['n', EPOCH_MS, 'Billy', 1],
  ])
  expect(effectsOf(takeEffects(context), 'store-receipt')).toHaveLength(2)
})

test('receipts of earlier runs are known: the same again changes nothing, more is stored', () => {
  const { record, log } = build([toBilly(2), ['n', EPOCH_MS, '#ops', 1, 3, []]])
  expect(record(toBilly(2))).toBeUndefined()
  expect(record(toBilly(3))).toEqual([{ delivered: 3 }, delivered(3)])
  expect(log.latest.map(([id]) => id)).toEqual(['n', 'm'])
})

test('those of the latest 200 messages are compared with other clients of the user, without names', () => {
  const { log } = build()
  for (let n = 0; n < 201; n++) log.record([`${n}`, EPOCH_MS + n, '#ops', 1, 2, ['Billy']])
  expect(log.latest.length).toBe(200)
  expect([log.latest[0], log.latest.at(-1)]).toEqual([
    ['1', EPOCH_MS + 1, '#ops', 1, 2, []],
    ['200', EPOCH_MS + 200, '#ops', 1, 2, []],
  ])
})

test('a limited number is remembered: the ones that changed last', () => {
  const { log, record } = build()
  for (let n = 0; n <= 10_000; n++) record([`${n}`, EPOCH_MS, 'Billy', 1])
  expect(record(['1', EPOCH_MS, 'Billy', 1])).toBeUndefined()
  expect(record(['0', EPOCH_MS, 'Billy', 1])).toEqual([{ delivered: 1 }, delivered(1)])
  expect(log.latest.length).toBe(200)
})

test('clients that hear of the same receipts in any order have the same', () => {
  const random = new Random(2)
  for (let round = 0; round < 100; round++) {
    const receipts = Array.from({ length: 15 }, (): Receipt => {
      const names = ['Billy', 'Cleo', 'Dora'].filter(() => random.chance(0.3))
      return [random.pick(['m', 'n']), EPOCH_MS, '#ops', random.below(4), 4, names]
    })
    const last = (order: readonly Receipt[]) => {
      const { context, log } = build()
      for (const receipt of order) log.record(receipt)
      const rows = eventsOf(takeEffects(context)).flatMap(event =>
        event.type === 'progress' ? [[event.id, event.progress]] : [],
      )
      return ['m', 'n'].map(id => {
        const progress = rows.findLast(([of]) => of === id)?.[1] as
          | { names?: string[]; connections?: number }
          | undefined
        return [id, progress?.connections, [...(progress?.names ?? [])].sort()]
      })
    }
    const counted = receipts.filter(([, , , delivered]) => delivered > 0)
    expect(last([...counted].reverse())).toEqual(last(counted))
  }
})

describe('a server or a sibling that lies', () => {
  test('brings no more names than members', () => {
    const { context, log } = build()
    for (let n = 0; n < 100; n++) {
      log.record(toRoom(1, 1, ...Array.from({ length: MAX_RECEIPT_NAMES }, (_, at) => `user ${n}.${at}`)))
    }
    const told = eventsOf(takeEffects(context)).at(-1)
    const names = told?.type === 'progress' && told.progress.state === 'delivered' ? told.progress.names : []
    expect(names?.length).toBeLessThanOrEqual(MAX_RECEIPT_NAMES)
  })
})

describe('a session', () => {
  function online(stored: Receipt[] = []) {
    const harness = new SessionHarness({}, { receipts: stored })
    harness.step({ type: 'start' })
    harness.goOnline(['Anna', 'Billy'])
    const receive = (...receipts: Receipt[]) => harness.step({ type: 'receipts', dial: harness.dial, receipts })
    const sibling = (receipts: Receipt[]) =>
      harness.step({
        type: 'relay',
        dial: harness.dial,
        from: 's:2',
        frame: { type: 'receipts', receipts },
        sealed: false,
      })
    return { harness, receive, sibling }
  }

  test('shows receipts of its server and of other clients of the user', () => {
    const { receive, sibling } = online()
    expect(eventsOf(receive(toBilly(1), ['n', EPOCH_MS, 'Billy', 1])).map(({ type }) => type)).toEqual([
      'progress',
      'progress',
    ])
    expect(eventsOf(sibling([toBilly(1), toBilly(2)]))).toMatchObject([{ progress: delivered(2) }])
  })

  test('S20: compares them with other clients of the user, those of earlier runs included, and tells what differs', () => {
    const { harness, receive } = online([['old', EPOCH_MS - 5, 'Billy', 1]])
    receive(toBilly(1))
    harness.step({ type: 'siblings', dial: harness.dial, connections: 2 })
    const frames = effectsOf(harness.advance(1_000), 'relay').map(({ frame }) => frame)
    const own = frames.find(({ type }) => type === 'compare-receipts')
    if (own === undefined) throw new Error('nothing is compared')
    const told = (frame: SiblingFrame) =>
      effectsOf(
        harness.step({ type: 'relay', dial: harness.dial, from: 'server-1:2', frame, sealed: false }),
        'relay',
      ).map(({ to, frame }) => ({ to, frame }))
    expect(told(own)).toEqual([])
    const receipts = [['old', EPOCH_MS - 5, 'Billy', 1], toBilly(1)]
    expect(told({ type: 'compare-receipts', hash: '0'.repeat(16) })).toEqual([
      { to: 'server-1:2', frame: { type: 'receipts', receipts } },
    ])
  })

  test('does not lower a receipt that came before the delivery result', () => {
    const { harness, receive } = online()
    harness.compose('Billy')
    receive(['run.1.x', EPOCH_MS, 'Billy', 3])
    const effects = harness.answer('run.1.x', { ok: true, delivered: 1 })
    expect(effectsOf(effects, 'store-receipt')).toEqual([])
    expect(eventsOf(effects).filter(({ type }) => type === 'progress')).toEqual([])
  })
})
