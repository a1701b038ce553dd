import type { ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { CrowdRequest, CrowdState } from './support/crowd-clients.ts'
import { connectPairs, type Load, PAIRS, saturate } from './support/load.ts'
import { RawClient } from './support/raw-client.ts'
import type { Benchmark, Measure } from './support/report.ts'
import {
  ANY_RATE,
  type System,
  sleep,
  startCluster,
  startHelper,
  startMesh,
  startWorkers,
  until,
} from './support/servers.ts'

interface Sizes {
  /** Connections of one process: first few, then many, then all that the descriptors of a process allow. */
  few: number
  many: number
  all: number
  /** Connections of a server with workers. */
  shared: number
  messages: number
  settleMs: number
}

const FULL: Sizes = { few: 1_000, many: 10_000, all: 18_000, shared: 50_000, messages: 100_000, settleMs: 2_000 }
const SMALL: Sizes = { few: 50, many: 200, all: 300, shared: 300, messages: 2_000, settleMs: 300 }

const WORKERS = 3
/** Clients of one process of the load generator: it needs as many descriptors. */
const CLIENTS_PER_PROCESS = 17_000
const LIMITS = { ...ANY_RATE, connections: 100_000 }
const CONNECT_WITHIN_MS = 300_000

/** Clients in separate processes. */
class Crowd {
  readonly #port: number
  readonly #own: boolean
  readonly #processes: ChildProcess[] = []

  constructor({ ports, name }: System) {
    this.#port = ports[0] ?? 0
    this.#own = name === 'mesh-chat'
  }

  /** Opens clients until there are this many. Resolves when all are identified. */
  async grow(clients: number): Promise<void> {
    await until(
      `${clients} identified clients`,
      async () => (await this.state(clients)).identified === clients,
      CONNECT_WITHIN_MS,
    )
  }

  /** @param clients number of clients to have */
  async state(clients: number): Promise<CrowdState> {
    await sleep(20)
    const sum: CrowdState = { identified: 0, refused: 0, lost: 0 }
    for (let n = 0; n * CLIENTS_PER_PROCESS < clients; n++) {
      const first = n * CLIENTS_PER_PROCESS
      this.#processes[n] ??= startHelper('bench/support/crowd-clients.js', [
        `${this.#port}`,
        `${first}`,
        this.#own ? 'own' : 'other',
      ])
      const state = await ask(this.#processes[n], { clients: Math.min(CLIENTS_PER_PROCESS, clients - first) })
      sum.identified += state.identified
      sum.refused += state.refused
      sum.lost += state.lost
    }
    return sum
  }

  /** All leave at once. */
  kill(): void {
    for (const child of this.#processes.splice(0)) child.kill('SIGKILL')
  }
}

function ask(child: ChildProcess | undefined, request: CrowdRequest): Promise<CrowdState> {
  return new Promise((resolve, reject) => {
    child?.once('message', state => resolve(state as CrowdState))
    child?.send(request, error => error && reject(error))
  })
}

/** Memory of the processes of a system, bytes (proc(5), `VmRSS`). */
function residentBytes(system: System): number {
  let sum = 0
  for (const pid of system.pids())
    sum += Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1_024
  return sum
}

interface ProcessSample {
  /** Heap per connection at `all`, and of those that came after `many`, kB. */
  memory: number
  memoryOfLast: number
  /** CPU to connect all, s. */
  cpu: number
  /** CPU s per 100,000 messages, with few and with all connections. */
  messageAtFew: number
  messageAtAll: number
  /** Longest turns, ms: while all connect, in the time after that, and when all leave at once. */
  turnWhileConnecting: number
  turnWhileIdle: number
  turnWhileLeaving: number
}

async function measureProcess(system: System, sizes: Sizes): Promise<ProcessSample> {
  const { few, many, all, messages, settleMs } = sizes
  const crowd = new Crowd(system)
  const heap = async () => {
    await sleep(settleMs)
    return (await system.memory()).heap ?? 0
  }
  try {
    const [port = 0] = system.ports
    const load = await connectPairs(system, async () => [await RawClient.open(port), await RawClient.open(port)])
    await saturate(load, messages)
    const empty = await heap()
    await crowd.grow(few)
    await sleep(settleMs)
    const messageAtFew = await messageCost(load, messages)
    const cpu = await system.cpu()
    await system.memory()
    // Starts the measurement of turns.
    await system.usage()
    await crowd.grow(many)
    const turnToMany = (await system.usage()).longestTurn
    const atMany = await heap()
    await crowd.grow(all)
    const turnToAll = (await system.usage()).longestTurn
    const spent = (await system.cpu()) - cpu
    const atAll = await heap()
    await system.usage()
    await sleep(2 * settleMs)
    const turnWhileIdle = (await system.usage()).longestTurn
    const messageAtAll = await messageCost(load, messages)
    await system.usage()
    crowd.kill()
    await sleep(2 * settleMs)
    const turnWhileLeaving = (await system.usage()).longestTurn
    return {
      memory: (atAll - empty) / all / 1_000,
      memoryOfLast: (atAll - atMany) / (all - many) / 1_000,
      cpu: spent / 1_000,
      messageAtFew,
      messageAtAll,
      turnWhileConnecting: Math.max(turnToMany, turnToAll),
      turnWhileIdle,
      turnWhileLeaving,
    }
  } finally {
    crowd.kill()
    system.stop()
  }
}

async function messageCost(load: Load, messages: number): Promise<number> {
  load.latencies = []
  return (await saturate(load, messages)).cpu
}

interface SharedSample {
  /** Resident memory per connection, kB: of all processes, what they have without connections not counted. */
  memory: number
  cpu: number
  seconds: number
  /** Time until the clients of a killed worker are identified again, s. */
  back: number
  refused: number
}

async function measureShared(system: System, { shared, settleMs }: Sizes): Promise<SharedSample> {
  const crowd = new Crowd(system)
  try {
    await sleep(settleMs)
    const empty = residentBytes(system)
    const cpu = await system.cpu()
    const since = performance.now()
    await crowd.grow(shared)
    const seconds = (performance.now() - since) / 1_000
    const spent = (await system.cpu()) - cpu
    await sleep(settleMs)
    const memory = (residentBytes(system) - empty) / shared / 1_000
    const before = await crowd.state(shared)
    const [, worker = 0] = system.pids()
    process.kill(worker, 'SIGKILL')
    const killedAt = performance.now()
    await until('the clients notice', async () => (await crowd.state(shared)).lost > before.lost, 10_000)
    await crowd.grow(shared)
    const back = (performance.now() - killedAt) / 1_000
    const { refused } = await crowd.state(shared)
    return { memory, cpu: spent / 1_000, seconds, back, refused }
  } finally {
    crowd.kill()
    system.stop()
  }
}

async function run(small: boolean): Promise<Measure[]> {
  const sizes = small ? SMALL : FULL
  const own = await measureProcess(await startMesh(1, { limits: LIMITS }), sizes)
  const other = await measureProcess(await startCluster(0), sizes)
  const shared = await measureShared(await startWorkers(WORKERS, LIMITS), sizes)
  const cluster = await measureShared(await startCluster(WORKERS), sizes)
  const measure = (name: string, unit: string, key: keyof ProcessSample, more: Partial<Measure> = {}): Measure => ({
    name: `one process: ${name}`,
    unit,
    samples: [own[key]],
    yardstick: { name: 'Socket.IO', samples: [other[key]] },
    ...more,
  })
  const measureAll = (name: string, unit: string, key: keyof SharedSample, more: Partial<Measure> = {}): Measure => ({
    name: `${WORKERS} workers: ${name}`,
    unit,
    samples: [shared[key]],
    yardstick: { name: 'cluster adapter', samples: [cluster[key]] },
    ...more,
  })
  return [
    measure('memory per connection', 'kB', 'memory', { limit: 10 }),
    measure(`memory per connection after ${sizes.many.toLocaleString('en')}`, 'kB', 'memoryOfLast', { limit: 10 }),
    measure('CPU to connect', 's', 'cpu'),
    {
      name: 'one process: CPU of messages with all connections',
      unit: 's/100,000',
      samples: [own.messageAtAll],
      yardstick: { name: `with ${sizes.few.toLocaleString('en')}`, samples: [own.messageAtFew] },
      aim: { atMost: 1.2 },
    },
    measure('longest turn while all connect', 'ms', 'turnWhileConnecting', { limit: 50 }),
    measure('longest turn after that', 'ms', 'turnWhileIdle', { limit: 50 }),
    measure('longest turn when all leave at once', 'ms', 'turnWhileLeaving', { limit: 50 }),
    measureAll('resident memory per connection', 'kB', 'memory'),
    measureAll('CPU to connect', 's', 'cpu'),
    measureAll('time to connect', 's', 'seconds'),
    measureAll("time until a killed worker's clients are back", 's', 'back', { limit: 30 }),
    measureAll('refused clients', '', 'refused', { limit: 0 }),
  ]
}

export const connections: Benchmark = {
  name: 'connections',
  about:
    `${FULL.all.toLocaleString('en')} identified users that send nothing on one process, and ` +
    `${FULL.shared.toLocaleString('en')} on one port with ${WORKERS} workers, one of which is killed; beside ${2 * PAIRS} users that ` +
    'send messages',
  run,
}
