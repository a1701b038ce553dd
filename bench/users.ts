import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Benchmark, Measure } from './support/report.ts'
import type { StoreReading } from './yardsticks/name-stores.ts'

const STORES = fileURLToPath(new URL('yardsticks/name-stores.js', import.meta.url))
const NAMES = 100_000

/** Each store runs in a new process, so that the measurements do not affect each other. */
function measureStore(kind: 'compact' | 'map' | 'array', names: number, round: number): StoreReading {
  const args = ['--expose-gc', STORES, kind, `${names}`, `${round + 1}`]
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as StoreReading
}

export const users: Benchmark = {
  name: 'users',
  about: `a server's copy of the roster of a peer with ${NAMES.toLocaleString('en')} users, names of 9 characters`,
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
      operation('look up a user', 'get'),
      operation('change a connection count', 'count'),
      operation('remove a user', 'remove'),
    ]
  },
}
