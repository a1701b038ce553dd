import { connectPairs, type Load, PAIRS, saturate, send, waitUntilSettled } from './support/load.ts'
import { lostAfterStart } from './support/lost-after-start.ts'
import { RawClient } from './support/raw-client.ts'
import { type Benchmark, type Measure, quantile } from './support/report.ts'
import { hasRedis, NO_REDIS, type System, sleep, startMesh, startRedisChat } from './support/servers.ts'

/** Connects each sender to the first server, its recipient to the second. */
async function connectAcross(system: System): Promise<Load> {
  const [first = 0, second = 0] = system.ports
  const load = await connectPairs(system, () => Promise.all([RawClient.open(first), RawClient.open(second)]))
  await sleep(500)
  return load
}

/** Sends 2,000 messages per second. CPU is in s per 100,000 messages, latencies in ms. */
async function sendPaced(load: Load, seconds: number): Promise<{ cpu: number; p50: number; p99: number }> {
  const { system, pairs } = load
  load.onDelivered = () => {}
  load.latencies = []
  const cpu = await system.cpu()
  const since = performance.now()
  let sent = 0
  await new Promise<void>(resolve => {
    const tick = () => {
      const elapsed = performance.now() - since
      for (; sent < elapsed * 2; sent++) {
        const n = sent % PAIRS
        const pair = pairs[n]
        if (pair !== undefined) send(pair, n, system.name === 'mesh-chat')
      }
      if (elapsed < seconds * 1000) setTimeout(tick, 1)
      else resolve()
    }
    tick()
  })
  await waitUntilSettled(load)
  const spent = (await system.cpu()) - cpu
  const [p50, p99] = [quantile(load.latencies, 0.5), quantile(load.latencies, 0.99)]
  return { cpu: (spent / 1000 / sent) * 100_000, p50, p99 }
}

async function run(small: boolean): Promise<Measure[]> {
  const [rounds, messages, seconds] = small ? [1, 2_000, 1] : [5, 60_000, 4]
  const redis = hasRedis()
  if (!redis) console.log(NO_REDIS)
  const systems = [await startMesh(2), ...(redis ? [await startRedisChat(2)] : [])]
  const loads: Load[] = []
  for (const system of systems) loads.push(await connectAcross(system))
  // Warm-up, not counted.
  for (const load of loads) {
    await saturate(load, small ? 1_000 : 40_000)
    await sendPaced(load, small ? 0.2 : seconds)
  }
  const found = loads.map(() => ({ cpu: [], rate: [], pacedCpu: [], p50: [], p99: [] }) as Record<string, number[]>)
  for (let round = 0; round < rounds; round++) {
    for (const [at, load] of loads.entries()) {
      const fast = await saturate(load, messages)
      const slow = await sendPaced(load, seconds)
      const values = { cpu: fast.cpu, rate: fast.rate, pacedCpu: slow.cpu, p50: slow.p50, p99: slow.p99 }
      for (const [name, value] of Object.entries(values)) found[at]?.[name]?.push(value)
    }
  }
  for (const system of systems) system.stop()
  const lost: number[] = []
  for (let round = 0; round < rounds; round++) lost.push(await lostAfterStart(PAIRS))
  const [own, other] = found
  const measure = (name: string, unit: string, key: string, aim: Measure['aim']): Measure => {
    const samples = other?.[key]
    return {
      name,
      unit,
      samples: own?.[key] ?? [],
      ...(samples === undefined ? {} : { yardstick: { name: 'Redis adapter', samples }, aim: aim ?? { atMost: 1 } }),
    }
  }
  return [
    measure('CPU of all servers, saturated', 's/100,000', 'cpu', { atMost: 0.3 }),
    measure('rate, saturated', '/s', 'rate', { atLeast: 3 }),
    measure('CPU of all servers, 2,000/s', 's/100,000', 'pacedCpu', { atMost: 0.8 }),
    measure('delivery latency, 2,000/s, p50', 'ms', 'p50', { atMost: 0.75 }),
    measure('delivery latency, 2,000/s, p99', 'ms', 'p99', { atMost: 1 }),
    {
      name: `messages lost of ${PAIRS}, sent right after the servers' start`,
      unit: '',
      samples: lost,
      aim: { atMost: 0 },
    },
  ]
}

export const im: Benchmark = {
  name: 'im',
  about: `messages of 100 bytes from ${PAIRS} senders on one server to ${PAIRS} recipients on another, each echoed to its sender; mesh-chat also confirms and acknowledges each`,
  run,
}
