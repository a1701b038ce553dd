/** How many unsent bytes a connection has, with ws's own count and without. */
import { EventEmitter } from 'node:events'
import { expect, test } from 'vitest'
import { Backpressure, type CutOffCounts } from '../../../daemon/transport/backpressure.ts'
import type { Engine } from '../../../daemon/transport/internals.ts'
import { DEFAULT_LIMITS } from '../../../src/protocol/limits.ts'
import { unlimitedBudget } from '../../support/harness/unlimited-budget.ts'

const LIMIT = 1_000

/** A connection without a network, and what its server counts. */
function makeConnection(transport: 'websocket' | 'polling', webSocket: boolean) {
  const features = {
    webSocket,
    pause: webSocket,
    closeTimeout: true,
    preEncodedFrames: webSocket,
    directWrites: webSocket,
    compactListeners: true,
    eventReader: false,
  }
  const cutOffCounts: CutOffCounts = { client: 0, peer: 0 }
  const socket = { bufferedAmount: 0, terminate: () => {} }
  const engine = Object.assign(new EventEmitter(), {
    transport: { name: transport, writable: true, ...(transport === 'websocket' ? { socket } : {}) },
    close: () => {},
  })
  const limits = { ...DEFAULT_LIMITS, bufferedBytes: LIMIT, linkBufferedBytes: 2 * LIMIT }
  const log = { write: () => {}, note: () => {} }
  const context = { limits, log, features, cutOffCounts }
  const budget = unlimitedBudget()
  budget.markIdentified()
  const backpressure = new Backpressure(engine as unknown as Engine, context, new Set(), budget)
  const queue = (bytes: number) => engine.emit('packetCreate', { data: 'x'.repeat(bytes) })
  return { engine, socket, backpressure, budget, cutOffCounts, queue }
}

test('a connection is disconnected when more than the limit waits in the buffer of Engine.IO', () => {
  const { cutOffCounts, queue } = makeConnection('websocket', true)
  queue(LIMIT)
  expect(cutOffCounts).toEqual({ client: 0, peer: 0 })
  queue(1)
  expect(cutOffCounts).toEqual({ client: 1, peer: 0 })
})

test('bytes count as UTF-8', () => {
  const { engine, cutOffCounts } = makeConnection('websocket', true)
  engine.emit('packetCreate', { data: '棕'.repeat(LIMIT / 2) })
  expect(cutOffCounts.client).toBe(1)
})

test('bytes that wait in ws count, too', () => {
  const { engine, socket, cutOffCounts, queue } = makeConnection('websocket', true)
  queue(LIMIT)
  engine.emit('flush')
  socket.bufferedAmount = LIMIT - 100
  queue(100)
  expect(cutOffCounts.client).toBe(0)
  queue(1)
  expect(cutOffCounts.client).toBe(1)
})

test("without ws's count, the bytes of the last flush count until the transport is writable", () => {
  const { engine, cutOffCounts, queue } = makeConnection('websocket', false)
  queue(LIMIT)
  engine.emit('flush')
  engine.transport.writable = true
  queue(LIMIT)
  expect(cutOffCounts.client).toBe(0)
  engine.emit('flush')
  engine.transport.writable = false
  queue(1)
  expect(cutOffCounts.client).toBe(1)
})

test('over long polling, a response that the client is reading does not count', () => {
  const { engine, cutOffCounts, queue } = makeConnection('polling', true)
  queue(LIMIT)
  engine.emit('flush')
  engine.transport.writable = false
  queue(LIMIT)
  expect(cutOffCounts.client).toBe(0)
  queue(1)
  expect(cutOffCounts.client).toBe(1)
})

test('a link has its own limit, and counts as a peer', () => {
  const { backpressure, cutOffCounts, queue } = makeConnection('websocket', true)
  backpressure.markAsLink()
  queue(2 * LIMIT)
  expect(cutOffCounts).toEqual({ client: 0, peer: 0 })
  queue(1)
  expect(cutOffCounts).toEqual({ client: 0, peer: 1 })
})

test('of a frame that is written past Engine.IO, what the kernel does not take counts until it is sent', () => {
  const { socket, backpressure, budget, cutOffCounts } = makeConnection('websocket', true)
  socket.bufferedAmount = LIMIT
  backpressure.onPartlyWritten()
  expect(budget.unreadBytes).toBe(LIMIT)
  socket.bufferedAmount = 0
  backpressure.onSent()
  expect(budget.unreadBytes).toBe(0)
  expect(cutOffCounts.client).toBe(0)
})

test('a connection is disconnected when more than the limit of a frame waits that is written past Engine.IO', () => {
  const { socket, backpressure, cutOffCounts } = makeConnection('websocket', true)
  socket.bufferedAmount = LIMIT + 1
  backpressure.onPartlyWritten()
  expect(cutOffCounts.client).toBe(1)
})
