import { availableParallelism } from 'node:os'
import { connectPairs, type Load, PAIRS, saturate } from './support/load.ts'
import { RawClient } from './support/raw-client.ts'
import type { Benchmark, Measure } from './support/report.ts'
import { type System, startWorkers, waitForMesh } from './support/servers.ts'

/** Numbers of workers that share the port. */
const WORKER_COUNTS = [1, 2, 4]
const CORES = availableParallelism()
/** Connections opened until one reaches the chosen worker. */
const MAX_CONNECT_TRIES = 200

interface WorkerSample {
  /** CPU time of all processes of the server, s per 100,000 messages. */
  cpu: number
  /** Messages a second. */
  rate: number
  /** Busy cores, including those of the load generator. */
  cores: number
}

/** The workers, counted from 1, of a pair's users. Every combination of two workers occurs equally often. */
function workersOfPair(pair: number, workers: number): [sender: number, recipient: number] {
  return [(pair % workers) + 1, (Math.floor(pair / workers) % workers) + 1]
}

/** Share of the pairs whose users are connected to different workers. */
function crossWorkerShare(workers: number): number {
  const assignments = Array.from({ length: PAIRS }, (_, pair) => workersOfPair(pair, workers))
  return assignments.filter(([sender, recipient]) => sender !== recipient).length / PAIRS
}

/** Connects until the session's id, which begins with the worker's number, shows the chosen worker. */
async function openAtWorker(port: number, worker: number): Promise<RawClient> {
  for (let tries = 0; tries < MAX_CONNECT_TRIES; tries++) {
    const client = await RawClient.open(port)
    if (client.sessionId.startsWith(`${worker}.`)) return client
    client.close()
  }
  throw new Error(`none of ${MAX_CONNECT_TRIES} connections reached worker ${worker}`)
}

async function connectAll(system: System, workers: number | undefined): Promise<Load> {
  const [port = 0] = system.ports
  await waitForMesh(system, workers ?? 1, 0)
  const load = await connectPairs(system, async pair => {
    if (workers === undefined) return [await RawClient.open(port), await RawClient.open(port)]
    const [sender, recipient] = workersOfPair(pair, workers)
    // One after the other: two in parallel could alternate between the workers and never reach theirs.
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
  const counts = small ? [2] : WORKER_COUNTS
  const tried = [undefined, ...counts]
  const systems: System[] = []
  const loads: Load[] = []
  for (const workers of tried) {
    const system = await startWorkers(workers)
    systems.push(system)
    loads.push(await connectAll(system, workers))
  }
  // Warm-up, not counted.
  for (const load of loads) await saturate(load, small ? 1_000 : 40_000)
  const found = loads.map((): WorkerSample[] => [])
  for (let round = 0; round < rounds; round++) {
    for (const [at, load] of loads.entries()) found[at]?.push(await measureSaturated(load, messages))
  }
  for (const system of systems) system.stop()
  const [alone = [], ...shared] = found
  return counts.flatMap((workers, at): Measure[] => {
    const measure = (name: string, unit: string, key: keyof WorkerSample): Measure => ({
      name: `${workers} ${workers === 1 ? 'worker' : 'workers'}: ${name}`,
      unit,
      samples: (shared[at] ?? []).map(one => one[key]),
      yardstick: { name: 'one process', samples: alone.map(one => one[key]) },
    })
    return [
      measure('CPU of all processes', 's/100,000', 'cpu'),
      measure('rate', '/s', 'rate'),
      measure('busy cores, load generator included', '', 'cores'),
    ]
  })
}

const percent = (workers: number) => `${Math.round(crossWorkerShare(workers) * 100)} %`
/** Number of cores that the load generator leaves free. */
const usefulWorkers = Math.max(1, CORES - 1)

export const workers: Benchmark = {
  name: 'workers',
  about:
    `messages of 100 bytes from ${PAIRS} senders to ${PAIRS} recipients on one port at full speed, with ` +
    `${WORKER_COUNTS.join(', ')} workers, compared to one process without --workers. This machine has ${CORES} cores, and the ` +
    `load generator uses one: the rate cannot rise with more than ${usefulWorkers} ` +
    `${usefulWorkers === 1 ? 'worker' : 'workers'}. Messages between two workers also cross a link ` +
    `(${WORKER_COUNTS.map(percent).join(', ')} of them)`,
  run,
}
