import { writeFileSync } from 'node:fs'
import type { PeerIdentity } from '../src/protocol/frames.ts'
import { DEFAULT_LIMITS } from '../src/protocol/limits.ts'
import { PROTOCOL_VERSION } from '../src/protocol/messages.ts'
import { MeshServer } from '../src/server/server.ts'
import type { Effect, Input } from '../src/server/types.ts'
import { plot } from './support/plot.ts'
import type { Benchmark, Measure } from './support/report.ts'

const TICK_MS = 50
const USERS = 100_000
/**
 * The largest meshes are simulated with fewer users, to save time. Traffic at start and to clients is proportional to
 * the number of users and is scaled up; no other figure depends on it.
 */
const SIMULATED_USERS = new Map([
  [50, 20_000],
  [100, 5_000],
  [200, 2_000],
])
const PLOT_FILE = 'docs/scale.svg'
const MESSAGE_TEXT = 'x'.repeat(100)

/** Packets and bytes sent over all links, or to all clients. */
interface Traffic {
  packets: number
  bytes: number
}

interface TrafficCounts {
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
  return { links: noTraffic(), presence: noTraffic(), heartbeats: noTraffic(), clients: noTraffic() }
}

/** One server, and the other ends of its links. */
interface MeshNode {
  introduction: PeerIdentity
  core: MeshServer
  links: Map<number, { node: MeshNode; link: number }>
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
      const introduction = { id, incarnation: `${id}#`.padEnd(32, '0'), protocol: PROTOCOL_VERSION }
      const options = {
        ...introduction,
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
      countPacket(event === 'beat' ? this.#counts.heartbeats : this.#counts.links, packet, 1)
      if (event === 'presence') countPacket(this.#counts.presence, packet, 1)
      this.#queue.push([to.node, { type: 'frame', link: to.link, frame: effect.frame }])
    } else if (effect.type === 'emit') {
      const { event, payload } = effect.message
      countPacket(this.#counts.clients, JSON.stringify([event, payload]), effect.to.length)
      if (event !== 'im') return
      // A count above all messages sent confirms everything.
      for (const connection of effect.to) this.#queue.push([node, { type: 'got', connection, count: 1_000_000 }])
    } else if (effect.type === 'answer') countPacket(this.#counts.clients, JSON.stringify([effect.payload]), 1)
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
        dialler.links.set(near, { node: acceptor, link: far })
        acceptor.links.set(far, { node: dialler, link: near })
        const { introduction } = acceptor
        this.#queue.push([dialler, { type: 'dialled', peer: id, link: near, introduction, holds: effect.holds }])
      }
    }
  }
}

/** Counts a packet as sent: with its Engine.IO and Socket.IO types and the header of the WebSocket frame. */
function countPacket(sent: Traffic, packet: string, times: number): void {
  const bytes = 2 + Buffer.byteLength(packet)
  sent.packets += times
  sent.bytes += times * (bytes + (bytes < 126 ? 2 : bytes < 65_536 ? 4 : 10))
}

interface Cost {
  servers: number
  start: Traffic
  /** Per second. */
  idle: Traffic
  join: TrafficCounts
  message: TrafficCounts
}

function measureCost(servers: number, users: number, simulated: number, times: number): Cost {
  const mesh = new CountedMesh(servers)
  const name = (n: number) => `user-${n.toString().padStart(6, '0')}`
  const connections = Array.from({ length: simulated }, (_, n) => mesh.join(n, name(n)))
  const start = mesh.count(() => mesh.start())
  /** Number of users left out per simulated user. */
  const omittedRatio = users / simulated - 1
  mesh.advance(3_000)
  const seconds = 5
  const { heartbeats } = mesh.count(() => mesh.advance(seconds * 1_000))
  const each = (action: (n: number) => void): TrafficCounts => {
    const found = mesh.count(() => {
      for (let n = 0; n < times; n++) {
        action(n)
        mesh.advance(2_000)
      }
    })
    const { links, presence, heartbeats, clients } = found
    return {
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
    start: {
      packets: start.links.packets + start.presence.packets * omittedRatio,
      bytes: start.links.bytes + start.presence.bytes * omittedRatio,
    },
    idle: divide(heartbeats, seconds),
    join: { ...join, clients: divide(join.clients, simulated / users) },
    message,
  }
}

function divide({ packets, bytes }: Traffic, parts: number): Traffic {
  return { packets: packets / parts, bytes: bytes / parts }
}

export const scale: Benchmark = {
  name: 'scale',
  about: 'traffic of a full mesh, counted in simulation: over all links, or to all clients where the row says so',
  async run(small) {
    const [sizes, users, times] = small ? [[2, 5, 10], 1_000, 3] : [[2, 5, 10, 20, 50, 100, 200], USERS, 3]
    const costs = sizes.map(servers => {
      const cost = measureCost(servers, users, small ? users : (SIMULATED_USERS.get(servers) ?? users), times)
      if (!small) console.log(`counted: ${servers} servers`)
      return cost
    })
    if (!small) {
      const line = (name: string, of: (cost: Cost) => number) => ({
        name,
        points: costs.map(cost => [cost.servers, of(cost)] as const),
      })
      const title = `Bytes over all links of a full mesh with ${users.toLocaleString('en')} users`
      const lines = [
        line('idle, per second', ({ idle }) => idle.bytes),
        line('one join', ({ join }) => join.links.bytes),
        line('one message', ({ message }) => message.links.bytes),
        line('start of all servers', ({ start }) => start.bytes),
      ]
      writeFileSync(PLOT_FILE, plot(title, 'servers', lines))
      console.log(`wrote ${PLOT_FILE}`)
    }
    const measures: Measure[] = []
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
      row('start', 'MB', start.bytes / 1e6)
    }
    return measures
  },
}
