/** What `top` makes of its readings, and the screen, drawn. */
import { beforeEach, describe, expect, test } from 'vitest'
import { rowText } from '../../../cli/chat/views/row.ts'
import { KeyDecoder } from '../../../cli/terminal/key-decoder.ts'
import { width } from '../../../cli/terminal/width.ts'
import { handleKey, type TopRequest } from '../../../cli/top/handle-key.ts'
import { TopModel } from '../../../cli/top/model.ts'
import { Series } from '../../../cli/top/rates.ts'
import { formatCount, formatDuration, formatMs, formatRate, sparkline } from '../../../cli/top/views/format.ts'
import { computeLayout } from '../../../cli/top/views/layout.ts'
import { renderTop } from '../../../cli/top/views/render.ts'
import type { ClusterStatus } from '../../../src/protocol/status.ts'
import { clusterStatusOf } from '../../support/cluster-statuses.ts'

const URL = 'http://127.0.0.1:3001'
let model: TopModel

beforeEach(() => {
  model = new TopModel()
})

const read = (survey: ClusterStatus, seconds: number) =>
  model.handleEvent({ type: 'reading', url: URL, clusterStatus: survey }, seconds * 1_000)
const server = (n: number) => model.mesh.servers.get(`server-${n}`)
const type = (text: string): TopRequest[] => new KeyDecoder().feed(text).map(key => handleKey(model, key))
const shown = () => Array.from(screen(0).matchAll(/^[●◌✗] (server-\d+)/gm), ([, id]) => id)

/** Reads a mesh that runs evenly, each second from the first to the last. */
function run(size: number, seconds: number, wrong: Parameters<typeof clusterStatusOf>[2] = {}): void {
  for (let second = 1; second <= seconds; second++) read(clusterStatusOf(size, second, wrong), second)
}

function screen(seconds: number): string {
  return `\n${renderTop(model, seconds * 1_000)
    .map(row => rowText(row).trimEnd())
    .join('\n')}\n`
}

describe('readings', () => {
  test('two of them make a rate, by the clock of the server', () => {
    read(clusterStatusOf(2, 10), 10)
    expect(server(2)?.rates).toBeUndefined()
    // The answer was long on its way: 3 s by this clock, 2 s by the server's.
    read(clusterStatusOf(2, 12), 13)
    expect(server(2)?.rates).toEqual({ accepted: 2, refused: 0, forwarded: 2, delivered: 6 })
    expect(server(2)?.rate).toBe(4)
    expect(model.mesh.accepted.last).toBe(3)
    expect(model.mesh.delivered.last).toBe(9)
  })

  test('told the same twice, the rate stays; so it does when a reading is missed', () => {
    run(1, 3)
    read(clusterStatusOf(1, 3), 4)
    expect(server(1)?.rates?.accepted).toBe(1)
    read(clusterStatusOf(1, 8), 8)
    expect(server(1)?.rates?.accepted).toBe(1)
  })

  test('a restart counts from nothing: no rate until there are two readings of the new life', () => {
    run(1, 100)
    const again = (seconds: number) => clusterStatusOf(1, seconds, { status: () => ({ incarnation: 'second' }) })
    read(again(1), 101)
    expect(server(1)?.rates).toBeUndefined()
    read(again(3), 103)
    expect(server(1)?.rates?.accepted).toBe(1)
    // Also when it has counted further by now than the old one ever did.
    read(clusterStatusOf(1, 1_000), 200)
    expect(server(1)?.rates).toBeUndefined()
    read(again(1_003), 201)
    read(again(1_004), 202)
    // Counters that go back within one life are a lie, or a defect.
    read(clusterStatusOf(1, 1_005, { status: () => ({ incarnation: 'second', accepted: 0 }) }), 203)
    expect(server(1)?.rates).toBeUndefined()
  })

  test('who does not answer leaves a gap, and is not summed up', () => {
    run(3, 3)
    expect(model.mesh.totals()).toMatchObject({ answering: 3, open: 6, links: 6, connections: 72 })
    read(clusterStatusOf(3, 4, { unresponsive: [2] }), 4)
    expect(server(2)?.history.tail(3)).toEqual([4, 4, undefined])
    expect(model.mesh.accepted.last).toBe(4)
    expect(model.mesh.totals()).toMatchObject({ answering: 2, open: 2, links: 6, connections: 48 })
    read(clusterStatusOf(3, 6), 6)
    expect(server(2)?.history.tail(3)).toEqual([4, undefined, 4])
    // Who is forgotten by the mesh is forgotten here.
    read(clusterStatusOf(2, 7), 7)
    expect([...model.mesh.servers.keys()]).toEqual(['server-1', 'server-2'])
  })

  test('a status under the name of another server is none; a name that stands twice counts once', () => {
    const survey = clusterStatusOf(2, 1, { status: n => (n === 2 ? { server: 'server-1' } : {}) })
    read({ ...survey, servers: [...survey.servers, ...survey.servers] }, 1)
    expect(model.mesh.totals()).toMatchObject({ answering: 1, links: 2 })
    read({ ...survey, servers: [...survey.servers, ...survey.servers] }, 2)
    expect(server(1)?.history.tail(9)).toHaveLength(2)
  })

  test('a link is what both ends say; what one end cannot say, the other may', () => {
    const state = (from: number, to: number) => model.mesh.link(`server-${from}`, `server-${to}`).state
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
    expect(model.mesh.link('server-1', 'server-2')).toEqual({ state: 'dialling', rtt: undefined, held: 7 })
    expect(model.mesh.link('server-2', 'server-1')).toEqual({ state: 'open', rtt: 0.3, held: 0 })
    expect(state(1, 3)).toBe('half')
    expect(state(1, 4)).toBe('waiting')
    expect(state(4, 1)).toBe('waiting')
    expect(state(4, 3)).toBe('open')
    expect(state(4, 5)).toBe('unknown')
    expect(model.mesh.unreachablePeers('server-1')).toEqual(['server-2', 'server-3', 'server-4'])
    expect(model.mesh.totals()).toMatchObject({ open: 5, links: 12, held: 7 })
  })

  test('no more is kept than a wide screen shows', () => {
    const series = new Series()
    for (let n = 0; n < 10_000; n++) series.push(n)
    expect(series.tail(1_000_000)).toHaveLength(Series.MAX_VALUES)
    expect(series.tail(2)).toEqual([9_998, 9_999])
    expect(series.tail(0)).toEqual([])
  })
})

test('numbers stay short, whatever a server tells', () => {
  expect([0, 999, 99_999, 123_456, 1_200_000].map(formatCount)).toEqual(['0', '999', '99999', '123k', '1M'])
  expect([undefined, 0, 0.25, 9.94, 9.96, 1_234].map(formatRate)).toEqual(['-', '0', '0.3', '9.9', '10', '1234'])
  expect([undefined, 0.04, 12.3, 45_000].map(formatMs)).toEqual(['-', '0.0', '12', '45s'])
  expect([999, 61_000, 3_661_000, 40 * 3_600_000, 49 * 3_600_000].map(formatDuration)).toEqual([
    '0s',
    '1m',
    '1h01',
    '40h',
    '2d',
  ])
  for (const value of [Number.MAX_SAFE_INTEGER, 1e300, Number.MAX_VALUE]) {
    for (const text of [formatCount(value), formatRate(value), formatMs(value), formatDuration(value)]) {
      expect(text.length, text).toBeLessThanOrEqual(6)
    }
  }
  expect(sparkline([undefined, 0, 0.1, 4, 8], 7, 8)).toBe('   ▁▂▅█')
})

describe('the screen', () => {
  test('a small mesh: servers, the matrix of their links, messages a second', () => {
    run(3, 9)
    expect(screen(9)).toMatchInlineSnapshot(`
      "
      mesh-chat top  ● server-1 at http://127.0.0.1:3001
      servers 3/3  links 6/6  online 60  connections 72  slow 0  held 0  refused/s 0
      messages/s   6.0              ████████  delivered/s    18              ████████

      server      users  conns  out/s  msg/s              slow   links  rtt ms     up
      ● server-1     10     12    3.0    2.0    ▃▃▃▃▃▃▃▃     0     2/2     0.4     9s
      ● server-2     20     24    6.0    4.0    ▆▆▆▆▆▆▆▆     0     2/2     0.5     9s
      ● server-3     30     36    9.0    6.0    ████████     0     2/2     0.5     9s

      row dials column  ● open, ms  ◐ dialling  ○ waiting  ◑ one end  ? unknown
                server-1  server-2  server-3
      server-1  ·         ● 0.3     ● 0.4
      server-2  ● 0.3     ·         ● 0.5
      server-3  ● 0.4     ● 0.5     ·

      messages/s, at most 6.0, in 9 s
                                                                             ████████
                                                                             ████████
                                                                             ████████
                                                                             ████████
                                                                             ████████
                                                                             ████████
                                                                             ████████
      ? keys  q leaves  sorted by id
      "
    `)
  })

  test('a server is gone, one shuts down, one link is half open: each is seen', () => {
    const link = (from: number, to: number) => (from === 4 && to === 1 ? { inbound: false } : {})
    run(4, 5)
    for (let second = 6; second <= 12; second++) {
      const status = (n: number) => (n === 2 ? { draining: true } : n === 4 ? { slow: 3, refused: second * 5 } : {})
      read(clusterStatusOf(4, second, { unresponsive: [3], link, status }), second)
    }
    expect(screen(12)).toMatchInlineSnapshot(`
      "
      mesh-chat top  ● server-1 at http://127.0.0.1:3001
      servers 3/4  links 5/12  online 100  connections 84  slow 3  held 0
      messages/s   7.0           ████▆▆▆▆▆▆▆  delivered/s    21           ████▆▆▆▆▆▆▆

      server      users  conns  out/s  msg/s              slow   links  rtt ms     up
      ● server-1     10     12    3.0    2.0  ▃▃▃▃▃▃▃▃▃▃     0     1/3     0.5    12s
      ◌ server-2     20     24    6.0    4.0  shuts down     0     2/3     0.6    12s
      ✗ server-3  does not answer for 7s; 0/3 reach it
      ● server-4     40     48     12    8.0  ██████████     3     2/3     0.6    12s

      row dials column  ● open, ms  ◐ dialling  ○ waiting  ◑ one end  ? unknown
                server-1  server-2  server-3  server-4
      server-1  ·         ● 0.3     ○         ◑
      server-2  ● 0.3     ·         ○         ● 0.6
      server-3  ○         ○         ·         ○
      server-4  ● 0.5     ● 0.6     ○         ·

      messages/s, at most 10, in 12 s
                                                                          ████
                                                                          ████▄▄▄▄▄▄▄
                                                                          ███████████
                                                                          ███████████
                                                                          ███████████
      ? keys  q leaves  sorted by id
      "
    `)
  })

  test('a large mesh: a row for each server, which says whom it does not reach; keys scroll and sort', () => {
    const link = (from: number, to: number) =>
      (from === 2 && to > 5) || to === 7 ? { outbound: 'waiting' as const, held: 2 } : {}
    Object.assign(model, { columns: 80, rows: 15 })
    run(20, 3, { link })
    expect(screen(3)).toMatchInlineSnapshot(`
      "
      mesh-chat top  ● server-1 at http://127.0.0.1:3001
      servers 20/20  links 347/380  online 2100  connections 2520  slow 0  held 66
      messages/s   210                    ██  delivered/s   630                    ██

      1-9/20       users  conns  msg/s                   links  rtt ms  unreached
      ● server-1      10     12    2.0              ▂▂   18/19     2.1  server-7
      ● server-2      20     24    4.0              ▃▃    4/19     0.7  server-6 +14
      ● server-3      30     36    6.0              ▃▃   18/19     2.3  server-7
      ● server-4      40     48    8.0              ▄▄   18/19     2.4  server-7
      ● server-5      50     60     10              ▅▅   18/19     2.5  server-7
      ● server-6      60     72     12              ▆▆   18/19     2.6  server-7
      ● server-7      70     84     14              ▆▆   19/19     2.7
      ● server-8      80     96     16              ▇▇   18/19     2.8  server-7
      ● server-9      90    108     18              ██   18/19     2.9  server-7
      ? keys  q leaves  sorted by id
      "
    `)
    type('j\u001b[B')
    expect(shown()[0]).toBe('server-3')
    type('\u001b[6~')
    expect(shown()[0]).toBe('server-11')
    type('\u001b[6~\u001b[6~\u001b[6~')
    expect(shown().at(-1)).toBe('server-20')
    type('k')
    expect(shown().at(-1)).toBe('server-19')
    type('\u001b[H')
    expect(shown()[0]).toBe('server-1')
    type('s')
    expect(shown().slice(0, 2)).toEqual(['server-20', 'server-19'])
    expect(screen(3)).toContain('sorted by users')
    type('ss')
    expect(screen(3)).toContain('sorted by rtt')
    type('s')
    expect(shown().slice(0, 2)).toEqual(['server-1', 'server-2'])
    // Fewer servers than were scrolled past: the last ones stay in sight.
    type('\u001b[F')
    read(clusterStatusOf(12, 4), 4)
    expect(shown().at(-1)).toBe('server-12')
  })

  test('where the readings come from, how old they are, and what was refused', () => {
    expect(screen(0)).toContain('asking')
    run(2, 3)
    expect(screen(3)).toContain('● server-1 at http://127.0.0.1:3001')
    model.handleEvent({ type: 'lost', url: URL, reason: 'gone\u001b[2J' }, 4_000)
    expect(screen(12)).toContain('○ http://127.0.0.1:3001: gone\\u{1b}[2J  as it was 9s ago')
    model.handleEvent(
      { type: 'refused', url: URL, refusal: { ok: false, code: 'rate-limited', message: 'not so often' } },
      5_000,
    )
    expect(screen(12)).toContain('refuses: not so often')
  })

  test('space holds the picture, ? tells the keys, q ^C ^D and Escape leave', () => {
    run(2, 3)
    type(' ')
    const before = screen(3)
    expect(before).toContain('paused')
    read(clusterStatusOf(2, 9), 9)
    expect(screen(3)).toBe(before)
    type(' ?')
    read(clusterStatusOf(2, 10), 10)
    expect(screen(3)).not.toContain('paused')
    expect(screen(3)).toContain('PgUp PgDn')
    expect(server(1)?.rates?.accepted).toBe(1)
    for (const key of ['q', '\u0003', '\u0004']) expect(type(key)).toEqual(['quit'])
    expect(handleKey(model, { type: 'key', name: 'escape' })).toBe('quit')
    expect(type('\u000c\u001a')).toEqual(['redraw', 'suspend'])
  })

  test('every size holds it: no row too wide, none too many', () => {
    for (const size of [0, 1, 4, 20, 60]) {
      model = new TopModel()
      if (size > 0)
        for (const second of [1, 2]) read(clusterStatusOf(size, second, { unresponsive: size > 3 ? [3] : [] }), second)
      for (const columns of [1, 8, 20, 40, 60, 80, 120, 200]) {
        for (const rows of [1, 2, 3, 5, 8, 12, 24, 40]) {
          Object.assign(model, { columns, rows })
          const picture = renderTop(model, 3_000)
          expect(picture).toHaveLength(rows)
          for (const row of picture) expect(width(rowText(row))).toBeLessThanOrEqual(columns)
        }
      }
    }
  })

  test('the matrix is drawn with as much in it as there is room for', () => {
    const form = (size: number, columns: number, rows: number) => {
      model = new TopModel()
      Object.assign(model, { columns, rows })
      read(clusterStatusOf(size, 1), 1)
      return computeLayout(model).matrix
    }
    expect(form(1, 80, 24)).toBeUndefined()
    expect(form(4, 80, 24)).toMatchObject({ ids: true, rtt: true })
    expect(form(7, 80, 24)).toMatchObject({ ids: false, rtt: true })
    expect(form(7, 60, 24)).toMatchObject({ ids: false, rtt: false })
    expect(form(12, 120, 40)).toMatchObject({ ids: false, rtt: true })
    expect(form(8, 80, 24)).toBeUndefined()
    expect(form(20, 120, 40)).toBeUndefined()
    expect(form(20, 80, 60)).toMatchObject({ ids: false, rtt: false })
  })
})
