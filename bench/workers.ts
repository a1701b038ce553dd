import { availableParallelism } from 'node:os'
import { pollOnce } from '../cli/top/poller.ts'
import { connectPairs, type Load, PAIRS, saturate } from './support/load.ts'
import { RawClient } from './support/raw-client.ts'
import type { Benchmark, Measure } from './support/report.ts'
import { type System, sleep, startWorkers, until } from './support/servers.ts'

/** How many share the port. */
const WORKER_COUNTS = [1, 2, 4]
const CORES = availableParallelism()
/** Connections that are opened for one to come to the worker wanted. */
const MAX_CONNECT_TRIES = 200

interface WorkerSample {
  /** CPU of all the server's processes, s per 100,000 messages. */
  cpu: number
  /** Messages a second. */
  rate: number
  /** Cores that were busy with it, the load's own among them. */
  cores: number
}

/** The workers, from 1, of a pair's users: of any two of so many there are as many pairs. */
function workersOfPair(pair: number, workers: number): [sender: number, recipient: number] {
  return [(pair % workers) + 1, (Math.floor(pair / workers) % workers) + 1]
}

/** The share of the pairs whose users are at two workers. */
function crossWorkerShare(workers: number): number {
  const places = Array.from({ length: PAIRS }, (_, pair) => workersOfPair(pair, workers))
  return places.filter(([sender, recipient]) => sender !== recipient).length / PAIRS
}

/** Waits until so many servers have links from each to each, and each knows so many users. */
async function waitForMesh(system: System, servers: number, users: number): Promise<void> {
  await until(`a mesh of ${servers} that knows ${users} users`, async () => {
    // A question is a connection of its own.
    await sleep(100)
    const survey = await pollOnce(`http://127.0.0.1:${system.ports[0]}`, undefined)
    if (typeof survey === 'string' || !survey.ok || survey.servers.length !== servers) return false
    return survey.servers.every(({ status }) => {
      const links = status?.links.filter(({ outbound, inbound }) => outbound === 'open' && inbound) ?? []
      return status?.online === users && links.length === servers - 1
    })
  })
}

/** Connects again until it is to this worker, which a session's id begins with. */
async function openAtWorker(port: number, worker: number): Promise<RawClient> {
  for (let tries = 0; tries < MAX_CONNECT_TRIES; tries++) {
    const client = await RawClient.open(port)
    if (client.sessionId.startsWith(`${worker}.`)) return client
    client.close()
  }
  throw new Error(`no connection came to worker ${worker}`)
}

async function connectAll(system: System, workers: number | undefined): Promise<Load> {
  const [port = 0] = system.ports
  await waitForMesh(system, workers ?? 1, 0)
  const load = await connectPairs(system, async pair => {
    if (workers === undefined) return [await RawClient.open(port), await RawClient.open(port)]
    const [sender, recipient] = workersOfPair(pair, workers)
    // One after the other: two that take turns could miss their workers for good.
    return [await openAtWorker(port, sender), await openAtWorker(port, recipient)]
  })
  await waitForMesh(system, workers ?? 1, 2 * PAIRS)
  return load
}

async function measureSaturated(load: Load, messages: number): Promise<WorkerSample> {
  load.latencies = []
  const before = process.cpuUsage()
  const { cpu, rate } = await saturate(load, messages)
  const { user, system } = process.cpuUsage(before)
  const own = ((user + system) / 1e6 / messages) * 100_000
  return { cpu, rate, cores: ((cpu + own) * rate) / 100_000 }
}

async function run(small: boolean): Promise<Measure[]> {
  const [rounds, messages] = small ? [1, 2_000] : [5, 120_000]
  const tried = [undefined, ...WORKER_COUNTS]
  const systems: System[] = []
  const loads: Load[] = []
  for (const workers of tried) {
    const system = await startWorkers(workers)
    systems.push(system)
    loads.push(await connectAll(system, workers))
  }
  // Warms up, and is not counted.
  for (const load of loads) await saturate(load, small ? 1_000 : 40_000)
  const found = loads.map((): WorkerSample[] => [])
  for (let round = 0; round < rounds; round++) {
    for (const [at, load] of loads.entries()) found[at]?.push(await measureSaturated(load, messages))
  }
  for (const system of systems) system.stop()
  const [alone = [], ...shared] = found
  return WORKER_COUNTS.flatMap((workers, at): Measure[] => {
    const measure = (name: string, unit: string, key: keyof WorkerSample): Measure => ({
      name: `${workers} ${workers === 1 ? 'worker' : 'workers'}: ${name}`,
      unit,
      samples: (shared[at] ?? []).map(one => one[key]),
      yardstick: { name: 'one process', samples: alone.map(one => one[key]) },
    })
    return [
      measure('CPU of all processes', 's/100,000', 'cpu'),
      measure('rate', '/s', 'rate'),
      measure('cores in use, with the load', '', 'cores'),
    ]
  })
}

const percent = (workers: number) => `${Math.round(crossWorkerShare(workers) * 100)} %`
/** What the load leaves. */
const usefulWorkers = Math.max(1, CORES - 1)

export const workers: Benchmark = {
  name: 'workers',
  about:
    `messages of 100 bytes from ${PAIRS} senders to ${PAIRS} recipients on one port, as fast as they go, with ` +
    `${WORKER_COUNTS.join(', ')} workers and with one process without --workers. Here are ${CORES} cores, of which the load ` +
    `takes one: past ${usefulWorkers} ${usefulWorkers === 1 ? 'worker' : 'workers'} the rate cannot be expected to rise, and what ` +
    `goes between two workers costs a link (${WORKER_COUNTS.map(percent).join(', ')} of the messages)`,
  run,
}
