/** How the packets of many connections are written. */
import { EventEmitter } from 'node:events'
import type { Server } from 'socket.io'
import { expect, test } from 'vitest'
import { ClientGateway } from '../../../daemon/client-gateway.ts'
import { Backpressure } from '../../../daemon/transport/backpressure.ts'
import type { Engine } from '../../../daemon/transport/internals.ts'
import { selfTest } from '../../../daemon/transport/self-test.ts'
import { DEFAULT_LIMITS } from '../../../src/protocol/limits.ts'
import { fakeSocket } from '../../support/harness/fake-socket.ts'
import { unlimitedBudget } from '../../support/harness/unlimited-budget.ts'
import { publicMeshProver, UNKNOWING_CORE } from '../../support/mesh-prover.ts'

const log = { write: () => {}, note: () => {} }

/** A gateway with this number of connections, and what was written to them: the connection and the event. */
async function setUp(connections: number) {
  const io = new EventEmitter()
  const auth = { server: 's', mode: 'open', tokenKey: undefined, mesh: publicMeshProver('s', 'open') } as const
  let pending = 0
  const gateway = new ClientGateway(
    io as unknown as Server,
    auth,
    log,
    () => {},
    () => pending++,
    UNKNOWING_CORE,
  )
  const { features } = await selfTest()
  const context = { limits: DEFAULT_LIMITS, log, features, cutOffCounts: { client: 0, peer: 0 } }
  const open = new Set<Backpressure>()
  const written: [connection: number, event: string][] = []
  for (let connection = 1; connection <= connections; connection++) {
    const write = (text: string) => written.push([connection, JSON.parse(text.slice(1))[0]])
    const conn = Object.assign(new EventEmitter(), { transport: {}, write }) as unknown as Engine
    new Backpressure(conn, context, open, unlimitedBudget())
    io.emit('connection', fakeSocket(conn))
  }
  const flush = (maxWrites?: number) => {
    pending = 0
    gateway.flush(maxWrites)
    return { written: written.splice(0), isPending: pending > 0 }
  }
  return { gateway, flush }
}

const range = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, n) => first + n)

test('a roster for thousands is written over several turns, and messages overtake it', async () => {
  const { gateway, flush } = await setUp(2_500)
  gateway.perform({ type: 'emit', to: range(1, 2_500), message: { event: 'view', payload: { total: 2_500 } } })
  const first = flush()
  expect(first).toEqual({ written: range(1, 500).map(id => [id, 'view']), isPending: true })
  const message = { id: 'a', at: 1, from: 'Anna', to: 'Billy', text: 'hi', forwarded: false }
  gateway.perform({ type: 'emit', to: [1, 2_400], message: { event: 'im', payload: message } })
  const second = flush()
  // What the same client was to get before comes first.
  const urgent = [
    [1, 'im'],
    [2_400, 'view'],
    [2_400, 'im'],
  ]
  expect(second).toEqual({ written: [...urgent, ...range(501, 1_000).map(id => [id, 'view'])], isPending: true })
  const others = range(1_001, 2_500).filter(id => id !== 2_400)
  // The batch of the client that was written before is empty, and counts.
  expect([flush(), flush(), flush()].flatMap(({ written }) => written)).toEqual(others.map(id => [id, 'view']))
  expect(flush().written).toEqual([])
})

test('messages for thousands are written over several turns, too, and the roster after them', async () => {
  const { gateway, flush } = await setUp(1_500)
  const message = { id: 'a', at: 1, from: 'Anna', to: '#all', text: 'hi', forwarded: false }
  gateway.perform({ type: 'emit', to: [7], message: { event: 'view', payload: { total: 1 } } })
  gateway.perform({ type: 'emit', to: range(101, 1_500), message: { event: 'im', payload: message } })
  expect(flush()).toEqual({ written: range(101, 1_100).map(id => [id, 'im']), isPending: true })
  expect(flush()).toEqual({ written: [...range(1_101, 1_500).map(id => [id, 'im']), [7, 'view']], isPending: false })
})

test('a server that ends writes everything at once', async () => {
  const { gateway, flush } = await setUp(1_500)
  gateway.perform({ type: 'emit', to: range(1, 1_500), message: { event: 'view', payload: { total: 1 } } })
  expect(flush(Number.POSITIVE_INFINITY)).toEqual({
    written: range(1, 1_500).map(id => [id, 'view']),
    isPending: false,
  })
})
