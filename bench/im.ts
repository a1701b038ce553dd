import { connectAcross, type Load, PAIRS, saturate, sendPaced } from './support/load.ts'
import { lostAfterStart } from './support/lost-after-start.ts'
import type { Benchmark, Measure } from './support/report.ts'
import { hasRedis, NO_REDIS, startMesh, startRedisChat } from './support/servers.ts'

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
