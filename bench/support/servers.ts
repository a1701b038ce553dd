/** The measured processes: servers of mesh-chat, servers of the yardsticks, and Redis. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { pollOnce } from '../../cli/top/poller.ts'
import type { Limits } from '../../src/protocol/limits.ts'
import type { ProcessUsage } from './meter.ts'

const BUILD = fileURLToPath(new URL('../..', import.meta.url))
const METER = new URL('meter.js', import.meta.url).href
const TICK_MS = 10

export interface System {
  name: string
  /** Ports for clients. */
  ports: number[]
  /** CPU time of all processes so far, ms. */
  cpu(): Promise<number>
  /** CPU and memory of the first server. */
  usage(): Promise<ProcessUsage>
  /** The same, after a garbage collection. */
  memory(): Promise<ProcessUsage>
  /** The processes of the system, children included. */
  pids(): number[]
  stop(): void
}

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise(resolve => server.close(resolve))
  if (typeof address !== 'object' || address === null) throw new Error('the system assigned no port')
  return address.port
}

/** Free ports, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>()
  while (ports.size < count) ports.add(await freePort())
  return [...ports]
}

export function sleep(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}

/** Waits until `check` returns true. Throws after `within` ms. */
export async function until(what: string, check: () => boolean | Promise<boolean>, within = 60_000): Promise<void> {
  const since = performance.now()
  while (!(await check())) {
    if (performance.now() - since > within) throw new Error(`timed out after ${within} ms, waiting for: ${what}`)
    await sleep(2)
  }
}

async function waitForPort(port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const open = await new Promise<boolean>(resolve => {
      const socket = connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false))
      socket.on('connect', () => socket.destroy())
    })
    if (open) return
    await sleep(50)
  }
  throw new Error(`nothing listens on port ${port}`)
}

function start(command: string, args: readonly string[], ipc: boolean, env: NodeJS.ProcessEnv = {}): ChildProcess {
  const stdio = ['ignore', 'ignore', 'inherit', ...(ipc ? ['ipc' as const] : [])] as const
  const child = spawn(command, args, { stdio: [...stdio], env: { ...process.env, ...env } })
  running.add(child)
  child.on('exit', () => running.delete(child))
  return child
}

/** Starts a Node.js process with the meter loaded. @param script path in the build folder */
function startNode(script: string, args: readonly string[]): ChildProcess {
  const profile = process.env.BENCH_CPU_PROF
  const options = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]
  return start(process.execPath, [...options, '--expose-gc', '--import', METER, join(BUILD, script), ...args], true)
}

function readUsage(child: ChildProcess, question: 'now' | 'collected' | 'turns' = 'now'): Promise<ProcessUsage> {
  return new Promise(resolve => {
    child.once('message', message => resolve(message as ProcessUsage))
    child.send(question)
  })
}

/**
 * @param nodes Node.js processes with the meter
 * @param others other processes, measured and killed together with their children
 */
function createSystem(
  name: string,
  ports: number[],
  nodes: ChildProcess[],
  others: ChildProcess[],
  clean = () => {},
): System {
  return {
    name,
    ports,
    cpu: async () => {
      let sum = 0
      for (const child of nodes) sum += (await readUsage(child)).cpu
      for (const pid of others.flatMap(processTree)) sum += cpuTimeMs(pid)
      return sum
    },
    usage: () => readUsage(firstOf(nodes), 'turns'),
    memory: () => readUsage(firstOf(nodes), 'collected'),
    pids: () => [...nodes, ...others].flatMap(processTree),
    stop: () => {
      // Node.js writes a CPU profile only when it exits by itself.
      for (const child of nodes) child.kill(process.env.BENCH_CPU_PROF === undefined ? 'SIGKILL' : 'SIGTERM')
      for (const pid of others.flatMap(processTree)) process.kill(pid, 'SIGKILL')
      clean()
    },
  }
}

function firstOf(nodes: readonly ChildProcess[]): ChildProcess {
  const [first] = nodes
  if (first === undefined) throw new Error('the system has no server with a meter')
  return first
}

/** The ids of a process and its children; none when it has ended. */
function processTree(child: ChildProcess): number[] {
  const { pid } = child
  if (pid === undefined || !running.has(child)) return []
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return [pid, ...children.split(' ').filter(Boolean).map(Number)]
}

/** CPU time of any process, ms: fields 14 and 15 of /proc/PID/stat (proc(5)), in ticks. */
export function cpuTimeMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS
}

/** No limit on the rate of messages; other limits are the defaults. */
export const ANY_RATE: Partial<Limits> = { messagesPerSecond: 1e6, burst: 1e6, roomMessagesPerSecond: 0 }

/** Writes a config with this number of servers to a temporary folder. */
async function writeMeshConfig(servers: number, limits = ANY_RATE, backbone?: readonly string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'mesh-chat-bench-'))
  const ports: number[] = []
  for (let n = 0; n < servers; n++) ports.push(await freePort())
  const list = ports.map((port, at) => ({ id: `server-${at + 1}`, ip: '127.0.0.1', port }))
  const config = join(folder, 'config.json')
  writeFileSync(config, JSON.stringify({ servers: list, limits, backbone }))
  const args = ['--config', config, '--log-format', 'json', '--log-level', 'error']
  const clean = () => rmSync(folder, { recursive: true, force: true })
  return { folder, ports, ids: list.map(({ id }) => id), args, clean }
}

interface MeshOptions {
  limits?: Partial<Limits>
  waitsForLinks?: boolean
  /** The NATS servers that carry the links. */
  backbone?: readonly string[]
}

/** Starts this number of servers of mesh-chat, as a user would. They are linked, unless `waitsForLinks` is false. */
export async function startMesh(
  servers: number,
  { limits = ANY_RATE, waitsForLinks = true, backbone }: MeshOptions = {},
): Promise<System> {
  const { ports, ids, args, clean } = await writeMeshConfig(servers, limits, backbone)
  const nodes = ids.map(id => startNode('daemon/main.js', ['--id', id, ...args]))
  await Promise.all(ports.map(waitForPort))
  const system = createSystem('mesh-chat', ports, nodes, [], clean)
  if (waitsForLinks) await waitForMesh(system, servers, 0)
  return system
}

/** Waits until this number of servers are fully linked and each knows this number of users. */
export async function waitForMesh(system: System, servers: number, users: number): Promise<void> {
  await until(`a mesh of ${servers} that knows ${users} users`, async () => {
    // Each poll opens a new connection.
    await sleep(100)
    const survey = await pollOnce(`http://127.0.0.1:${system.ports[0]}`, undefined)
    if (typeof survey === 'string' || !survey.ok || survey.servers.length !== servers) return false
    return survey.servers.every(({ status }) => {
      const links = status?.links.filter(({ outbound, inbound }) => outbound === 'open' && inbound) ?? []
      return status?.online === users && links.length === servers - 1
    })
  })
}

/**
 * Starts one server of mesh-chat with this number of workers; undefined: a single process without `--workers`. The
 * workers may not be linked yet. It runs without the meter: the workers would load it, too, and answer its requests.
 */
export async function startWorkers(workers: number | undefined, limits = ANY_RATE): Promise<System> {
  const { folder, ports, args, clean } = await writeMeshConfig(1, limits)
  const shared = workers === undefined ? [] : ['--workers', `${workers}`]
  const command = [join(BUILD, 'daemon/main.js'), '--id', 'server-1', ...args, ...shared]
  // `clean` removes this folder, and with it the sockets that a killed primary leaves.
  const primary = start(process.execPath, command, false, { TMPDIR: folder })
  await Promise.all(ports.map(waitForPort))
  return createSystem('mesh-chat', ports, [], [primary], clean)
}

/** Whether redis-server is installed. */
export function hasRedis(): boolean {
  return spawnSync('redis-server', ['--version']).status === 0
}

/** Printed when redis-server is not installed. */
export const NO_REDIS =
  'Skipping the yardstick "Redis adapter": redis-server is not installed; run apt-get install -y redis-server.'

/** Whether nats-server is installed. */
export function hasNats(): boolean {
  return spawnSync('nats-server', ['--version']).status === 0
}

/** Printed when nats-server is not installed. */
export const NO_NATS = 'Skipping the benchmark: nats-server is not installed; run apt-get install -y nats-server.'

/** A nats-server on loopback. */
export class Nats {
  readonly url: string
  readonly #port: number
  #child: ChildProcess | undefined

  private constructor(port: number) {
    this.#port = port
    this.url = `nats://127.0.0.1:${port}`
  }

  /** Chooses a port; nothing listens there yet. */
  static async prepare(): Promise<Nats> {
    return new Nats(await freePort())
  }

  /** Starts the process, also after `stop`. */
  async start(): Promise<void> {
    const args = ['-a', '127.0.0.1', '-p', `${this.#port}`, '-l', '/dev/null']
    this.#child = start('nats-server', args, false)
    await waitForPort(this.#port)
  }

  /** CPU time so far, ms. */
  get cpu(): number {
    return this.#child === undefined ? 0 : processTree(this.#child).reduce((sum, pid) => sum + cpuTimeMs(pid), 0)
  }

  /** Kills the process. Resolves when it is gone. */
  async stop(): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    await new Promise(resolve => child.once('exit', resolve).kill('SIGKILL'))
  }
}

/** Starts this number of Socket.IO 4.8 servers with the Redis adapter, and a Redis. */
export async function startRedisChat(servers: number): Promise<System> {
  const redisPort = await freePort()
  const redis = start(
    'redis-server',
    ['--port', `${redisPort}`, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--loglevel', 'warning'],
    false,
  )
  await waitForPort(redisPort)
  const ports: number[] = []
  for (let n = 0; n < servers; n++) ports.push(await freePort())
  const nodes = ports.map(port => startNode('bench/yardsticks/redis-chat.js', [`${port}`, `${redisPort}`]))
  await Promise.all(ports.map(waitForPort))
  await sleep(500)
  return createSystem('Socket.IO + Redis', ports, nodes, [redis])
}

/** Starts a Socket.IO 4.8 server with this number of workers and its cluster adapter, or one process with 0. */
export async function startCluster(workers: number): Promise<System> {
  const port = await freePort()
  const script = 'bench/yardsticks/cluster-chat.js'
  if (workers === 0) {
    const node = startNode(script, [`${port}`, '0'])
    await waitForPort(port)
    return createSystem('Socket.IO', [port], [node], [])
  }
  const primary = start(process.execPath, [join(BUILD, script), `${port}`, `${workers}`], false)
  await waitForPort(port)
  return createSystem('Socket.IO, cluster', [port], [], [primary])
}

/** Starts one Socket.IO 4.8 server that sends the full user list at each change. */
export async function startFullList(mode: 'each' | 'broadcast'): Promise<System> {
  const port = await freePort()
  const node = startNode('bench/yardsticks/full-list.js', [`${port}`, mode])
  await waitForPort(port)
  return createSystem('Socket.IO, full list', [port], [node], [])
}

/** Whether ngircd is installed. */
export function hasNgircd(): boolean {
  return spawnSync('ngircd', ['--version']).status === 0
}

/** Printed when ngircd is not installed. */
export const NO_NGIRCD = 'Skipping the yardstick "ngircd": it is not installed; run apt-get install -y ngircd.'

/** Starts two IRC servers, ngircd, with no limit on the rate of messages. They may not be linked yet. */
export async function startNgircd(): Promise<System> {
  const folder = mkdtempSync(join(tmpdir(), 'mesh-chat-bench-'))
  const ports = [await freePort(), await freePort()]
  const name = (n: number) => `server-${n + 1}.bench`
  const processes: ChildProcess[] = []
  for (const [n, port] of ports.entries()) {
    const [peer] = n === 0 ? [] : ports
    const config = [
      '[Global]',
      `Name = ${name(n)}`,
      'Info = bench',
      'AdminInfo1 = bench',
      'AdminInfo2 = bench',
      'AdminEMail = bench@localhost',
      'MotdPhrase = bench',
      'Listen = 127.0.0.1',
      `Ports = ${port}`,
      '[Limits]',
      'ConnectRetry = 5',
      'MaxConnectionsIP = 0',
      'MaxPenaltyTime = 0',
      '[Options]',
      'DNS = no',
      'Ident = no',
      'PAM = no',
      '[Server]',
      `Name = ${name(1 - n)}`,
      ...(peer === undefined ? ['Passive = yes'] : ['Host = 127.0.0.1', `Port = ${peer}`]),
      'MyPassword = bench',
      'PeerPassword = bench',
    ]
    const file = join(folder, `${n}.conf`)
    writeFileSync(file, config.map(line => `${line}\n`).join(''))
    processes.push(start('ngircd', ['--nodaemon', '--config', file], false))
    await waitForPort(port)
  }
  return createSystem('ngircd', ports, [], processes, () => rmSync(folder, { recursive: true, force: true }))
}

/** Starts a Node.js process without the meter. @param script path in the build folder */
export function startHelper(script: string, args: readonly string[]): ChildProcess {
  return start(process.execPath, [join(BUILD, script), ...args], true)
}
