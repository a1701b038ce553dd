/** A whole mesh in one process: servers, clients, and a network. A seed determines all delays, losses and choices. */

import type { Limits } from '../../../src/protocol/limits.ts'
import type { ServerAddress } from '../../../src/protocol/messages.ts'
import type { AuthMode } from '../../../src/protocol/proofs/credentials.ts'
import type { Input } from '../../../src/server/types.ts'
import { seeded } from '../random.ts'
import { Network, type TerminationMode } from './network.ts'
import { keyNamed } from './plain-identity.ts'
import { Recorder } from './recorder.ts'
import { SimClient } from './sim-client.ts'
import type { SimProcess } from './sim-process.ts'
import { SimServer, type SimulationContext } from './sim-server.ts'
import { Timeline } from './timeline.ts'

export { SimClient } from './sim-client.ts'
export { SimServer } from './sim-server.ts'

export interface SimMeshOptions {
  /** Whether a transcript is recorded. Default: false. */
  transcript?: boolean
  /** Whether clients keep their sessions' events. Default: true. */
  events?: boolean
  /** Authentication mode of the servers. Default: open. */
  auth?: AuthMode
  /** Limits of the servers that differ from the defaults. */
  limits?: Partial<Limits>
  /** Users and memberships of snapshots that a server applies in one turn of the event loop. Default: that of servers. */
  appliedPerTurn?: number | undefined
  /** Users, and memberships, in one presence frame of a server. Default: that of servers. */
  entriesPerFrame?: number | undefined
  /** The servers that one knows when it starts. Default: all others. */
  initialPeers?: (server: SimServer) => { peers: ServerAddress[]; seeds: string[] }
  /** Whether a server is of version 0.1. Default: none is. */
  isLegacy?: (server: SimServer) => boolean
  /** Called with each frame that a server sends to another. */
  onFrame?: SimulationContext['onFrame']
  /** Whether clients start with the addresses of all servers. Default: false, only of the one that they dial. */
  clientsKnowAllServers?: boolean
}

export class SimMesh implements SimulationContext {
  readonly random: () => number
  readonly timeline = new Timeline()
  readonly network: Network
  readonly recorder = new Recorder(this.timeline)
  readonly servers: SimServer[] = []
  readonly clients: SimClient[] = []
  readonly clientsKnowAllServers: boolean
  readonly onFrame: SimulationContext['onFrame']
  readonly auth: AuthMode
  readonly meshKey = keyNamed('mesh')
  readonly isLegacy: (server: SimServer) => boolean
  readonly limits: Partial<Limits>
  readonly appliedPerTurn: number | undefined
  readonly entriesPerFrame: number | undefined
  readonly initialPeers: NonNullable<SimMeshOptions['initialPeers']>
  readonly #keepsEvents: boolean

  constructor(seed: number, servers: number, options: SimMeshOptions = {}) {
    this.random = seeded(seed)
    this.network = new Network(this.timeline, this.random)
    this.#keepsEvents = options.events ?? true
    this.clientsKnowAllServers = options.clientsKnowAllServers ?? false
    this.onFrame = options.onFrame ?? (() => {})
    this.auth = options.auth ?? 'open'
    this.isLegacy = options.isLegacy ?? (() => false)
    this.limits = options.limits ?? {}
    this.appliedPerTurn = options.appliedPerTurn
    this.entriesPerFrame = options.entriesPerFrame
    const others = (server: SimServer) => this.servers.filter(one => one !== server).map(({ id, url }) => ({ id, url }))
    this.initialPeers = options.initialPeers ?? (server => ({ peers: others(server), seeds: [] }))
    if (options.transcript === true) this.recorder.lines = []
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

  /** kill -9; with 'silent', its machine loses power. */
  crash(server: SimServer, mode: TerminationMode = 'reset'): void {
    server.kill(mode)
  }

  /**
   * Starts a new client.
   * @param key name of its key; default: the user's own
   */
  join(name: string, user: string, server: SimServer, key = user): SimClient {
    const client = new SimClient(name, user, this, this.#keepsEvents, key)
    this.clients.push(client)
    client.start(server)
    return client
  }

  startClient(client: SimClient, server: SimServer): void {
    client.start(server)
  }

  quit(client: SimClient): void {
    client.quit()
  }

  send(client: SimClient, to: string, text: string): void {
    client.send(to, text)
  }

  step(server: SimServer, input: Input): void {
    server.step(input)
  }

  /** Cuts two processes off from each other; their sockets stay half-open until a timeout. */
  cut(one: string, other: string): void {
    this.network.cut(one, other)
    this.network.cut(other, one)
  }

  heal(): void {
    this.network.heal()
  }

  freeze(process: SimProcess): void {
    if (!process.running || process.frozen) return
    process.freeze()
    this.network.handleFreeze()
  }

  /** SIGCONT. Timers that came due and packets that arrived meanwhile are handled in random order. */
  thaw(process: SimProcess): void {
    if (process.frozenAt === undefined) return
    const ms = this.now - process.frozenAt
    process.thaw()
    if (this.random() < 0.5) process.runMissedTimers()
    else this.timeline.after(this.random() * 300, () => process.runMissedTimers())
    this.network.handleThaw(process, ms)
  }

  /** Lets `ms` pass, but not beyond the first problem: what follows from it may never end. */
  advance(ms: number): void {
    this.timeline.runUntil(this.now + ms, () => this.recorder.problems.length > 0)
  }
}
