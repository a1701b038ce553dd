/** `--admin-port`: health and metrics, and their documentation. */
import { readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect as connectTcp, type Socket } from 'node:net'
import { join } from 'node:path'
import { io } from 'socket.io-client'
import { afterAll, expect, test } from 'vitest'
import { AdminServer } from '../../../daemon/admin/admin-server.ts'
import { createLog } from '../../../daemon/log/log.ts'
import { hostNamesOf } from '../../../daemon/transport/origin.ts'
import type { Limits } from '../../../src/protocol/limits.ts'
import { FloodingClient } from '../../support/attacks/flooding-client.ts'
import {
  consecutiveFreePorts,
  freePorts,
  Program,
  stopAll,
  temporaryFolder,
  until,
} from '../../support/programs/processes.ts'
import { RealClient } from '../../support/programs/real-client.ts'

afterAll(stopAll)

interface Answer {
  status: number
  headers: Record<string, unknown>
  body: string
}

function ask(port: number, path: string, method = 'GET', headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asking = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, answer => {
      let body = ''
      answer.on('data', chunk => {
        body += chunk
      })
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body }))
    })
    asking.on('error', reject).end()
  })
}

/** Waits until the response matches. */
async function untilAnswer(
  port: number,
  path: string,
  wanted: (answer: Answer) => boolean | Promise<boolean>,
): Promise<Answer> {
  let answer: Answer = { status: 0, headers: {}, body: '' }
  await until(`the response of ${path}`, async () => {
    answer = await ask(port, path).catch(error => ({ status: 0, headers: {}, body: `${error}` }))
    return wanted(answer)
  }).catch(error => {
    throw new Error(`${error.message}; still: ${answer.status} ${answer.body.slice(0, 5_000)}`)
  })
  return answer
}

/** Starts servers with an admin port each. */
async function start(count: number, limits: Partial<Limits> = {}) {
  const ports = await freePorts(count * 2)
  const file = join(temporaryFolder(), 'config.json')
  const servers = ports.slice(count).map((port, at) => ({ id: `server-${at + 1}`, ip: '127.0.0.1', port }))
  writeFileSync(file, JSON.stringify({ servers, limits }))
  const at = servers.map(({ id, port }, n) => {
    const admin = ports[n] ?? 0
    const args = ['--id', id, '--config', file, '--log-format', 'text', '--admin-port', `${admin}`]
    return { id, admin, url: `http://127.0.0.1:${port}`, program: new Program('daemon', args) }
  })
  await until('all listen', () => at.every(({ program }) => program.out.includes('Listening for connections')))
  return { file, at }
}

/** The value of a series, written as `name{label="value"}`. */
function sample(text: string, series: string): number | undefined {
  const line = text.split('\n').find(line => line.startsWith(`${series} `))
  return line === undefined ? undefined : Number(line.slice(series.length))
}

const LABEL = '[a-zA-Z_]\\w*="(?:[^"\\\\\\n]|\\\\["\\\\n])*"'
// prom-client writes Nan, which Prometheus reads, before the first sample.
const SAMPLE = new RegExp(`^(\\w+)(?:\\{(${LABEL}(?:,${LABEL})*)\\})? (-?[\\d.e+-]+|Na[nN]|[+-]Inf)$`)

/** Parses the served text: each metric with its type and labels. Throws at an invalid line. */
function parseMetrics(text: string) {
  const metrics = new Map<string, { type: string; help: string; labels: Set<string>; samples: number }>()
  let current = { type: '', help: '', labels: new Set<string>(), samples: 0 }
  let name = ''
  expect(text.endsWith('\n')).toBe(true)
  for (const line of text.split('\n')) {
    const [, keyword, of = '', rest = ''] = /^# (HELP|TYPE) (\w+) (.+)$/.exec(line) ?? []
    if (line === '') continue
    if (keyword === 'HELP') {
      expect(metrics.has(of), `${of} once`).toBe(false)
      name = of
      current = { type: '', help: rest, labels: new Set(), samples: 0 }
      metrics.set(name, current)
    } else if (keyword === 'TYPE') {
      expect(of).toBe(name)
      current.type = rest
    } else {
      const [, series = '', labels = ''] = SAMPLE.exec(line) ?? []
      expect(current.type === 'histogram' ? series.replace(/_(bucket|sum|count)$/, '') : series, line).toBe(name)
      for (const [, label = ''] of labels.matchAll(/(\w+)="/g)) if (label !== 'le') current.labels.add(label)
      current.samples++
    }
  }
  return metrics
}

/** The metrics in the tables of docs/metrics.md. */
function documentedMetrics() {
  const rows = readFileSync('docs/metrics.md', 'utf8').matchAll(/^\| `(\w+)` +\| (\w+) +\| (.*?) *\| (.+?) *\|$/gm)
  return new Map(
    [...rows].map(([, name = '', type = '', labels = '', meaning = '']) => [
      name,
      { type, labels: [...labels.matchAll(/`(\w+)`/g)].map(([, label = '']) => label), meaning },
    ]),
  )
}

test('health and metrics follow the state of the mesh', async () => {
  const { at } = await start(2)
  const [one, two] = at
  if (one === undefined || two === undefined) throw new Error('two')
  expect(await ask(one.admin, '/healthz')).toMatchObject({ status: 200, body: 'ok\n' })
  expect(await ask(one.admin, '/readyz?verbose')).toMatchObject({ status: 200, body: 'ready\n' })
  for (const path of ['/', '/metrics/', '/healthz/x', '/__proto__', '//', '/socket.io/?EIO=4&transport=polling']) {
    expect((await ask(one.admin, path)).status, path).toBe(404)
  }
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
    expect(await ask(one.admin, '/metrics', method)).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD' } })
  }
  const head = await ask(one.admin, '/metrics', 'HEAD')
  expect(head).toMatchObject({ status: 200, body: '' })
  expect(head.headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/)
  // The client port does not serve metrics.
  expect((await ask(Number(new URL(one.url).port), '/metrics')).status).toBe(404)

  // Wait until both links are up and the first heartbeat has returned.
  const linked = [
    'mesh_chat_link_up{peer="server-2",direction="outbound"}',
    'mesh_chat_link_up{peer="server-2",direction="inbound"}',
  ]
  const rtt = 'mesh_chat_link_rtt_seconds{peer="server-2"}'
  const before = await untilAnswer(one.admin, '/metrics', ({ body }) => {
    return linked.every(series => sample(body, series) === 1) && sample(body, rtt) !== undefined
  })
  expect(sample(before.body, rtt)).toBeGreaterThan(0)
  // In seconds; a busy machine may take some.
  expect(sample(before.body, rtt)).toBeLessThan(30)
  expect(sample(before.body, 'mesh_chat_users')).toBe(0)
  expect(sample(before.body, 'mesh_chat_messages_accepted_total')).toBe(0)

  const anna = new RealClient('Anna', [one.url])
  const billy = new RealClient('Billy', [two.url])
  await until('both clients see both users', () => [anna, billy].every(({ roster }) => roster.join() === 'Anna,Billy'))
  for (let n = 0; n < 3; n++) anna.send('Billy', 'hi')
  await until('all messages are confirmed', () => billy.shown.length === 3 && anna.held.length === 0)
  for (const room of ['#ops', '#dev']) anna.joinRoom(room)
  billy.joinRoom('#ops')
  await until('both are in the room', () =>
    [anna, billy].every(({ rooms }) => rooms.get('#ops')?.join() === 'Anna,Billy'),
  )
  await until('Anna is in the other room', () => anna.rooms.has('#dev'))
  const rude = io(one.url, { transports: ['websocket'], forceNew: true })
  for (let n = 0; n < 2; n++) rude.emit('im', { to: 5 })
  await new Promise(resolve => rude.emit('im', { to: 'Anna', text: 'hi' }, resolve))
  const text = (await ask(one.admin, '/metrics')).body
  const after = (series: string) => sample(text, series)
  expect(after('mesh_chat_users')).toBe(1)
  expect(after('mesh_chat_rooms')).toBe(2)
  expect(after('mesh_chat_room_memberships')).toBe(2)
  expect(after('mesh_chat_connections')).toBe(1)
  expect(after('mesh_chat_online_users')).toBe(2)
  expect(after('mesh_chat_messages_accepted_total')).toBe(3)
  // From the connection that has not identified.
  expect(after('mesh_chat_messages_refused_total')).toBe(1)
  expect(after('mesh_chat_messages_forwarded_total')).toBe(0)
  expect(after('mesh_chat_messages_delivered_total')).toBe(3)
  expect(after('mesh_chat_peer_users{peer="server-2"}')).toBe(1)
  expect(after('mesh_chat_held_messages{peer="server-2"}')).toBe(0)
  expect(after('mesh_chat_malformed_payloads_total{side="client"}')).toBe(2)
  expect(after('mesh_chat_malformed_payloads_total{side="peer"}')).toBe(0)
  expect(after('mesh_chat_connections_cut_off_total{side="client"}')).toBe(0)
  expect(after('mesh_chat_draining')).toBe(0)
  expect(text).toMatch(/^mesh_chat_server_info\{server="server-1",version="\d+\.\d+\.\d+"\} 1$/m)
  expect(sample((await ask(two.admin, '/metrics')).body, 'mesh_chat_messages_forwarded_total')).toBe(3)

  // The metrics of a link that is down.
  two.program.child.kill('SIGKILL')
  const alone = await untilAnswer(one.admin, '/metrics', ({ body }) => linked.every(one => sample(body, one) === 0))
  expect(sample(alone.body, rtt)).toBeUndefined()
  for (const socket of [anna, billy, rude]) socket.close()
})

test('docs/metrics.md lists exactly the served metrics, and the dashboard uses no others', async () => {
  const { at } = await start(2)
  const admin = at[0]?.admin ?? 0
  const { body } = await untilAnswer(admin, '/metrics', ({ body }) => /^mesh_chat_link_rtt_seconds\{/m.test(body))
  const served = parseMetrics(body)
  const listed = documentedMetrics()
  expect([...served.keys()].sort()).toEqual([...listed.keys()].sort())
  for (const [name, { type, help, labels, samples }] of served) {
    expect(listed.get(name)?.type, name).toBe(type)
    if (samples > 0) expect(listed.get(name)?.labels.sort(), name).toEqual([...labels].sort())
    if (!name.startsWith('mesh_chat_')) continue
    expect(`${listed.get(name)?.meaning}.`, name).toBe(help)
    expect(type === 'counter', name).toBe(name.endsWith('_total'))
  }

  const dashboard = JSON.parse(readFileSync('docs/grafana-dashboard.json', 'utf8'))
  const variables = dashboard.templating.list.map(
    ({ name, type }: { name: string; type: string }) => `${name}: ${type}`,
  )
  expect(variables).toEqual(['datasource: datasource'])
  const panels = dashboard.panels.filter(({ type }: { type: string }) => type !== 'row')
  const expressions = panels.flatMap(({ targets }: { targets: { expr: string }[] }) => targets.map(({ expr }) => expr))
  const named = expressions.flatMap((expr: string) => expr.match(/\b(?:mesh_chat|process|nodejs)_\w+/g) ?? ['nothing'])
  expect(named.filter((name: string) => !listed.has(name))).toEqual([])
  // The dashboard shows all metrics of the server itself.
  const own = [...listed.keys()].filter(name => name.startsWith('mesh_chat_'))
  expect(own.filter(name => !named.includes(name))).toEqual([])
  for (const { datasource, targets } of panels) {
    for (const { uid } of [datasource, ...targets.map((one: { datasource: unknown }) => one.datasource)]) {
      expect(uid).toMatch(/^\$\{datasource\}$/)
    }
  }
  expect(new Set(dashboard.panels.map(({ id }: { id: number }) => id)).size).toBe(dashboard.panels.length)
})

test('slow consumers are counted, also when they are disconnected', async () => {
  const { at } = await start(1, { bufferedBytes: 500_000, messagesPerSecond: 0, unconfirmedMessages: 0 })
  const [one] = at
  if (one === undefined) throw new Error('one')
  const slow = new FloodingClient(Number(new URL(one.url).port), 'Slow')
  await untilAnswer(one.admin, '/metrics', ({ body }) => sample(body, 'mesh_chat_users') === 1)
  slow.pause()
  const sender = io(one.url, { transports: ['websocket'], forceNew: true })
  sender.emit('identify', 'Sender')
  let came = 0
  sender.on('im', () => came++)
  const say = async (count: number, length: number) => {
    const before = came
    for (let n = 0; n < count; n++) {
      sender.emit('im', { to: 'Slow', text: 'x'.repeat(length) })
      // Keeps the sender itself from becoming a slow consumer.
      await until('the sender has read its copies', () => came > before + n - 10)
    }
    await until('the sender has all copies', () => came === before + count)
    return (await ask(one.admin, '/metrics')).body
  }
  expect(sample(await say(257, 100), 'mesh_chat_slow_connections')).toBe(1)
  // Kernel buffers on loopback hold some megabytes.
  const cut = 'mesh_chat_connections_cut_off_total{side="client"}'
  for (let n = 0; n < 20; n++) if (sample(await say(101, 16_000), cut) === 1) break
  const { body } = await untilAnswer(one.admin, '/metrics', ({ body }) => sample(body, 'mesh_chat_users') === 1)
  expect(sample(body, cut)).toBe(1)
  expect(sample(body, 'mesh_chat_connections_cut_off_total{side="peer"}')).toBe(0)
  slow.close()
  sender.disconnect()
})

test('a draining server is alive but not ready', async () => {
  const { at } = await start(1)
  const [one] = at
  if (one === undefined) throw new Error('one')
  // This client ignores the request to move.
  const stubborn = io(one.url, { transports: ['websocket'], forceNew: true, reconnection: false })
  await new Promise(resolve => stubborn.emit('identify', { user: 'Anna', client: 'x/1', protocol: 2 }, resolve))
  one.program.child.kill('SIGTERM')
  // A server drains for three seconds at most: the other questions are asked at the same time.
  let others: Answer[] = []
  const unready = await untilAnswer(one.admin, '/readyz', async ({ status }) => {
    if (status !== 503) return false
    others = await Promise.all([ask(one.admin, '/healthz'), ask(one.admin, '/metrics')])
    return true
  })
  expect(unready).toMatchObject({ status: 503, body: 'draining: clients are moving to other servers\n' })
  const [alive, metrics] = others
  expect(alive).toMatchObject({ status: 200 })
  expect(sample(metrics?.body ?? '', 'mesh_chat_draining')).toBe(1)
  await one.program.waitForExit()
  expect(one.program.exitStatus).toEqual({ code: 0, signal: null })
  stubborn.disconnect()
})

test('a starting server is alive but not ready', async () => {
  const [port = 0] = await freePorts(1)
  const log = createLog({ format: 'text', level: 'error', text: false }, 'server-1')
  await AdminServer.listen({ host: '127.0.0.1', hostNames: [], port, version: '1.2.3', log })
  expect(await ask(port, '/healthz')).toMatchObject({ status: 200 })
  const starting = { status: 503, body: 'starting: not listening yet\n' }
  expect(await ask(port, '/readyz')).toMatchObject(starting)
  expect(await ask(port, '/metrics')).toMatchObject(starting)
})

test('workers use consecutive admin ports, and each is a separate peer', async () => {
  const first = await consecutiveFreePorts(3)
  const [admin = 0, ...ports] = await freePorts(3)
  const file = join(temporaryFolder(), 'config.json')
  const servers = ports.map((port, at) => ({ id: `server-${at + 1}`, ip: '127.0.0.1', port }))
  writeFileSync(file, JSON.stringify({ servers }))
  const run = (id: string, ...args: string[]) => new Program('daemon', ['--id', id, '--config', file, ...args])
  const program = run('server-1', '--workers', '3', '--admin-port', `${first}`)
  for (const n of [1, 2, 3]) {
    const { body } = await untilAnswer(first + n - 1, '/metrics', ({ status }) => status === 200)
    expect(body).toContain(`mesh_chat_server_info{server="server-1/${n}",`)
  }
  run('server-2', '--admin-port', `${admin}`)
  const link = (n: number) => `mesh_chat_link_up{peer="server-1/${n}",direction="outbound"}`
  const { body } = await untilAnswer(admin, '/metrics', ({ body }) => [1, 2, 3].every(n => sample(body, link(n)) === 1))
  // The address that the workers share does not count as a peer.
  expect(body).not.toContain('peer="server-1"')
  program.child.kill('SIGTERM')
  await program.waitForExit()
  expect(program.exitStatus).toEqual({ code: 0, signal: null })
})

test('with --admin-port 0 each worker has a different free port', async () => {
  const file = join(temporaryFolder(), 'config.json')
  const [port] = await freePorts(1)
  writeFileSync(file, JSON.stringify({ servers: [{ id: 'server-1', ip: '127.0.0.1', port }] }))
  const args = ['--id', 'server-1', '--config', file, '--log-format', 'text', '--workers', '2', '--admin-port', '0']
  const program = new Program('daemon', args)
  const adminPorts = () =>
    [...program.out.matchAll(/metrics at: http:\/\/127\.0\.0\.1:(\d+)/g)].map(([, at]) => Number(at))
  await until('both serve', () => adminPorts().length === 2)
  expect(new Set(adminPorts()).size).toBe(2)
  for (const [at, port] of adminPorts().entries()) {
    const { body } = await untilAnswer(port, '/metrics', ({ status }) => status === 200)
    expect(body).toContain(`mesh_chat_server_info{server="server-1/${at + 1}",`)
  }
  program.child.kill('SIGTERM')
  await program.waitForExit()
})

test('admin port errors are one line that says how to fix them', async () => {
  const { file, at } = await start(1)
  const taken = at[0]?.admin ?? 0
  const run = async (...args: string[]) => {
    const program = new Program('daemon', ['--id', 'server-1', '--config', file, '--log-level', 'error', ...args])
    await program.waitForExit()
    return `${program.exitStatus?.code} ${program.out}`
  }
  expect(await run('--admin-port', `${taken}`)).toBe(
    `1 mesh-chatd: port ${taken} is already in use; choose another with --admin-port\n`,
  )
  expect(await run('--admin-port', 'many')).toBe(
    '2 mesh-chatd: --admin-port many is not a port; give a number from 0 to 65535\n',
  )
  expect(await run('--admin-host', '::1')).toBe(
    '2 mesh-chatd: --admin-host ::1 needs a port; set it with --admin-port PORT\n',
  )
})

test('connections that send nothing, or wait, keep no scraper out of the admin port', async () => {
  const [port = 0] = await freePorts(1)
  const log = createLog({ format: 'text', level: 'error', text: false }, 'server-1')
  await AdminServer.listen({ host: '127.0.0.1', hostNames: [], port, version: '1.2.3', log })
  const sockets: Socket[] = []
  const open = async (start: string) => {
    const socket = connectTcp(port, '127.0.0.1')
      .on('error', () => {})
      .resume()
    sockets.push(socket)
    await new Promise(resolve => socket.once('connect', resolve))
    socket.write(start)
  }
  for (let n = 0; n < 60; n++)
    await open(['', 'GET /metrics HTTP/1.1\r\n', 'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'][n % 3] ?? '')
  expect(await ask(port, '/healthz')).toMatchObject({ status: 200 })
  await until('the oldest have made room', () => sockets.filter(({ closed }) => closed).length >= 11)
  await until('the oldest one is closed', () => sockets[0]?.closed === true)
  for (const socket of sockets) socket.destroy()
})

test('the admin port keeps no connection of a page, and no page can run or embed an answer', async () => {
  const [port = 0] = await freePorts(1)
  const log = createLog({ format: 'text', level: 'error', text: false }, 'server-1')
  await AdminServer.listen({ host: '127.0.0.1', hostNames: [], port, version: '1.2.3', log })
  const refused = await ask(port, '/metrics', 'GET', { host: 'evil.example', connection: 'keep-alive' })
  expect(refused).toMatchObject({ status: 403, headers: { connection: 'close' } })
  for (const path of ['/healthz', '/readyz', '/metrics', '/other']) {
    const { headers } = await ask(port, path)
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'cross-origin-resource-policy': 'same-origin',
    })
    expect(Object.keys(headers).filter(name => name.startsWith('access-control'))).toEqual([])
  }
})

test('the admin port answers only to known host names, so that no page in a browser can read it', async () => {
  const [port = 0] = await freePorts(1)
  const log = createLog({ format: 'text', level: 'error', text: false }, 'server-1')
  const hostNames = hostNamesOf(['10.1.2.3', 'mesh-1.internal'], ['https://chat.example'])
  await AdminServer.listen({ host: '127.0.0.1', hostNames, port, version: '1.2.3', log })
  for (const path of ['/healthz', '/readyz', '/metrics', '/other']) {
    for (const host of ['evil.example', `evil.example:${port}`, 'chat.example.evil.example', '127.0.0.1.evil.example'])
      expect(await ask(port, path, 'GET', { host })).toMatchObject({
        status: 403,
        body: expect.stringContaining('names'),
      })
  }
  for (const host of ['127.0.0.1', `localhost:${port}`, '10.9.9.9', `mesh-1.internal:${port}`, 'chat.example'])
    expect((await ask(port, '/healthz', 'GET', { host })).status).toBe(200)
})
