import { connectIdleUser } from './support/idle-user.ts'
import { RawClient } from './support/raw-client.ts'
import type { Benchmark, Measure } from './support/report.ts'
import { hasRedis, NO_REDIS, type System, sleep, startMesh, startRedisChat, until } from './support/servers.ts'

const USERS = 10_000
/** Number of users that connect at the same time. */
const BATCH_SIZE = 200

interface IdleSample {
  /** Bytes per user, on the heap and outside it. */
  bytes: number
  /** CPU time of the server while they connect, s. */
  cpu: number
  seconds: number
}

/** @param pauseMs how long the server may finish what it does, before each reading */
async function measureIdleUsers(system: System, users: number, pauseMs: number): Promise<IdleSample> {
  const [port = 0] = system.ports
  const own = system.name === 'mesh-chat'
  const clients: RawClient[] = []
  const identify = async (n: number) => {
    const user = `user-${n.toString().padStart(5, '0')}`
    if (own) return void clients.push(await connectIdleUser(port, user))
    // The yardstick answers with an acknowledgement.
    let onIdentified: () => void = () => {}
    const identified = new Promise<void>(resolve => {
      onIdentified = resolve
    })
    const client = await RawClient.open(port, '', packet => {
      if (packet[0] === 0x33) onIdentified()
      return true
    })
    clients.push(client)
    client.send(`20["identify",${JSON.stringify(user)}]`)
    await identified
  }
  try {
    // Warm-up: code compiled on the first run must not count as memory of users.
    await Promise.all(Array.from({ length: 50 }, (_, n) => identify(users + n)))
    for (const client of clients.splice(0)) client.close()
    await sleep(pauseMs)
    const before = await system.memory()
    const cpu = await system.cpu()
    const since = performance.now()
    for (let first = 0; first < users; first += BATCH_SIZE) {
      await Promise.all(Array.from({ length: Math.min(BATCH_SIZE, users - first) }, (_, n) => identify(first + n)))
    }
    const seconds = (performance.now() - since) / 1_000
    const spent = (await system.cpu()) - cpu
    // Until everyone has the last roster delta.
    await sleep(2 * pauseMs)
    const after = await system.memory()
    await until('no client was disconnected', () => clients.every(client => !client.closed), 1_000)
    return { bytes: ((after.heap ?? 0) - (before.heap ?? 0)) / users, cpu: spent / 1_000, seconds }
  } finally {
    for (const client of clients) client.close()
    system.stop()
  }
}

export const idle: Benchmark = {
  name: 'idle',
  about: `${USERS.toLocaleString('en')} identified users that send nothing, on one server; mesh-chat also sends each of them the roster`,
  async run(small) {
    const [rounds, users, pauseMs] = small ? [1, 300, 200] : [5, USERS, 1_000]
    const redis = hasRedis()
    if (!redis) console.log(NO_REDIS)
    const own: IdleSample[] = []
    const other: IdleSample[] = []
    for (let round = 0; round < rounds; round++) {
      own.push(await measureIdleUsers(await startMesh(1), users, pauseMs))
      if (redis) other.push(await measureIdleUsers(await startRedisChat(1), users, pauseMs))
    }
    const measure = (name: string, unit: string, value: (found: IdleSample) => number, limit?: number): Measure => ({
      name,
      unit,
      samples: own.map(value),
      ...(redis ? { yardstick: { name: 'Redis adapter', samples: other.map(value) }, aim: { atMost: 1 } } : {}),
      ...(limit === undefined ? {} : { limit }),
    })
    return [
      measure('memory per user', 'kB', ({ bytes }) => bytes / 1_000, 12),
      measure('time to connect all', 's', ({ seconds }) => seconds),
      measure('CPU to connect all', 's', ({ cpu }) => cpu),
    ]
  },
}
