/**
 * Program: server nodes without sockets for clients, which the benchmark adds directly to the core of the first one. All else is
 * a server's: the core, the link carrier, the timer and the flush at the end of each turn. `node nodes.js CARRIER ADDRESS ID…`
 * as a child process, where CARRIER is `sockets` or `nats`, and ADDRESS the URL of NATS, or that of a server to join. The answers to the parent:
 * see `NodesRequest` and `NodesReading`.
 */
import { readFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { createProcessKey } from '../../daemon/auth/mesh-key.ts'
import { DeadlineTimer } from '../../daemon/deadline-timer.ts'
import type { LinkCarrier } from '../../daemon/links/carrier.ts'
import { NatsLinks } from '../../daemon/links/nats/nats-links.ts'
import { SocketLinks } from '../../daemon/links/socket-links.ts'
import { selfTest } from '../../daemon/transport/self-test.ts'
import { SocketServer } from '../../daemon/transport/socket-server.ts'
import { DEFAULT_LIMITS } from '../../src/protocol/limits.ts'
import type { ServerAddress } from '../../src/protocol/messages.ts'
import { OWN_PROTOCOLS } from '../../src/protocol/versions.ts'
import { MeshServer } from '../../src/server/server.ts'
import type { Effect, Input } from '../../src/server/types.ts'

export type NodesRequest =
  /** Adds users to the first node, as many in each turn as clients could connect; the answer comes when its roster has them. */
  | { type: 'join'; count: number }
  /** Users of the first node leave and return, one in each turn. */
  | { type: 'change'; count: number }
  /** Starts to measure the turns of the event loop. */
  | { type: 'watch' }
  | { type: 'read' }

export interface NodesReading {
  /** Links that the nodes have dialled and that are open. */
  links: number
  /** Links that they have lost so far. */
  lost: number
  /** Users in the roster of the last node. */
  online: number
  /** URL of the first node. */
  url: string
  /** The longest turn of the event loop since `watch`, ms. */
  longestTurn: number
  /** Bytes written so far, to all files and sockets. */
  written: number
}

const JOINS_PER_TURN = 100

const [, , carrier, address = '', ...ids] = process.argv
const limits = { ...DEFAULT_LIMITS, connections: 0, connectionsPerAddress: 0, connectionsPerUser: 0 }
const nullLog = { write: () => {}, note: () => {} }
const { features } = await selfTest()

class Node {
  readonly #core: MeshServer
  readonly #carrier: LinkCarrier
  readonly #timer = new DeadlineTimer(() => this.step({ type: 'tick' }))
  readonly #inputs: Input[] = []
  #isStepping = false
  #isFlushScheduled = false
  #users = 0
  openLinks = 0
  lostLinks = 0
  readonly url: string

  constructor(id: string, url: string, peers: readonly ServerAddress[], server: SocketServer | undefined) {
    const processKey = createProcessKey()
    const self = {
      id,
      incarnation: processKey.publicKey,
      url,
      ...OWN_PROTOCOLS,
      auth: 'open' as const,
      rooms: true as const,
      compact: true as const,
    }
    const common = { limits, graceMs: 5_000, random: Math.random, narrateMessages: false, auth: 'open' as const }
    this.url = url
    const seeds = server !== undefined && address !== '' ? [address] : []
    this.#core = new MeshServer({ ...common, id, incarnation: self.incarnation, url, peers, seeds })
    const options = {
      self,
      credentials: { secret: '', previousSecret: undefined, processKey },
      tls: undefined,
      limits,
      log: nullLog,
      cutOffCounts: { client: 0, peer: 0 },
      step: (input: Input) => this.step(input),
    }
    this.#carrier =
      server !== undefined
        ? new SocketLinks([server.io], options)
        : new NatsLinks({
            ...options,
            urls: [address],
            holds: (peer, user) => this.#core.isUserOnPeer(peer, user),
            holdsRoom: (peer, room) => this.#core.isRoomOnPeer(peer, room),
          })
  }

  get online(): number {
    return this.#core.onlineCount
  }

  join(): void {
    this.step({ type: 'connected', connection: ++this.#users })
    this.#identify(this.#users)
  }

  change(connection: number): void {
    this.step({ type: 'disconnected', connection })
    this.step({ type: 'connected', connection })
    this.#identify(connection)
  }

  step(input: Input): void {
    this.#inputs.push(input)
    if (this.#isStepping) return
    this.#isStepping = true
    for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
      for (const effect of this.#core.step(next, performance.now(), Date.now())) this.#perform(effect)
    }
    this.#isStepping = false
    this.#timer.set(this.#core.deadline)
    if (!this.#core.needsFlush || this.#isFlushScheduled) return
    this.#isFlushScheduled = true
    setImmediate(() => {
      this.#isFlushScheduled = false
      if (this.#core.needsFlush) this.step({ type: 'flush' })
    })
  }

  #identify(connection: number): void {
    const user = `user-${connection.toString().padStart(6, '0')}`
    this.step({ type: 'identify', connection, user, protocol: 2, rooms: true, views: true, call: 1 })
  }

  #perform(effect: Effect): void {
    if (effect.type === 'log') {
      const { entry } = effect
      if (entry.event === 'outbound') this.openLinks++
      else if (entry.event === 'link-lost' && entry.direction === 'outbound') {
        this.openLinks--
        this.lostLinks++
      }
    } else if (['dial', 'accept', 'refuse', 'send', 'hang-up'].includes(effect.type)) {
      this.#carrier.perform(effect as Parameters<LinkCarrier['perform']>[0])
    }
  }
}

async function createNodes(): Promise<Node[]> {
  const servers: (SocketServer | undefined)[] = []
  const addresses: { id: string; url: string }[] = []
  for (const id of ids) {
    if (carrier === 'nats') {
      servers.push(undefined)
      addresses.push({ id, url: 'http://127.0.0.1:1' })
      continue
    }
    const pages = { hostNames: [], origins: [] }
    const cutOffCounts = { client: 0, peer: 0 }
    const server = new SocketServer({ tls: undefined, pages, limits, log: nullLog, features, cutOffCounts })
    const port = await server.listen({ port: 0, host: '127.0.0.1' })
    servers.push(server)
    addresses.push({ id, url: `http://127.0.0.1:${port}` })
  }
  return addresses.map(({ id, url }, at) => {
    // On a backbone the nodes hear of each other there.
    const peers = carrier === 'nats' ? [] : addresses.filter(peer => peer.id !== id)
    return new Node(id, url, peers, servers[at])
  })
}

async function join(count: number): Promise<void> {
  for (let n = 1; n <= count; n++) {
    first?.join()
    if (n % JOINS_PER_TURN === 0) await new Promise(setImmediate)
  }
  while (first !== undefined && first.online < count) await new Promise(resolve => setTimeout(resolve, 20))
}

/** Runs `action` for each number, one in each turn. */
async function inTurns(count: number, action: (n: number) => void): Promise<void> {
  for (let n = 1; n <= count; n++) {
    action(n)
    await new Promise(setImmediate)
  }
}

function writtenBytes(): number {
  return Number(/^wchar: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1])
}

const nodes = await createNodes()
for (const node of nodes) node.step({ type: 'start' })
const [first] = nodes
const delays = monitorEventLoopDelay({ resolution: 1 })

process.on('message', async (request: NodesRequest) => {
  if (request.type === 'watch') {
    delays.enable()
    delays.reset()
  } else if (request.type === 'join') await join(request.count)
  else if (request.type === 'change') await inTurns(request.count, n => first?.change(n))
  const sum = (read: (node: Node) => number) => nodes.reduce((total, node) => total + read(node), 0)
  const reading: NodesReading = {
    links: sum(({ openLinks }) => openLinks),
    lost: sum(({ lostLinks }) => lostLinks),
    online: nodes.at(-1)?.online ?? 0,
    url: first?.url ?? '',
    longestTurn: delays.max / 1e6,
    written: writtenBytes(),
  }
  process.send?.(reading)
})
