import { expect, test } from 'vitest'
import type { Context } from '../../../src/client/context.ts'
import { NO_ARCHIVE } from '../../../src/client/history/message-log.ts'
import { MessageStore } from '../../../src/client/history/message-store.ts'
import { compareFrame } from '../../../src/client/history/reconciliation.ts'
import { Siblings } from '../../../src/client/history/siblings.ts'
import { clientContext, EPOCH_MS, effectsOf, eventsOf, messageOf, takeEffects } from '../../support/session-harness.ts'

const NEVER = Number.POSITIVE_INFINITY

function build(): { context: Context; store: MessageStore; siblings: Siblings } {
  // At random() = 0.5, a delay within 500 ms is 375 ms.
  const context = clientContext()
  const store = new MessageStore(context, NO_ARCHIVE)
  return { context, store, siblings: new Siblings(context, store) }
}
function tick({ context, siblings }: ReturnType<typeof build>, now: number) {
  context.now = now
  siblings.tick()
  return effectsOf(takeEffects(context), 'relay').map(({ to, frame }) => ({ to, frame }))
}

test('S3: a single client has nothing to compare', () => {
  const { siblings } = build()
  siblings.setConnections(1)
  expect(siblings.deadline).toBe(NEVER)
})

test('S3: with another client, a comparison starts within 500 ms and is repeated every 60 s', () => {
  const parts = build()
  parts.siblings.setConnections(2)
  expect(parts.siblings.deadline).toBe(375)
  expect(tick(parts, 374)).toEqual([])
  const compare = { to: undefined, frame: compareFrame(parts.store.log) }
  expect(tick(parts, 375)).toEqual([compare])
  expect(parts.siblings.deadline).toBe(60_375)
  expect(tick(parts, 60_375)).toEqual([compare])
})

test('S3: comparisons end when the other client is gone', () => {
  const parts = build()
  parts.siblings.setConnections(2)
  tick(parts, 375)
  parts.siblings.setConnections(1)
  tick(parts, 60_375)
  expect(parts.siblings.deadline).toBe(NEVER)
})

test('S3: a disconnect cancels the comparison', () => {
  const { siblings } = build()
  siblings.setConnections(2)
  siblings.onDisconnected()
  expect(siblings.deadline).toBe(NEVER)
})

test('S9: messages of other users are dropped', () => {
  const { context, siblings, store } = build()
  const foreign = messageOf({ id: '1', from: 'Billy', to: 'Carla' })
  siblings.handleFrame('server-1:2', { type: 'tell', messages: [foreign] })
  expect(store.log.size).toBe(0)
  expect(takeEffects(context)).toEqual([])
  expect(siblings.deadline).toBe(NEVER)
})

test('S10: after messages arrived, a comparison checks the result within 2 s', () => {
  const { context, siblings } = build()
  const message = messageOf()
  siblings.handleFrame('server-1:2', { type: 'tell', messages: [message] })
  expect(takeEffects(context)).toEqual([
    { type: 'store', message },
    { type: 'event', event: { type: 'message', message, origin: 'history' } },
  ])
  expect(siblings.deadline).toBe(1_500)
})

test('S10: known messages do not start another comparison', () => {
  const { context, siblings, store } = build()
  store.add(messageOf(), 'live')
  takeEffects(context)
  siblings.handleFrame('server-1:2', { type: 'tell', messages: [messageOf()] })
  expect(siblings.deadline).toBe(NEVER)
})

test('answers go to the sibling that asked', () => {
  const { context, siblings, store } = build()
  store.add(messageOf(), 'live')
  takeEffects(context)
  siblings.handleFrame('server-1:2', { type: 'have', from: 0, messages: [] })
  expect(takeEffects(context)).toEqual([
    { type: 'relay', dial: 1, to: 'server-1:2', frame: { type: 'tell', messages: [messageOf()] } },
  ])
})

test('S11: a read mark is sent to all siblings after 300 ms', () => {
  const parts = build()
  parts.siblings.setConnections(2)
  parts.siblings.markRead('Billy', 5)
  expect(parts.siblings.deadline).toBe(300)
  expect(tick(parts, 300)).toEqual([{ to: undefined, frame: { type: 'read', marks: [['Billy', 5]] } }])
})

test('S11: a read mark without siblings is sent when one connects', () => {
  const parts = build()
  parts.siblings.setConnections(1)
  parts.siblings.markRead('Billy', 5)
  expect(parts.siblings.deadline).toBe(NEVER)
  parts.context.now = 10_000
  parts.siblings.setConnections(2)
  expect(tick(parts, 10_300)).toEqual([{ to: undefined, frame: { type: 'read', marks: [['Billy', 5]] } }])
})

test("S12: a sibling's read mark is emitted once, if it advances", () => {
  const { context, siblings } = build()
  const read = (at: number) => {
    siblings.handleFrame('server-1:2', { type: 'read', marks: [['Billy', at]] })
    return eventsOf(takeEffects(context))
  }
  expect(read(EPOCH_MS)).toEqual([{ type: 'read', thread: 'Billy', at: EPOCH_MS }])
  expect(read(EPOCH_MS)).toEqual([])
  expect(read(EPOCH_MS - 1)).toEqual([])
})

test.each([-1, 0, 253_402_300_800_000, EPOCH_MS + 2 * 24 * 3_600_000])(
  'S13: messages and read marks of a sibling with the impossible time %d are dropped',
  at => {
    const { context, siblings, store } = build()
    siblings.handleFrame('server-1:2', { type: 'read', marks: [['Billy', at]] })
    siblings.handleFrame('server-1:2', { type: 'tell', messages: [messageOf({ id: 'bad', at }), messageOf()] })
    expect(store.log.between({ from: 0 })).toEqual([messageOf()])
    expect(eventsOf(takeEffects(context)).map(({ type }) => type)).toEqual(['message'])
  },
)

test('S10: comparisons that bring no message become rare, until one does', () => {
  const parts = build()
  parts.siblings.setConnections(2)
  parts.store.add(messageOf(), 'live')
  /** A sibling that claims messages and does not send them. */
  const claim = { type: 'compare', ranges: [{ from: 0, count: 5, hash: 'x' }] } as const
  const delays: number[] = []
  for (let n = 0; n < 8; n++) {
    parts.siblings.handleFrame('server-1:2', { ...claim, ranges: [...claim.ranges] })
    delays.push(parts.siblings.deadline - parts.context.now)
    tick(parts, parts.siblings.deadline)
  }
  expect(delays).toEqual([375, 3_000, 6_000, 12_000, 24_000, 45_000, 45_000, 45_000])
  parts.siblings.handleFrame('server-1:2', { type: 'tell', messages: [messageOf({ id: 'new' })] })
  expect(parts.siblings.deadline - parts.context.now).toBe(1_500)
})

test('a frame that arrives while offline is dropped', () => {
  const { context, siblings, store } = build()
  context.onlineConnection = undefined
  siblings.handleFrame('server-1:2', { type: 'tell', messages: [messageOf()] })
  expect(store.log.size).toBe(0)
})
