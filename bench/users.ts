import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Benchmark, Measure } from './support/report.ts'
import type { StoreReading } from './yardsticks/name-stores.ts'

const STORES = fileURLToPath(new URL('yardsticks/name-stores.js', import.meta.url))
const NAMES = 100_000

/** Each in a process of its own, so that nothing of another is counted. */
function measureStore(kind: 'compact' | 'map' | 'array', names: number, round: number): StoreReading {
  const args = ['--expose-gc', STORES, kind, `${names}`, `${round + 1}`]
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as StoreReading
}

export const users: Benchmark = {
  name: 'users',
  about: `what a server holds of a peer with ${NAMES.toLocaleString('en')} users of 9 characters`,
  async run(small) {
    const [rounds, names] = small ? [1, 5_000] : [5, NAMES]
    const readings = Array.from({ length: rounds }, (_, round) => ({
      own: measureStore('compact', names, round),
      map: measureStore('map', names, round),
      array: measureStore('array', names, round),
    }))
    const own = (key: keyof StoreReading) => readings.map(reading => reading.own[key])
    const operation = (name: string, key: keyof StoreReading): Measure => ({
      name,
      unit: 'µs',
      samples: own(key),
      yardstick: { name: 'Map', samples: readings.map(({ map }) => map[key]) },
      limit: 5,
    })
    const memory = own('bytes').map(bytes => bytes / 1e6)
    return [
      {
        name: 'memory',
        unit: 'MB',
        samples: memory,
        yardstick: { name: 'Map', samples: readings.map(({ map }) => map.bytes / 1e6) },
        limit: 1,
      },
      {
        name: 'memory',
        unit: 'MB',
        samples: memory,
        yardstick: { name: 'array of objects', samples: readings.map(({ array }) => array.bytes / 1e6) },
        limit: 1,
      },
      operation('add a user', 'add'),
      operation('look a user up', 'get'),
      operation('change a count', 'count'),
      operation('remove a user', 'remove'),
    ]
  },
}
