/** The model of `top`: the source of the readings, pause, and the order of servers. */
import { beforeEach, expect, test } from 'vitest'
import { TopModel } from '../../../../cli/top/model.ts'
import { clusterStatusOf } from '../../../support/cluster-statuses.ts'

const URL = 'http://127.0.0.1:3001'
let model: TopModel

beforeEach(() => {
  model = new TopModel()
})

/** A reading that lists its servers in reverse order. */
function read(seconds: number, deviations: Parameters<typeof clusterStatusOf>[2] = {}): void {
  const clusterStatus = clusterStatusOf(12, seconds, deviations)
  clusterStatus.servers.reverse()
  model.handleEvent({ type: 'reading', url: URL, clusterStatus }, seconds * 1_000)
}

const order = () => model.sortedServers().map(({ id }) => Number(id.replace('server-', '')))

test('the source follows the events of the poller', () => {
  expect(model.source).toBeUndefined()
  model.handleEvent({ type: 'connecting', url: URL }, 0)
  expect(model.source).toEqual({ phase: 'connecting', url: URL })
  read(1)
  expect(model.source).toEqual({ phase: 'live', url: URL })
  model.handleEvent({ type: 'lost', url: URL, reason: 'connection closed' }, 0)
  expect(model.source).toEqual({ phase: 'lost', url: URL, reason: 'connection closed' })
  const refusal = { ok: false as const, code: 'rate-limited' as const, message: 'too many requests' }
  model.handleEvent({ type: 'refused', url: URL, refusal }, 0)
  expect(model.source).toEqual({ phase: 'refused', url: URL, reason: 'too many requests' })
})

test('while paused, readings and gaps are dropped', () => {
  read(1)
  read(2)
  model.isPaused = true
  read(3)
  model.recordGap()
  expect(model.mesh.updatedAt).toBe(2_000)
  expect(model.mesh.accepted.tail(9)).toHaveLength(2)
  model.isPaused = false
  model.recordGap()
  read(4)
  expect(model.mesh.updatedAt).toBe(4_000)
  expect(model.mesh.accepted.tail(9)).toEqual([undefined, 78, undefined, 78])
})

test('a terminal without a size has one row and one column', () => {
  model.resize(0, 0)
  expect(model).toMatchObject({ columns: 1, rows: 1 })
})

test('servers are sorted by id as numbers, by users, by rate or by round trip, those without a value last', () => {
  read(1)
  read(2, { unresponsive: [11], status: n => (n === 3 ? { users: 1_000 } : {}) })
  expect(order()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
  model.sortKey = 'users'
  expect(order()).toEqual([3, 12, 10, 9, 8, 7, 6, 5, 4, 2, 1, 11])
  model.sortKey = 'rate'
  expect(order()).toEqual([12, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 11])
  model.sortKey = 'rtt'
  // Servers with the same value are sorted by id.
  expect(order()).toEqual([10, 12, 9, 8, 7, 6, 5, 4, 3, 2, 1, 11])
})
