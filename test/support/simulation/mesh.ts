/** A whole mesh in one process: servers, client sessions, and a network whose delays and losses a seed chooses. */
import type { AuthMode } from '../../../src/protocol/credentials.ts'
import type { ServerAddress } from '../../../src/protocol/messages.ts'
import type { Input } from '../../../src/server/types.ts'
import { seeded } from '../random.ts'
import { Ledger } from './ledger.ts'
import { type Death, Network } from './network.ts'
import { SimClient } from './sim-client.ts'
import type { Process } from './sim-process.ts'
import { SimServer, type World } from './sim-server.ts'
import { Timeline } from './timeline.ts'

export { SimClient } from './sim-client.ts'
export { SimServer } from './sim-server.ts'

export interface MeshOptions {
  /** Whether a transcript is written. */
  transcript?: boolean
  /** Whether clients keep the events of their screens. */
  events?: boolean
  /** How servers know their users; default: open. */
  auth?: AuthMode
  /** Which servers one knows when it starts; default: all others. */
  knows?: (server: SimServer) => { peers: ServerAddress[]; seeds: string[] }
  /** Whether clients are given the addresses of all servers. */
  wellKnown?: boolean
}

export class Mesh implements World {
  readonly random: () => number
  readonly timeline = new Timeline()
  readonly network: Network
  readonly ledger = new Ledger(this.timeline)
  readonly servers: SimServer[] = []
  readonly clients: SimClient[] = []
  readonly wellKnown: boolean
  readonly auth: AuthMode
  readonly knows: NonNullable<MeshOptions['knows']>
  readonly #keeps: boolean

  constructor(seed: number, servers: number, options: MeshOptions = {}) {
    this.random = seeded(seed)
    this.network = new Network(this.timeline, this.random)
    this.#keeps = options.events ?? true
    this.wellKnown = options.wellKnown ?? false
    this.auth = options.auth ?? 'open'
    const others = (server: SimServer) => this.servers.filter(one => one !== server).map(({ id, url }) => ({ id, url }))
    this.knows = options.knows ?? (server => ({ peers: others(server), seeds: [] }))
    if (options.transcript === true) this.ledger.lines = []
    for (let n = 1; n <= servers; n++) this.servers.push(new SimServer(`server-${n}`, this))
    for (const server of this.servers) server.boot()
  }

  /** Monotonic time, ms. */
  get now(): number {
    return this.timeline.now
  }

  boot(server: SimServer): void {
    server.boot()
  }

  /** kill -9, or the machine under it dies: 'silent'. */
  crash(server: SimServer, death: Death = 'reset'): void {
    server.kill(death)
  }

  /** @param key the user's own unless another is named */
  join(name: string, user: string, server: SimServer, key = user): SimClient {
    const client = new SimClient(name, user, this, this.#keeps, key)
    this.clients.push(client)
    client.open(server)
    return client
  }

  open(client: SimClient, server: SimServer): void {
    client.open(server)
  }

  quit(client: SimClient): void {
    client.quit()
  }

  say(client: SimClient, to: string, text: string): void {
    client.say(to, text)
  }

  input(server: SimServer, input: Input): void {
    server.input(input)
  }

  /** Nothing passes between the two any more; sockets stay half-open until somebody notices. */
  cut(one: string, other: string): void {
    this.network.cut(one, other)
    this.network.cut(other, one)
  }

  heal(): void {
    this.network.heal()
  }

  freeze(process: Process): void {
    if (!process.running || process.frozen) return
    process.freeze()
    this.network.froze()
  }

  /** Continues; whether what it missed of time or of the network comes first is chance. */
  thaw(process: Process): void {
    if (process.frozenAt === undefined) return
    const ms = this.now - process.frozenAt
    process.thaw()
    if (this.random() < 0.5) process.catchUp()
    else this.timeline.after(this.random() * 300, () => process.catchUp())
    this.network.thawed(process, ms)
  }

  /** Lets `ms` pass. */
  run(ms: number): void {
    this.timeline.run(this.now + ms)
  }
}
