/** `--workers`: several processes on one port, each a full server of the mesh. */
import { readdirSync, writeFileSync } from 'node:fs'
import { connect, type Socket as TcpSocket } from 'node:net'
import { join } from 'node:path'
import { io, type Socket } from 'socket.io-client'
import io2 from 'socket.io-client-2'
import { afterAll, expect, test } from 'vitest'
import type { Limits } from '../../../src/protocol/limits.ts'
import { freePorts, Program, stopAll, temporaryFolder, until } from '../../support/programs/processes.ts'
import { RealClient } from '../../support/programs/real-client.ts'

afterAll(stopAll)

/** Starts machines with the given number of workers. */
function startMachines(...workers: (number | undefined)[]) {
  return startLimitedMachines({}, ...workers)
}

async function startLimitedMachines(limits: Partial<Limits>, ...workers: (number | undefined)[]) {
  const folder = temporaryFolder()
  const ports = await freePorts(workers.length)
  const file = join(folder, 'config.json')
  const servers = ports.map((port, at) => ({ id: `server-${at + 1}`, ip: '127.0.0.1', port }))
  writeFileSync(file, JSON.stringify({ servers, limits }))
  const programs = workers.map((count, at) => {
    const args = ['--id', `server-${at + 1}`, '--config', file, '--log-format', 'text']
    return new Program('daemon', count === undefined ? args : [...args, '--workers', `${count}`])
  })
  const all = workers.flatMap((count, at) =>
    count === undefined ? [`server-${at + 1}`] : Array.from({ length: count }, (_, n) => `server-${at + 1}/${n + 1}`),
  )
  // Every server has a link to every other.
  const met = (from: string, to: string) => {
    const [, at = '1'] = /^server-(\d)/.exec(from) ?? []
    const out = programs[Number(at) - 1]?.out ?? ''
    const prefix = from.includes('/') ? `${from}: ` : ''
    return out.includes(`${prefix}Outbound connection to peer: ${to}\n`)
  }
  const isLinked = () => all.every(one => all.every(other => one === other || met(one, other)))
  await until('all are linked', isLinked, 60_000)
  const url = (n: number) => `http://127.0.0.1:${ports[n - 1]}`
  return { file, ports, programs, url, all }
}

test('workers on several machines form one mesh; a killed worker is replaced and no message is lost', async () => {
  const { programs, url, all, ports } = await startMachines(3, 2, undefined)
  const clients = Array.from({ length: 12 }, (_, n) => new RealClient(`user ${n % 6}`, [url(1 + (n % 3))]))
  const users = Array.from({ length: 6 }, (_, n) => `user ${n}`).join()
  await until('all have the same roster', () => clients.every(({ roster }) => roster.join() === users))
  const at = new Set(clients.map(({ server }) => server))
  // One worker may have all four clients of its machine: only hundreds are spread evenly.
  expect([...at].every(server => all.includes(server ?? ''))).toBe(true)

  const said = () => clients.flatMap(({ composed }) => composed)
  let number = 0
  const talking = setInterval(() => {
    const client = clients[number % clients.length]
    client?.send(`user ${(number * 5 + 1) % 6}`, `message ${number++}`)
  }, 20)
  const [first] = programs
  if (first === undefined) throw new Error('a program')
  await until('some messages are sent', () => number > 50)
  const victim = clients.find(({ server }) => server?.startsWith('server-1/'))
  const worker = victim?.server ?? ''
  const pids = first.out.match(new RegExp(`${worker}: Process: (\\d+)`))
  process.kill(Number(pids?.[1]), 'SIGKILL')
  await until('it is replaced', () => first.out.includes(`Worker ${worker.slice(-1)} exited (SIGKILL)`))
  await until('it is back', () => first.count(`${worker}: Listening for peers`) === 2)
  await until('all are online again', () => clients.every(({ server }) => server !== undefined))
  await until('more messages are sent', () => number > 300)
  clearInterval(talking)
  await until('nothing is held', () => clients.every(({ held }) => held.length === 0))
  await until('all have the same roster again', () => clients.every(({ roster }) => roster.join() === users))
  for (const client of clients) {
    const due = said().filter(({ from, to }) => from === client.user || to === client.user)
    await until(`${client.user} has all messages`, () => client.shown.length >= due.length)
    expect(new Set(client.shown.map(({ id }) => id))).toEqual(new Set(due.map(({ id }) => id)))
    expect(client.shown).toHaveLength(due.length)
  }
  // Clients learn the shared ports only.
  const hello = io(url(2), { transports: ['websocket'], forceNew: true })
  const answer = await hello.timeout(60_000).emitWithAck('identify', { user: 'x', client: 'x/1', protocol: 2 })
  const told = answer.servers.map(({ url }: { url: string }) => Number(new URL(url).port))
  expect(new Set(told)).toEqual(new Set(ports))
  hello.disconnect()
  for (const client of clients) client.close()

  first.child.kill('SIGTERM')
  await first.waitForExit()
  expect(first.exitStatus).toEqual({ code: 0, signal: null })
})

test('each worker runs once, also when the first one is back before another is restarted', async () => {
  const { programs } = await startMachines(2)
  const [primary] = programs
  if (primary === undefined) throw new Error('a program')
  const pidsOf = (worker: number) =>
    [...primary.out.matchAll(new RegExp(`server-1/${worker}: Process: (\\d+)`, 'g'))].map(([, pid]) => Number(pid))
  const kill = (worker: number) => process.kill(pidsOf(worker).at(-1) ?? 0, 'SIGKILL')
  // Each early exit doubles the delay of the next restart.
  for (let exits = 1; exits <= 4; exits++) {
    kill(2)
    if (exits < 4) await until('worker 2 runs again', () => pidsOf(2).length === exits + 1)
  }
  await until('worker 2 waits', () => primary.count('Worker 2 exited') === 4)
  const exitedAt = performance.now()
  kill(1)
  await until('worker 1 runs again', () => primary.count('server-1/1: Listening for peers') === 2)
  await until('worker 2 runs again', () => performance.now() - exitedAt > 4_500 && pidsOf(2).length >= 5)
  expect(pidsOf(2)).toHaveLength(5)
  primary.child.kill('SIGTERM')
  await primary.waitForExit()
  expect(primary.exitStatus?.code).toBe(0)
  const isRunning = (pid: number) => {
    try {
      return process.kill(pid, 0)
    } catch {
      return false
    }
  }
  expect([1, 2].flatMap(pidsOf).filter(isRunning)).toEqual([])
})

test('long-polling clients work although each request reaches another worker', async () => {
  const { url } = await startMachines(4)
  const sockets: { on: Socket['on']; emit: Socket['emit']; disconnect(): unknown }[] = []
  const got: string[] = []
  for (let n = 0; n < 8; n++) {
    // A new connection per request; every second client upgrades to a WebSocket, as original clients do.
    const transports = n % 2 === 0 ? ['polling'] : ['polling', 'websocket']
    const open = n % 4 < 2 ? io : (io2 as unknown as typeof io)
    const socket = open(url(1), { transports, forceNew: true, reconnection: false, agent: false } as object)
    sockets.push(socket)
    socket.on('im', (message: { text: string }) => got.push(`${n} ${message.text}`))
    socket.on('connect', () => socket.emit('identify', `user ${n}`))
    socket.on('disconnect', (reason: string) => got.push(`${n} lost: ${reason}`))
  }
  // Original clients do not hold messages: all workers must know the recipients before messages are sent.
  const lists: string[][] = []
  sockets.forEach((socket, n) => {
    socket.on('update_client', ({ list }: { list: string[] }) => {
      lists[n] = list
    })
  })
  await until('all see all users', () => sockets.every((_, n) => lists[n]?.length === 8))
  for (let round = 0; round < 5; round++) {
    sockets.forEach((socket, n) => void socket.emit('im', { to: `user ${(n + 1) % 8}`, text: `${round}` }))
  }
  // Each message goes to its recipient and back to its sender.
  await until('all messages have arrived', () => got.length >= 8 * 5 * 2)
  expect(got.filter(one => one.includes('lost'))).toEqual([])
  for (const socket of sockets) socket.disconnect()
})

test('SIGHUP makes every worker read the config again', async () => {
  const { file, ports, programs, all } = await startMachines(2)
  const [primary] = programs
  if (primary === undefined) throw new Error('a program')
  const reload = (rooms: object[]) => {
    writeFileSync(file, JSON.stringify({ servers: [{ id: 'server-1', ip: '127.0.0.1', port: ports[0] }], rooms }))
    primary.child.kill('SIGHUP')
  }
  const untilAllLog = (text: string) =>
    until(`every worker logs: ${text}`, () => all.every(id => primary.out.includes(`${id}: ${text}`)))
  reload([{ name: 'ops' }])
  await untilAllLog(`Could not reload the config: ${file}: rooms[0].name is invalid`)
  reload([{ name: '#ops' }])
  await untilAllLog(`Config reloaded from: ${file}`)
})

test('a start failure is reported once, with the exit code of a single process', async () => {
  const folder = temporaryFolder()
  const [port = 0] = await freePorts(1)
  const file = join(folder, 'config.json')
  writeFileSync(file, JSON.stringify({ servers: [{ id: 'server-1', ip: '127.0.0.1', port }] }))
  const start = (...more: string[]) => new Program('daemon', ['--id', 'server-1', '--config', file, ...more])
  const one = start('--log-format', 'text')
  await until('it listens', () => one.out.includes('Listening'))
  const taken = start('--workers', '3', '--log-format', 'text')
  await taken.waitForExit()
  expect(taken.exitStatus?.code).toBe(1)
  expect(taken.count(`port ${port} is already in use; choose another with --port`)).toBe(1)
  const nonsense = start('--workers', 'many')
  await nonsense.waitForExit()
  expect(nonsense.exitStatus?.code).toBe(2)
  expect(nonsense.out).toBe('mesh-chatd: --workers many is not valid; give a number from 1 to 512, or auto\n')
})

/** Opens TCP connections one after the other. */
async function openConnections(port: number, count: number): Promise<TcpSocket[]> {
  const sockets: TcpSocket[] = []
  for (let n = 0; n < count; n++) {
    await new Promise<void>((resolve, reject) => {
      sockets.push(connect(port, '127.0.0.1', resolve).on('error', reject))
    })
    // Not a rush: see `AcceptBalance`.
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  return sockets
}

/** The processes of a server with workers: functions that find a worker's process, and count its open files. */
function processesOf(primary: Program) {
  const pidOf = (worker: number) =>
    Number([...primary.out.matchAll(new RegExp(`server-1/${worker}: Process: (\\d+)`, 'g'))].at(-1)?.[1])
  const filesOf = (worker: number) => readdirSync(`/proc/${pidOf(worker)}/fd`).length
  return { pidOf, filesOf }
}

test('connections are spread evenly over the workers, also when one is replaced', async () => {
  const { programs, ports } = await startLimitedMachines({ identifyMs: 80_000 }, 3)
  const [primary] = programs
  const [port = 0] = ports
  if (primary === undefined) throw new Error('a program')
  const { pidOf, filesOf } = processesOf(primary)
  const descriptors = () => [1, 2, 3].map(filesOf)
  const idle = Math.max(...descriptors())
  const accepted = () => descriptors().reduce((sum, count) => sum + count - idle, 0)
  const sockets = await openConnections(port, 360)
  await until('most are accepted', () => accepted() > 340)
  for (const count of descriptors()) expect(count - idle).toBeGreaterThan(60)
  let closed = 0
  for (const socket of sockets) socket.on('error', () => {}).on('close', () => closed++)
  process.kill(pidOf(2), 'SIGKILL')
  await until('its connections are closed', () => closed > 60)
  await until('it is back', () => primary.count('server-1/2: Listening for peers') === 2)
  sockets.push(...(await openConnections(port, closed)))
  await until('most are accepted', () => accepted() > 340)
  for (const count of descriptors()) expect(count - idle).toBeGreaterThan(60)
  for (const socket of sockets) socket.destroy()
  await until('all connections are gone', () => Math.max(...descriptors()) <= idle)
})

test('a worker closes a connection that sends no request in time', async () => {
  const { ports } = await startLimitedMachines({ identifyMs: 400 }, 2)
  const socket = connect(ports[0] ?? 0, '127.0.0.1').on('error', () => {})
  let isClosed = false
  socket.on('close', () => {
    isClosed = true
  })
  socket.write('GET /socket.io/ HTTP/1.1\r\n')
  socket.resume()
  await until('it is closed', () => isClosed)
})

test('a worker that is stuck keeps nobody out, also where the others pause', async () => {
  const { programs, ports } = await startLimitedMachines({ identifyMs: 80_000 }, 2)
  const [primary] = programs
  const [port = 0] = ports
  if (primary === undefined) throw new Error('a program')
  const { pidOf, filesOf } = processesOf(primary)
  const sockets = await openConnections(port, 120)
  for (const socket of sockets) socket.on('error', () => {})
  process.kill(pidOf(1), 'SIGKILL')
  await until('it is back', () => primary.count('server-1/1: Listening for peers') === 2)
  // The new one has far fewer connections, so the other one leaves the next to it.
  await until('it takes the next connections', async () => {
    const before = filesOf(2)
    sockets.push(...(await openConnections(port, 5)))
    return filesOf(2) === before
  })
  process.kill(pidOf(1), 'SIGSTOP')
  try {
    for (let n = 0; n < 5; n++)
      expect((await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } })).status).toBe(404)
  } finally {
    process.kill(pidOf(1), 'SIGCONT')
    for (const socket of sockets) socket.destroy()
  }
})

test.each([{ workers: undefined }, { workers: 2 }])(
  '1,000 connections wait for a server that is busy, without a retry; workers: $workers',
  {
    timeout: 60_000,
  },
  async ({ workers }) => {
    const { programs, ports } = await startLimitedMachines({ identifyMs: 80_000 }, workers)
    const [server] = programs
    if (server?.child.pid === undefined) throw new Error('a program')
    await until('it listens', () => server.out.includes('Listening for connections'))
    const { pidOf } = processesOf(server)
    const pids = workers === undefined ? [server.child.pid] : [pidOf(1), pidOf(2)]
    const sockets: TcpSocket[] = []
    for (const pid of pids) process.kill(pid, 'SIGSTOP')
    try {
      let connected = 0
      for (let n = 0; n < 1_000; n++) {
        const socket = connect(ports[0] ?? 0, '127.0.0.1', () => connected++)
        sockets.push(socket.on('error', () => {}))
      }
      // The kernel accepts for the stopped processes, as far as their queue allows.
      await until('all are connected', () => connected === 1_000)
    } finally {
      for (const pid of pids) process.kill(pid, 'SIGCONT')
      for (const socket of sockets) socket.destroy()
    }
  },
)
