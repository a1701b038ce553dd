import { DEFAULT_LIMITS } from '../src/protocol/limits.ts'
import { PROTOCOL_VERSION } from '../src/protocol/messages.ts'
import { MeshServer } from '../src/server/server.ts'
import { type Benchmark, type Measure, median } from './support/report.ts'

const KNOWN_USERS = [1_000, 10_000, 100_000]
const INCARNATION = 'far#1'
const SNAPSHOT_CHUNK = 4_096

const nameOf = (n: number) => `user-${((n * 7_919) % 999_983).toString().padStart(6, '0')}`

/** A server's core with one client and one peer with `known` users. */
class WatchingServer {
  readonly #server: MeshServer
  #now = 0
  #seq = 1
  #connections = 1

  constructor(known: number) {
    this.#server = new MeshServer({
      id: 'near',
      incarnation: 'near#1',
      url: 'http://near:1',
      peers: [],
      limits: DEFAULT_LIMITS,
      graceMs: 5_000,
      random: Math.random,
      narrateMessages: false,
      auth: 'open',
    })
    const introduction = { id: 'far', incarnation: INCARNATION, protocol: PROTOCOL_VERSION }
    this.#step({ type: 'start' })
    this.#step({ type: 'connected', connection: 1 })
    this.#step({ type: 'identify', connection: 1, user: 'watcher', protocol: 2 })
    this.#step({ type: 'accepted', link: 1, introduction })
    for (let first = 0; first < known; first += SNAPSHOT_CHUNK) {
      const length = Math.min(SNAPSHOT_CHUNK, known - first)
      const users = Array.from({ length }, (_, n): [string, number] => [nameOf(first + n), 1])
      const more = first + SNAPSHOT_CHUNK < known
      const payload = { type: 'snapshot' as const, incarnation: INCARNATION, seq: 1, users, more }
      this.#step({ type: 'frame', link: 1, frame: { event: 'presence', payload } })
    }
    this.#advance()
  }

  /** A user joins at the peer and leaves again; the local client gets both roster deltas. */
  joinAndLeave(user: string): void {
    for (const connections of [1, 0]) {
      const changes: [string, number][] = [[user, connections]]
      const payload = { type: 'delta' as const, incarnation: INCARNATION, seq: ++this.#seq, changes }
      this.#step({ type: 'frame', link: 1, frame: { event: 'presence', payload } })
      this.#advance()
    }
  }

  /** A client connects here, gets the whole roster, and leaves. */
  joinLocally(user: string): void {
    const connection = ++this.#connections
    this.#step({ type: 'connected', connection })
    const effects = this.#step({ type: 'identify', connection, user, protocol: 2, call: 1 })
    JSON.stringify(effects.find(effect => effect.type === 'answer'))
    this.#advance()
    this.#step({ type: 'disconnected', connection })
    this.#advance()
  }

  /** Lets time pass until the roster is published, with a heartbeat to keep the link open. */
  #advance(): void {
    this.#now += 100
    const payload = { incarnation: INCARNATION, seq: this.#seq }
    this.#step({ type: 'frame', link: 1, frame: { event: 'beat', payload } })
    this.#step({ type: 'flush' })
    this.#step({ type: 'tick' })
  }

  #step(input: Parameters<MeshServer['step']>[0]) {
    return this.#server.step(input, this.#now, this.#now)
  }
}

/** The yardstick: all names in one sorted array, changed with `splice`. */
class SplicedArray {
  readonly #names: string[]

  constructor(known: number) {
    this.#names = Array.from({ length: known }, (_, n) => nameOf(n)).sort()
  }

  joinAndLeave(user: string): void {
    this.#names.splice(this.#indexOf(user), 0, user)
    this.#names.splice(this.#indexOf(user), 1)
  }

  #indexOf(user: string): number {
    let low = 0
    let high = this.#names.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#names[middle] ?? '') < user) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** CPU time of one operation, µs, as the mean of `times`. */
function cpuPerOperation(operation: (user: string) => void, times: number): number {
  const { user, system } = process.cpuUsage()
  for (let n = 0; n < times; n++) operation(`user-${((n * 104_729) % 999_983).toString().padStart(6, '0')}x`)
  const spent = process.cpuUsage({ user, system })
  return (spent.user + spent.system) / times
}

export const join: Benchmark = {
  name: 'join',
  about: 'one join and one leave at a peer, in the core of a server with one client, by the number of known users',
  async run(small) {
    const [rounds, times] = small ? [1, 200] : [5, 4_000]
    const found = KNOWN_USERS.map(known => ({
      known,
      own: [] as number[],
      spliced: [] as number[],
      snapshot: [] as number[],
      server: new WatchingServer(known),
      yardstick: new SplicedArray(known),
    }))
    for (const { server } of found) cpuPerOperation(user => server.joinAndLeave(user), times)
    for (let round = 0; round < rounds; round++) {
      for (const one of found) {
        one.own.push(cpuPerOperation(user => one.server.joinAndLeave(user), times))
        one.spliced.push(cpuPerOperation(user => one.yardstick.joinAndLeave(user), times))
        one.snapshot.push(cpuPerOperation(user => one.server.joinLocally(user), 20))
      }
    }
    const measures: Measure[] = found.map(({ known, own, spliced }) => ({
      name: `join and leave, ${known.toLocaleString('en')} known`,
      unit: 'µs',
      samples: own,
      yardstick: { name: 'sorted array (splice only)', samples: spliced },
    }))
    const [, medium, largest] = found
    if (medium === undefined || largest === undefined) throw new Error('expected three sizes')
    const growth = (of: 'own' | 'spliced') =>
      largest[of].map((value, round) => value / (medium[of][round] ?? Number.NaN))
    measures.push({
      name: 'growth from 10,000 to 100,000',
      unit: `factor (sorted array: ${median(growth('spliced')).toFixed(1)})`,
      samples: growth('own'),
      aim: { atMost: 2 },
    })
    for (const { known, snapshot } of found) {
      measures.push({
        name: `roster snapshot for a new client, ${known.toLocaleString('en')} known`,
        unit: 'µs',
        samples: snapshot,
      })
    }
    return measures
  },
}
