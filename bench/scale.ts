import { writeFileSync } from 'node:fs'
import { PresenceStream } from '../src/presence/presence-stream.ts'
import { type PeerIdentity, type PresenceEntry, presenceSchema } from '../src/protocol/frames.ts'
import { DEFAULT_LIMITS } from '../src/protocol/limits.ts'
import { PROTOCOL_VERSION } from '../src/protocol/messages.ts'
import { compact } from '../src/server/peers/outbound-presence.ts'
import { MeshServer } from '../src/server/server.ts'
import type { Effect, Input } from '../src/server/types.ts'
import { hearNames } from './hear-names.ts'
import { plot } from './support/plot.ts'
import type { Benchmark, Measure } from './support/report.ts'

const TICK_MS = 50
const USERS = 100_000
/**
 * The largest meshes are simulated with fewer users, to save time: presence at start is counted separately, traffic to clients is
 * scaled up, and no other figure depends on the number. `ALL_USERS=1` simulates all: the same result, after 10 minutes.
 */
const SIMULATED_USERS = new Map(
  process.env.ALL_USERS === undefined
    ? [
        [50, 20_000],
        [100, 5_000],
        [200, 4_000],
      ]
    : [],
)
/** By then a mesh is whole, and no server asks another for anything. */
const START_MS = 8_000
/** The request and the answer that make a connection a WebSocket, and Engine.IO's first packet. */
const HTTP_UPGRADE_BYTES = 560
/** Numbers of servers; `SERVERS=50,200` chooses others. */
const SIZES = (process.env.SERVERS ?? '2,5,10,20,50,100,200').split(',').map(Number)
const PLOT_FILE = 'docs/scale.svg'
const MESSAGE_TEXT = 'x'.repeat(100)

/** Packets and bytes sent over all links, or to all clients. */
interface Traffic {
  packets: number
  bytes: number
}

interface TrafficCounts {
  handshakes: Traffic
  /** All frames except heartbeats. */
  links: Traffic
  /** The presence frames among them. */
  presence: Traffic
  /** Heartbeats. */
  heartbeats: Traffic
  clients: Traffic
}

function emptyCounts(): TrafficCounts {
  const noTraffic = () => ({ packets: 0, bytes: 0 })
  return {
    handshakes: noTraffic(),
    links: noTraffic(),
    presence: noTraffic(),
    heartbeats: noTraffic(),
    clients: noTraffic(),
  }
}

/** One server, and the other ends of its links. */
interface MeshNode {
  introduction: PeerIdentity
  core: MeshServer
  links: Map<number, { node: MeshNode; link: number; isDialled: boolean }>
  lastNumber: number
}

/** A mesh of server cores on a network without latency, which counts all traffic. */
class CountedMesh {
  readonly nodes: MeshNode[]
  #counts = emptyCounts()
  #now = 1_000
  #queue: [MeshNode, Input][] = []

  constructor(servers: number) {
    const addresses = Array.from({ length: servers }, (_, n) => ({
      id: `server-${n + 1}`,
      url: `http://10.0.0.${n}:3001`,
    }))
    this.nodes = addresses.map(({ id, url }) => {
      const peers = addresses.filter(peer => peer.id !== id)
      const limits = { ...DEFAULT_LIMITS, connections: 0, messagesPerSecond: 0 }
      // As long as the key of a process.
      const incarnation = `${id}#`.padEnd(43, '0')
      const introduction = {
        id,
        incarnation,
        protocol: PROTOCOL_VERSION,
        url,
        rooms: true as const,
        compact: true as const,
      }
      const options = {
        id,
        incarnation,
        url,
        peers,
        limits,
        graceMs: 5_000,
        random: () => 0.5,
        narrateMessages: false,
        auth: 'open' as const,
      }
      return { introduction, core: new MeshServer(options), links: new Map(), lastNumber: 0 }
    })
  }

  start(): void {
    // Performs the effects, such as dials, after all servers have started.
    const effects = this.nodes.map(({ core }) => core.step({ type: 'start' }, this.#now, this.#now))
    for (const [at, node] of this.nodes.entries()) for (const effect of effects[at] ?? []) this.#perform(node, effect)
    this.#drainQueue()
  }

  join(at: number, user: string): number {
    const node = this.#node(at)
    const connection = ++node.lastNumber
    this.#queue.push([node, { type: 'connected', connection }])
    this.#queue.push([node, { type: 'identify', connection, user, protocol: 2 }])
    this.#drainQueue()
    return connection
  }

  send(at: number, connection: number, to: string, id: string): void {
    const message = { id, at: this.#now, to, text: MESSAGE_TEXT }
    this.#queue.push([this.#node(at), { type: 'im', connection, message, call: ++this.#node(at).lastNumber }])
    this.#drainQueue()
  }

  advance(ms: number): void {
    for (const until = this.#now + ms; this.#now < until; ) {
      this.#now += TICK_MS
      for (const node of this.nodes) if (node.core.deadline <= this.#now) this.#queue.push([node, { type: 'tick' }])
      this.#drainQueue()
    }
  }

  /** Counts the traffic that `action` causes. */
  count(action: () => void): TrafficCounts {
    this.#counts = emptyCounts()
    action()
    return this.#counts
  }

  #node(at: number): MeshNode {
    const node = this.nodes[at % this.nodes.length]
    if (node === undefined) throw new Error('the mesh has no server')
    return node
  }

  /** Runs until no packet is on its way. Each input is a separate event-loop turn. */
  #drainQueue(): void {
    for (let at = 0; at < this.#queue.length; at++) {
      const [node, input] = this.#queue[at] as [MeshNode, Input]
      for (const effect of node.core.step(input, this.#now, this.#now)) this.#perform(node, effect)
      if (node.core.needsFlush) this.#queue.push([node, { type: 'flush' }])
    }
    this.#queue = []
  }

  #perform(node: MeshNode, effect: Effect): void {
    if (effect.type === 'dial') this.#dial(node, effect.peer)
    else if (effect.type === 'send') {
      const to = node.links.get(effect.link)
      if (to === undefined) return
      const { event, payload } = effect.frame
      const packet = `/mesh,${JSON.stringify([event, payload])}`
      const counted = [event === 'beat' ? this.#counts.heartbeats : this.#counts.links]
      if (event === 'presence') counted.push(this.#counts.presence)
      for (const sent of counted) countPacket(sent, packet, 1, to.isDialled)
      const frame = event === 'presence' ? { event, payload: presenceSchema.parse(payload) } : effect.frame
      this.#queue.push([to.node, { type: 'frame', link: to.link, frame }])
    } else if (effect.type === 'emit') {
      const { event, payload } = effect.message
      countPacket(this.#counts.clients, JSON.stringify([event, payload]), effect.to.length)
      if (event !== 'im') return
      // A count above all messages sent confirms everything.
      for (const connection of effect.to) this.#queue.push([node, { type: 'got', connection, count: 1_000_000 }])
    } else if (effect.type === 'answer') countPacket(this.#counts.clients, JSON.stringify([effect.payload]), 1)
  }

  /** The HTTP upgrade, and the packets of a handshake. */
  #countHandshake(dialler: PeerIdentity, acceptor: PeerIdentity, holds: unknown): void {
    const { handshakes } = this.#counts
    const [nonce, proof, signature] = [22, 43, 86].map(length => 'x'.repeat(length))
    const prove = ['prove', { proof, signature }]
    const welcome = [{ ok: true, proof, signature, holds }]
    countPacket(handshakes, JSON.stringify({ ...dialler, newestProtocol: 2, auth: 'open', nonce }), 1, true)
    countPacket(handshakes, JSON.stringify(['challenge', { ...acceptor, newestProtocol: 2, auth: 'open', nonce }]), 1)
    countPacket(handshakes, JSON.stringify(prove), 1, true)
    countPacket(handshakes, JSON.stringify(welcome), 1)
    handshakes.bytes += HTTP_UPGRADE_BYTES
  }

  #dial(dialler: MeshNode, id: string): void {
    const acceptor = this.nodes.find(({ introduction }) => introduction.id === id)
    if (acceptor === undefined) return
    const [near, far] = [++dialler.lastNumber, ++acceptor.lastNumber]
    const accepted: Input = { type: 'accepted', link: far, introduction: dialler.introduction }
    const effects = acceptor.core.step(accepted, this.#now, this.#now)
    for (const effect of effects) {
      if (effect.type !== 'accept') this.#perform(acceptor, effect)
      else {
        dialler.links.set(near, { node: acceptor, link: far, isDialled: true })
        acceptor.links.set(far, { node: dialler, link: near, isDialled: false })
        const { introduction } = acceptor
        this.#countHandshake(dialler.introduction, introduction, effect.holds)
        this.#queue.push([dialler, { type: 'dialled', peer: id, link: near, introduction, holds: effect.holds }])
      }
    }
  }
}

/** Counts a packet as sent: with its Engine.IO and Socket.IO types and the header of the WebSocket frame, masked from a dialler. */
function countPacket(sent: Traffic, packet: string, times: number, isMasked = false): void {
  const bytes = 2 + Buffer.byteLength(packet)
  sent.packets += times
  sent.bytes += times * (bytes + (bytes < 126 ? 2 : bytes < 65_536 ? 4 : 10) + (isMasked ? 4 : 0))
}

interface Cost {
  servers: number
  start: TrafficCounts
  /** Per second. */
  idle: Traffic
  join: TrafficCounts
  message: TrafficCounts
}

function measureCost(servers: number, users: number, simulated: number, times: number): Cost {
  const mesh = new CountedMesh(servers)
  const name = (n: number) => `user-${n.toString().padStart(6, '0')}`
  const connections = Array.from({ length: simulated }, (_, n) => mesh.join(n, name(n)))
  const start = mesh.count(() => {
    mesh.start()
    mesh.advance(START_MS)
  })
  if (simulated < users)
    replacePresence(
      start,
      snapshotTraffic(
        mesh.nodes,
        Array.from({ length: users }, (_, n) => name(n)),
      ),
    )
  const seconds = 5
  const { heartbeats } = mesh.count(() => mesh.advance(seconds * 1_000))
  const each = (action: (n: number) => void): TrafficCounts => {
    const found = mesh.count(() => {
      for (let n = 0; n < times; n++) {
        action(n)
        mesh.advance(2_000)
      }
    })
    const { handshakes, links, presence, heartbeats, clients } = found
    return {
      handshakes,
      links: divide(links, times),
      presence: divide(presence, times),
      heartbeats: divide(heartbeats, times),
      clients: divide(clients, times),
    }
  }
  const join = each(n => void mesh.join(n, `newcomer-${n}`))
  const message = each(n => mesh.send(n, connections[n] ?? 0, name(n + 1), `message-${n}`))
  return {
    servers,
    start,
    idle: divide(heartbeats, seconds),
    join: { ...join, clients: divide(join.clients, simulated / users) },
    message,
  }
}

/** The snapshots with which a mesh starts, if its users are spread evenly. */
function snapshotTraffic(nodes: readonly MeshNode[], users: readonly string[]): Traffic {
  const sent: Traffic = { packets: 0, bytes: 0 }
  for (const [at, { introduction }] of nodes.entries()) {
    const entries: PresenceEntry[] = users.flatMap((user, n) => (n % nodes.length === at ? [[user, 1]] : []))
    for (const chunk of new PresenceStream(introduction.incarnation).snapshot(entries, []))
      countPacket(sent, `/mesh,${JSON.stringify(['presence', compact(chunk())])}`, nodes.length - 1, true)
  }
  return sent
}

/** Replaces the presence that a smaller number of users has caused. */
function replacePresence({ links, presence }: TrafficCounts, { packets, bytes }: Traffic): void {
  links.packets += packets - presence.packets
  links.bytes += bytes - presence.bytes
  presence.packets = packets
  presence.bytes = bytes
}

function startBytes({ handshakes, links }: TrafficCounts): number {
  return handshakes.bytes + links.bytes
}

function divide({ packets, bytes }: Traffic, parts: number): Traffic {
  return { packets: packets / parts, bytes: bytes / parts }
}

export const scale: Benchmark = {
  name: 'scale',
  about: 'traffic of a full mesh, counted in simulation: over all links, or to all clients where the row says so',
  async run(small) {
    const [sizes, users, times] = small ? [[2, 5, 10], 1_000, 3] : [SIZES, USERS, 3]
    const costs = sizes.map(servers => {
      const cost = measureCost(servers, users, small ? users : (SIMULATED_USERS.get(servers) ?? users), times)
      if (!small) console.log(`counted: ${servers} servers`)
      return cost
    })
    if (!small && process.env.SERVERS === undefined) {
      const line = (name: string, of: (cost: Cost) => number) => ({
        name,
        points: costs.map(cost => [cost.servers, of(cost)] as const),
      })
      const title = `Bytes over all links of a full mesh with ${users.toLocaleString('en')} users`
      const lines = [
        line('idle, per second', ({ idle }) => idle.bytes),
        line('one join', ({ join }) => join.links.bytes),
        line('one message', ({ message }) => message.links.bytes),
        line('start of all servers', ({ start }) => startBytes(start)),
      ]
      writeFileSync(PLOT_FILE, plot(title, 'servers', lines))
      console.log(`wrote ${PLOT_FILE}`)
    }
    const measures: Measure[] = []
    for (const peers of small ? [2, 20] : [2, 20, 199]) {
      const samples = Array.from({ length: small ? 1 : 3 }, () => hearNames(peers, users))
      measures.push({
        name: `${users.toLocaleString('en')} names of ${peers} peers, CPU of one server`,
        unit: 's',
        samples,
      })
    }
    for (const { servers, start, idle, join, message } of costs) {
      const row = (what: string, unit: string, value: number) =>
        measures.push({ name: `${servers} servers, ${what}`, unit, samples: [value] })
      row('links', '', servers * (servers - 1))
      row('idle', 'packets/s', idle.packets)
      row('idle', 'kB/s', idle.bytes / 1e3)
      row('one join', 'packets', join.links.packets)
      row('one join', 'kB', join.links.bytes / 1e3)
      row('one join, to all clients', 'kB', join.clients.bytes / 1e3)
      row('one message', 'packets', message.links.packets)
      row('one message', 'kB', message.links.bytes / 1e3)
      row('one message, to clients', 'kB', message.clients.bytes / 1e3)
      row('start', 'MB', startBytes(start) / 1e6)
      row('start, handshakes', 'MB', start.handshakes.bytes / 1e6)
      row('start, presence', 'MB', start.presence.bytes / 1e6)
      row('start, other frames', 'MB', (start.links.bytes - start.presence.bytes) / 1e6)
      row('idle, per link', 'packets/s', idle.packets / (servers * (servers - 1)))
      row('one join, per peer', 'kB', join.links.bytes / 1e3 / (servers - 1))
    }
    return measures
  },
}
