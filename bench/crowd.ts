/** What it costs to tell a crowd who is online: in the core of a server, with clients that come one after the other. */
import { eventPacket } from '../daemon/clients/client.ts'
import { Packet } from '../daemon/transport/packets/packet.ts'
import { identifiedPacket, packedDelta } from '../daemon/transport/packets/roster-packets.ts'
import { DEFAULT_LIMITS } from '../src/protocol/limits.ts'
import { MeshServer } from '../src/server/server.ts'
import type { Effect, Input } from '../src/server/types.ts'
import type { Benchmark, Measure } from './support/report.ts'

/** Users who come per second. */
const ARRIVALS_PER_SECOND = 200
/** People that each client watches. */
const WATCHED = 20
/** Names of the sorted list that each client shows. */
const SHOWN = 60
/** Arrivals of which the turns are measured at the end, with everyone online. */
const LAST_ARRIVALS = 2_000

const nameOf = (n: number) => `user-${((n * 7_919) % 999_983).toString().padStart(6, '0')}`

/** A server's core whose clients come one after the other; counts the bytes that are sent to them. */
class Crowd {
  readonly #server: MeshServer
  /** Virtual time, ms. */
  #now = 0
  #users = 0
  /** Bytes of answers and events about who is online, to all clients. */
  bytes = 0
  /** The longest turn of the core, ms. */
  longestTurn = 0

  /** @param wholeRoster see `Limits` */
  constructor(wholeRoster: number) {
    this.#server = new MeshServer({
      id: 'server-1',
      incarnation: 'server-1#1',
      url: 'http://server-1:1',
      peers: [],
      limits: { ...DEFAULT_LIMITS, wholeRoster, connections: 0 },
      graceMs: 5_000,
      random: Math.random,
      narrateMessages: false,
      auth: 'open',
    })
    this.#step({ type: 'start' })
  }

  /** Returns the time for the arrivals in the core, ms. */
  arrive(count: number): number {
    const since = performance.now()
    const watched = Array.from({ length: WATCHED }, (_, n) => nameOf(n * 31))
    for (let n = 0; n < count; n++) {
      const connection = ++this.#users
      const user = nameOf(connection)
      this.#step({ type: 'connected', connection })
      this.#step({ type: 'identify', connection, user, protocol: 2, rooms: true, views: true, call: 1 })
      this.#step({ type: 'watch', connection, names: watched, call: 2 })
      this.#step({ type: 'names', connection, after: '', count: SHOWN, follow: true, call: 3 })
      this.#now += 1_000 / ARRIVALS_PER_SECOND
      if (this.#server.deadline <= this.#now) this.#step({ type: 'tick' })
    }
    return performance.now() - since
  }

  #step(input: Input): void {
    const since = performance.now()
    const effects = this.#server.step(input, this.#now, this.#now + 1e12)
    this.longestTurn = Math.max(this.longestTurn, performance.now() - since)
    for (const effect of effects) this.#count(effect)
    // The clients whose whole roster has become a view ask for it.
    for (const effect of effects) {
      if (effect.type !== 'emit' || effect.message.event !== 'view' || effect.message.payload.reset !== true) continue
      for (const connection of effect.to)
        this.#step({ type: 'names', connection, after: '', count: SHOWN, follow: true, call: 3 })
    }
  }

  #count(effect: Effect): void {
    if (effect.type === 'answer') {
      const { payload } = effect
      const isIdentified = 'roster' in payload
      const packet = isIdentified ? identifiedPacket('3[', payload, true) : new Packet(`3[${JSON.stringify(payload)}]`)
      this.bytes += packet.size
    } else if (effect.type === 'emit') {
      const { message, to } = effect
      const packed = message.event === 'roster' ? packedDelta(message.payload) : undefined
      this.bytes += (packed ?? new Packet(eventPacket(message))).size * to.length
    }
  }
}

export const crowd: Benchmark = {
  name: 'crowd',
  about:
    'users who come one after the other to the core of a server, who each watch 20 names and show 60; the ' +
    'yardstick tells everyone of everyone',
  async run(small) {
    const users = small ? 2_000 : 50_000
    const wholeRoster = small ? 200 : DEFAULT_LIMITS.wholeRoster
    const views = new Crowd(wholeRoster)
    views.arrive(users - LAST_ARRIVALS * (small ? 0.1 : 1))
    views.longestTurn = 0
    const last = LAST_ARRIVALS * (small ? 0.1 : 1)
    const spent = views.arrive(last)
    // Its bytes grow with the square of the users: a tenth of the users shows a hundredth of the cost for each.
    const few = users / 10
    const whole = new Crowd(0)
    whole.arrive(few)
    const measures: Measure[] = [
      {
        name: `bytes to tell each of ${users.toLocaleString('en')} users`,
        unit: 'kB',
        samples: [views.bytes / users / 1_000],
        aim: { atMost: 20 },
      },
      {
        name: `bytes to tell each of ${few.toLocaleString('en')} users of everyone`,
        unit: 'kB',
        samples: [whole.bytes / few / 1_000],
      },
      { name: 'core time of an arrival, with all online', unit: 'µs', samples: [(spent / last) * 1_000] },
      { name: 'longest turn of the core, with all online', unit: 'ms', samples: [views.longestTurn], limit: 50 },
    ]
    return measures
  },
}
