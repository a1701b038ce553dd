/** The screen of `top`: rows of the model at every size. */
import { beforeEach, expect, test } from 'vitest'
import { rowText } from '../../../../cli/chat/views/row.ts'
import { width } from '../../../../cli/terminal/width.ts'
import { computeLayout } from '../../../../cli/top/layout.ts'
import { TopModel } from '../../../../cli/top/model.ts'
import { renderTop } from '../../../../cli/top/views/render.ts'
import type { ClusterStatus } from '../../../../src/protocol/status.ts'
import { clusterStatusOf } from '../../../support/cluster-statuses.ts'

const URL = 'http://127.0.0.1:3001'
let model: TopModel

beforeEach(() => {
  model = new TopModel()
})

const read = (clusterStatus: ClusterStatus, seconds: number) =>
  model.handleEvent({ type: 'reading', url: URL, clusterStatus }, seconds * 1_000)

/** Reads a mesh with steady rates, once per second. */
function run(size: number, seconds: number, deviations: Parameters<typeof clusterStatusOf>[2] = {}): void {
  for (let second = 1; second <= seconds; second++) read(clusterStatusOf(size, second, deviations), second)
}

function screen(seconds: number): string {
  return `\n${renderTop(model, seconds * 1_000)
    .map(row => rowText(row).trimEnd())
    .join('\n')}\n`
}

test('a small mesh shows the servers, the matrix of links and a chart of messages per second', () => {
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

    link row → column  ● open, ms  ◐ connecting  ○ waiting  ◑ half-open  ? unknown
              server-1  server-2  server-3
    server-1  ·         ● 0.3     ● 0.4
    server-2  ● 0.3     ·         ● 0.5
    server-3  ● 0.4     ● 0.5     ·

    messages/s  max 6.0, last 9 s
                                                                           ████████
                                                                           ████████
                                                                           ████████
                                                                           ████████
                                                                           ████████
                                                                           ████████
                                                                           ████████
    ? help  q quit  r rooms  sorted by id
    "
  `)
})

test('an unreachable server, a draining server and a half-open link are marked', () => {
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
    ◌ server-2     20     24    6.0    4.0  draining       0     2/3     0.6    12s
    ✗ server-3  no answer for 7s; reachable from 0/3
    ● server-4     40     48     12    8.0  ██████████     3     2/3     0.6    12s

    link row → column  ● open, ms  ◐ connecting  ○ waiting  ◑ half-open  ? unknown
              server-1  server-2  server-3  server-4
    server-1  ·         ● 0.3     ○         ◑
    server-2  ● 0.3     ·         ○         ● 0.6
    server-3  ○         ○         ·         ○
    server-4  ● 0.5     ● 0.6     ○         ·

    messages/s  max 10, last 12 s
                                                                        ████
                                                                        ████▄▄▄▄▄▄▄
                                                                        ███████████
                                                                        ███████████
                                                                        ███████████
    ? help  q quit  r rooms  sorted by id
    "
  `)
})

test('a wrong clock is shown', () => {
  const status = (n: number) => ({ clockAhead: n === 2 ? -90_400 : n === 3 ? 600_000 : 4_000 })
  run(3, 2, { status })
  expect(screen(2)).toContain('clock -1m')
  expect(screen(2)).toContain('clock +10m')
  expect(screen(2).match(/clock/g)).toHaveLength(2)
})

test('a large mesh shows one row per server with its unreachable peers', () => {
  const link = (from: number, to: number) =>
    (from === 2 && to > 5) || to === 7 ? { outbound: 'waiting' as const, held: 2 } : {}
  Object.assign(model, { columns: 80, rows: 15 })
  run(20, 3, { link })
  expect(screen(3)).toMatchInlineSnapshot(`
    "
    mesh-chat top  ● server-1 at http://127.0.0.1:3001
    servers 20/20  links 347/380  online 2100  connections 2520  slow 0  held 66
    messages/s   210                    ██  delivered/s   630                    ██

    1-9/20       users  conns  msg/s                   links  rtt ms  unreachable
    ● server-1      10     12    2.0              ▂▂   18/19     2.1  server-7
    ● server-2      20     24    4.0              ▃▃    4/19     0.7  server-6 +14
    ● server-3      30     36    6.0              ▃▃   18/19     2.3  server-7
    ● server-4      40     48    8.0              ▄▄   18/19     2.4  server-7
    ● server-5      50     60     10              ▅▅   18/19     2.5  server-7
    ● server-6      60     72     12              ▆▆   18/19     2.6  server-7
    ● server-7      70     84     14              ▆▆   19/19     2.7
    ● server-8      80     96     16              ▇▇   18/19     2.8  server-7
    ● server-9      90    108     18              ██   18/19     2.9  server-7
    ? help  q quit  r rooms  sorted by id
    "
  `)
})

test('the title shows the source, its errors and the age of the last reading', () => {
  expect(screen(0)).toContain('connecting to a server…')
  model.handleEvent({ type: 'connecting', url: URL }, 0)
  expect(screen(0)).toContain(`◌ connecting to ${URL}…`)
  run(2, 3)
  expect(screen(3)).toContain('● server-1 at http://127.0.0.1:3001')
  model.handleEvent({ type: 'lost', url: URL, reason: 'gone\u001b[2J' }, 4_000)
  expect(screen(12)).toContain('○ http://127.0.0.1:3001  data 9s old  gone\\u{1b}[2J')
  model.handleEvent(
    { type: 'refused', url: URL, refusal: { ok: false, code: 'rate-limited', message: 'too many requests' } },
    5_000,
  )
  expect(screen(12)).toContain('○ http://127.0.0.1:3001  data 9s old  rejected: too many req')
})

/** The rooms of server n in a mesh with two rooms. */
const withRooms = (n: number) => ({
  rooms: 5,
  memberships: 9,
  topRooms: [
    { room: '#ops', members: 12 + (n === 2 ? 1 : 0), local: n },
    ...(n === 3 ? [{ room: '#entwickler', members: 40_000, local: 123_456 }] : []),
  ],
})

test('a wide table has the number of rooms; servers of 0.2 have none', () => {
  Object.assign(model, { columns: 140 })
  run(3, 2, { status: n => (n === 1 ? {} : withRooms(n)) })
  expect(screen(2)).toContain('online  rooms')
  expect(screen(2)).toMatch(/server-1 +10 +12 +60 +- /)
  expect(screen(2)).toMatch(/server-2 +20 +24 +60 +5 /)
})

test('the rooms are shown with their members on each server, those with the most members first', () => {
  Object.assign(model, { rows: 10, isRoomsOpen: true })
  run(3, 2, { unresponsive: [1], status: withRooms })
  expect(screen(2)).toMatchInlineSnapshot(`
    "
    mesh-chat top  ● server-1 at http://127.0.0.1:3001
    servers 2/3  links 2/6  online -  connections 60  slow 0  held 0  refused/s 0
    messages/s   5.0                     █  delivered/s    15                     █

    room           members  server-1  server-2  server-3
      #entwickler    40000         -         -      123k
      #ops              13         -         2         3


    ? help  q quit  Esc servers
    "
  `)
  Object.assign(model, { columns: 50 })
  expect(screen(2)).toMatchInlineSnapshot(`
    "
    mesh-chat top  ● server-1 at http://127.0.0.1:30…
    servers 2/3  links 2/6  online -  connections 60
    messages/s   5.0                                █

    room           members  server-1  server-2  +1
      #entwickler    40000         -         -
      #ops              13         -         2


    ? help  q quit  Esc servers
    "
  `)
})

test('more rooms than rows can be scrolled, and names that look alike are marked', () => {
  Object.assign(model, { rows: 10, isRoomsOpen: true, scrollOffset: 4 })
  const topRooms = Array.from({ length: 12 }, (_, n) => ({ room: `#room-${n}`, members: 100 - n, local: 1 }))
  run(2, 2, { status: () => ({ topRooms: [...topRooms, { room: '#r0om-1', members: 1, local: 1 }] }) })
  expect(screen(2)).toContain('5-8/13')
  expect(screen(2)).toMatch(/^ {2}#room-4 /m)
  model.scrollOffset = 100
  expect(screen(2)).toContain('10-13/13')
  expect(screen(2)).toMatch(/^≈ #r0om-1 /m)
})

test('a mesh without rooms, and one of servers of 0.2, show none', () => {
  model.isRoomsOpen = true
  expect(screen(0)).not.toContain('no rooms')
  run(2, 2)
  expect(screen(2)).toContain('no rooms, except hidden ones')
})

test('every screen size gets exactly its rows, none too wide', () => {
  for (const size of [0, 1, 4, 20, 60]) {
    model = new TopModel()
    if (size > 0)
      for (const second of [1, 2])
        read(clusterStatusOf(size, second, { unresponsive: size > 3 ? [3] : [], status: withRooms }), second)
    for (const columns of [1, 8, 20, 40, 60, 80, 120, 200]) {
      for (const rows of [1, 2, 3, 5, 8, 12, 24, 40]) {
        for (const isRoomsOpen of [false, true]) {
          Object.assign(model, { columns, rows, isRoomsOpen })
          const rendered = renderTop(model, 3_000)
          expect(rendered).toHaveLength(rows)
          for (const row of rendered) expect(width(rowText(row))).toBeLessThanOrEqual(columns)
        }
      }
    }
  }
})

test('the matrix shows as much detail as fits', () => {
  const matrix = (size: number, columns: number, rows: number) => {
    model = new TopModel()
    Object.assign(model, { columns, rows })
    read(clusterStatusOf(size, 1), 1)
    return computeLayout(model).matrix
  }
  expect(matrix(1, 80, 24)).toBeUndefined()
  expect(matrix(4, 80, 24)).toMatchObject({ ids: true, rtt: true })
  expect(matrix(7, 80, 24)).toMatchObject({ ids: false, rtt: true })
  expect(matrix(7, 60, 24)).toMatchObject({ ids: false, rtt: false })
  expect(matrix(12, 120, 40)).toMatchObject({ ids: false, rtt: true })
  expect(matrix(8, 80, 24)).toBeUndefined()
  expect(matrix(20, 120, 40)).toBeUndefined()
  expect(matrix(20, 80, 60)).toMatchObject({ ids: false, rtt: false })
})

test('the footer lists the keys while help is open, and how to close it', () => {
  Object.assign(model, { isHelpOpen: true })
  expect(screen(0)).toContain('Esc close  q quit  s sort: id users rate rtt  r rooms  ↑↓ scroll  space pause')
  model.isPaused = true
  expect(screen(0)).toContain('space resume')
  expect(screen(0)).toContain('mesh-chat top  paused')
  model.isRoomsOpen = true
  expect(screen(0)).toContain('Esc close  q quit  r servers  ↑↓ scroll  space resume')
})

test('servers that do not answer are listed under every sort key', () => {
  read(clusterStatusOf(3, 1, { unresponsive: [1, 2, 3] }), 1)
  for (const sortKey of ['id', 'users', 'rate', 'rtt'] as const) {
    model.sortKey = sortKey
    expect(screen(2).match(/✗ server-\d +no answer; reachable from 0\/2/g)).toHaveLength(3)
  }
})

test('a scrolled table shows the servers from the offset on, and its last page if there are fewer', () => {
  Object.assign(model, { columns: 80, rows: 15, scrollOffset: 11 })
  const shown = () => Array.from(screen(0).matchAll(/^● (server-\d+)/gm), ([, id]) => id)
  run(20, 2)
  expect([shown()[0], shown().at(-1), screen(0).includes('12-20/20')]).toEqual(['server-12', 'server-20', true])
  run(12, 3)
  expect([shown()[0], shown().at(-1), screen(0).includes('4-12/12')]).toEqual(['server-4', 'server-12', true])
})

test('server ids that look alike are marked', () => {
  const status = clusterStatusOf(3, 1)
  const [one, two] = status.servers
  if (one === undefined || two === undefined) throw new Error('expected servers')
  read({ ...status, servers: [one, two, { ...two, id: 'server-l' }] }, 1)
  expect(screen(1)).toMatch(/●≈server-1 /)
  expect(screen(1)).toMatch(/✗≈server-l /)
  expect(screen(1)).toMatch(/● server-2 /)
})
