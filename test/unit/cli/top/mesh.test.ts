/** The state of the mesh that `top` builds from its readings. */
import { beforeEach, expect, test } from 'vitest'
import { Mesh } from '../../../../cli/top/mesh.ts'
import type { ClusterStatus } from '../../../../src/protocol/status.ts'
import { clusterStatusOf } from '../../../support/cluster-statuses.ts'

let mesh: Mesh

beforeEach(() => {
  mesh = new Mesh()
})

const read = (clusterStatus: ClusterStatus, seconds: number) => mesh.update(clusterStatus, seconds * 1_000)
const server = (n: number) => mesh.servers.get(`server-${n}`)

/** Reads a mesh with steady rates, once per second. */
function run(size: number, seconds: number): void {
  for (let second = 1; second <= seconds; second++) read(clusterStatusOf(size, second), second)
}

test('two readings give the rates, by the uptime of the server', () => {
  read(clusterStatusOf(2, 10), 10)
  expect(server(2)?.rates).toBeUndefined()
  // The answer was delayed: 3 s passed by the local clock, 2 s by the server's.
  read(clusterStatusOf(2, 12), 13)
  expect(server(2)?.rates).toEqual({ accepted: 2, refused: 0, forwarded: 2, delivered: 6 })
  expect(server(2)?.rate).toBe(4)
  expect(mesh.accepted.last).toBe(3)
  expect(mesh.delivered.last).toBe(9)
})

test('rates stay the same when a reading repeats or is missed', () => {
  run(1, 3)
  read(clusterStatusOf(1, 3), 4)
  expect(server(1)?.rates?.accepted).toBe(1)
  read(clusterStatusOf(1, 8), 8)
  expect(server(1)?.rates?.accepted).toBe(1)
})

test('after a restart there are no rates until two readings of the new incarnation', () => {
  run(1, 100)
  const again = (seconds: number) => clusterStatusOf(1, seconds, { status: () => ({ incarnation: 'second' }) })
  read(again(1), 101)
  expect(server(1)?.rates).toBeUndefined()
  read(again(3), 103)
  expect(server(1)?.rates?.accepted).toBe(1)
  // Also if the new counters are higher than the old ones.
  read(clusterStatusOf(1, 1_000), 200)
  expect(server(1)?.rates).toBeUndefined()
  read(again(1_003), 201)
  read(again(1_004), 202)
  // Counters never decrease within one incarnation.
  read(clusterStatusOf(1, 1_005, { status: () => ({ incarnation: 'second', accepted: 0 }) }), 203)
  expect(server(1)?.rates).toBeUndefined()
})

test('a server that does not answer leaves a gap, and is not part of the totals', () => {
  run(3, 3)
  expect(mesh.totals()).toMatchObject({ answering: 3, open: 6, links: 6, connections: 72 })
  read(clusterStatusOf(3, 4, { unresponsive: [2] }), 4)
  expect(server(2)?.history.tail(3)).toEqual([4, 4, undefined])
  expect(mesh.accepted.last).toBe(4)
  expect(mesh.totals()).toMatchObject({ answering: 2, open: 2, links: 6, connections: 48 })
  read(clusterStatusOf(3, 6), 6)
  expect(server(2)?.history.tail(3)).toEqual([4, undefined, 4])
  // A server that left the mesh is removed.
  read(clusterStatusOf(2, 7), 7)
  expect([...mesh.servers.keys()]).toEqual(['server-1', 'server-2'])
})

test('a status with the id of another server is ignored; a server listed twice counts once', () => {
  const clusterStatus = clusterStatusOf(2, 1, { status: n => (n === 2 ? { server: 'server-1' } : {}) })
  read({ ...clusterStatus, servers: [...clusterStatus.servers, ...clusterStatus.servers] }, 1)
  expect(mesh.totals()).toMatchObject({ answering: 1, links: 2 })
  read({ ...clusterStatus, servers: [...clusterStatus.servers, ...clusterStatus.servers] }, 2)
  expect(server(1)?.history.tail(9)).toHaveLength(2)
})

test('the state of a link comes from both ends, or from one if the other does not answer', () => {
  const state = (from: number, to: number) => mesh.link(`server-${from}`, `server-${to}`).state
  read(
    clusterStatusOf(4, 1, {
      unresponsive: [4],
      link: (from, to) => {
        if (from === 1 && to === 2) return { outbound: 'dialling', inbound: true, held: 7 }
        if (from === 2 && to === 1) return { inbound: false }
        if (from === 3 && to === 1) return { inbound: false }
        if (from === 3 && to === 4) return { inbound: true }
        return {}
      },
    }),
    1,
  )
  expect(mesh.link('server-1', 'server-2')).toEqual({ state: 'dialling', rtt: undefined, held: 7 })
  expect(mesh.link('server-2', 'server-1')).toEqual({ state: 'open', rtt: 0.3, held: 0 })
  expect(state(1, 3)).toBe('half')
  expect(state(1, 4)).toBe('waiting')
  expect(state(4, 1)).toBe('waiting')
  expect(state(4, 3)).toBe('open')
  expect(state(4, 5)).toBe('unknown')
  expect(mesh.unreachablePeers('server-1')).toEqual(['server-2', 'server-3', 'server-4'])
  expect(mesh.totals()).toMatchObject({ open: 5, links: 12, held: 7 })
})

test('a link that a reading lacks is gone, also if the reading has another one twice', () => {
  read(clusterStatusOf(3, 1), 1)
  expect(mesh.link('server-1', 'server-3').state).toBe('open')
  const next = clusterStatusOf(3, 2, {
    unresponsive: [3],
    status: n => ({ links: clusterStatusOf(2, 2).servers[n - 1]?.status?.links.flatMap(link => [link, link]) ?? [] }),
  })
  read(next, 2)
  expect(mesh.link('server-1', 'server-2').state).toBe('open')
  expect(mesh.link('server-1', 'server-3').state).toBe('unknown')
  expect(server(1)?.linkTo('server-3')).toBeUndefined()
  read(clusterStatusOf(3, 3), 3)
  expect(mesh.link('server-1', 'server-3')).toEqual({ state: 'open', rtt: 0.4, held: 0 })
})

test('the links of a later reading take the place of the earlier ones', () => {
  read(clusterStatusOf(2, 1), 1)
  read(clusterStatusOf(2, 2, { link: () => ({ outbound: 'waiting', inbound: false, held: 5 }) }), 2)
  expect(mesh.link('server-1', 'server-2')).toEqual({ state: 'waiting', rtt: undefined, held: 5 })
  expect(server(1)?.held).toBe(5)
})

test('ids that look alike are found again when the servers change', () => {
  const ids = (...names: string[]): ClusterStatus => ({ ok: true, server: '', servers: names.map(id => ({ id })) })
  read(ids('server-1', 'server-2'), 1)
  expect(mesh.isConfusable('server-1')).toBe(false)
  read(ids('server-1', 'server_1'), 2)
  expect(mesh.isConfusable('server-1')).toBe(true)
  read(ids('server-1'), 3)
  expect(mesh.isConfusable('server-1')).toBe(false)
})

test('views are summed over the servers that tell them', () => {
  read(clusterStatusOf(3, 1, { status: n => (n === 3 ? {} : { views: n }) }), 1)
  expect(mesh.totals().views).toBe(3)
})

test('a missed reading is a gap in every series, but not before the first reading', () => {
  mesh.recordGap()
  expect(mesh.accepted.tail(9)).toEqual([])
  run(2, 3)
  mesh.recordGap()
  expect(mesh.accepted.tail(2)).toEqual([3, undefined])
  expect(mesh.delivered.tail(2)).toEqual([9, undefined])
  expect(server(2)?.history.tail(2)).toEqual([4, undefined])
})
