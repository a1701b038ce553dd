/** What a NATS backbone costs, compared to links over sockets. */
import type { ChildProcess } from 'node:child_process'
import { connectAcross, saturate, sendPaced } from './support/load.ts'
import type { NodesReading, NodesRequest } from './support/nodes.ts'
import type { Benchmark, Measure } from './support/report.ts'
import { hasNats, Nats, NO_NATS, sleep, startHelper, startMesh, until } from './support/servers.ts'

const NODES = 'bench/support/nodes.js'
const USERS = 100_000
/** Rounds in which turns are measured: whatever else the machine does lengthens some of them. */
const TURN_ROUNDS = 5
const SERVERS = 20
/** Users who leave and return. */
const CHANGES = 500
const IDLE_MS = 3_000

/** Server nodes in a process of their own. */
class Nodes {
  readonly #child: ChildProcess

  constructor(carrier: 'sockets' | 'nats', url: string, ids: readonly string[]) {
    this.#child = startHelper(NODES, [carrier, url, ...ids])
  }

  ask(request: NodesRequest): Promise<NodesReading> {
    return new Promise(resolve => {
      this.#child.once('message', reading => resolve(reading as NodesReading))
      this.#child.send(request)
    })
  }

  read(): Promise<NodesReading> {
    return this.ask({ type: 'read' })
  }

  async waitForLinks(links: number): Promise<void> {
    await until(`${links} links`, async () => {
      await sleep(50)
      return (await this.read()).links === links
    })
  }

  stop(): void {
    this.#child.kill('SIGKILL')
  }
}

/** Messages between two servers, over sockets and over NATS. */
async function measureMessages(small: boolean): Promise<Measure[]> {
  const [rounds, messages, seconds] = small ? [1, 2_000, 1] : [5, 60_000, 4]
  const nats = await Nats.prepare()
  await nats.start()
  const systems = [await startMesh(2), await startMesh(2, { backbone: [nats.url] })]
  const loads = []
  for (const system of systems) loads.push(await connectAcross(system))
  // Warm-up, not counted.
  for (const load of loads) {
    await saturate(load, small ? 1_000 : 40_000)
    await sendPaced(load, small ? 0.2 : seconds)
  }
  const found = loads.map(() => ({ cpu: [], rate: [], paced: [], p99: [], nats: [] }) as Record<string, number[]>)
  for (let round = 0; round < rounds; round++) {
    for (const [at, load] of loads.entries()) {
      const before = nats.cpu
      const fast = await saturate(load, messages)
      const ofNats = ((nats.cpu - before) / 1_000 / messages) * 100_000
      const slow = await sendPaced(load, seconds)
      const values = { cpu: fast.cpu, rate: fast.rate, paced: slow.cpu, p99: slow.p99, nats: ofNats }
      for (const [name, value] of Object.entries(values)) found[at]?.[name]?.push(value)
    }
  }
  for (const system of systems) system.stop()
  await nats.stop()
  const [sockets = {}, backbone = {}] = found
  const measure = (name: string, unit: string, key: string, aim?: Measure['aim']): Measure => ({
    name,
    unit,
    samples: backbone[key] ?? [],
    yardstick: { name: 'sockets', samples: sockets[key] ?? [] },
    ...(aim === undefined ? {} : { aim }),
  })
  return [
    measure('CPU of both servers, saturated', 's/100,000', 'cpu', { atMost: 1.5 }),
    { name: 'CPU of nats-server itself, saturated', unit: 's/100,000', samples: backbone.nats ?? [] },
    measure('rate, saturated', '/s', 'rate'),
    measure('CPU of both servers, 2,000/s', 's/100,000', 'paced', { atMost: 1.5 }),
    measure('delivery latency, 2,000/s, p99', 'ms', 'p99'),
  ]
}

/** Longest turns of the event loop of both since the last call, when they are linked and the peer has all users in its roster. */
async function longestTurns(large: Nodes, peer: Nodes, users: number): Promise<[large: number, peer: number]> {
  await until('both are linked', async () => {
    await sleep(100)
    const readings = [await large.read(), await peer.read()]
    return readings.every(({ links, online }) => links === 1 && online === users)
  })
  const turns = [(await large.read()).longestTurn, (await peer.read()).longestTurn] as [number, number]
  for (const one of [large, peer]) await one.ask({ type: 'watch' })
  return turns
}

/** A server with many users and a peer that joins: over NATS, which starts and starts again, and over sockets. */
async function measureTurns(small: boolean): Promise<Measure[]> {
  const users = small ? 5_000 : USERS
  const found = new Map<string, number[]>()
  const note = (what: string, ms: number) => void found.set(what, [...(found.get(what) ?? []), ms])
  for (let round = 0; round < (small ? 1 : TURN_ROUNDS); round++) {
    await measureTurnsOverNats(users, note)
    await measureTurnsOverSockets(users, note)
  }
  const name = `longest turn with ${users.toLocaleString('en')} users`
  return Array.from(found, ([what, samples]) => ({ name: `${name}: ${what}`, unit: 'ms', samples, limit: 50 }))
}

type NoteTurn = (what: string, ms: number) => void

async function measureTurnsOverNats(users: number, note: NoteTurn): Promise<void> {
  const nats = await Nats.prepare()
  const large = new Nodes('nats', nats.url, ['server-1'])
  await large.ask({ type: 'join', count: users })
  const peer = new Nodes('nats', nats.url, ['server-2'])
  for (const one of [large, peer]) await one.ask({ type: 'watch' })
  await nats.start()
  const start = await longestTurns(large, peer, users)
  await nats.stop()
  await until('both have lost their links', async () => {
    await sleep(20)
    return (await large.read()).links + (await peer.read()).links === 0
  })
  await nats.start()
  const restart = await longestTurns(large, peer, users)
  await nats.stop()
  await until('the peer has removed the users', async () => {
    await sleep(100)
    return (await peer.read()).online === 0
  })
  const removal = (await peer.read()).longestTurn
  for (const one of [large, peer]) one.stop()
  note('NATS comes up', start[0])
  note('NATS comes back', restart[0])
  note('a peer gets the snapshot', start[1])
  note('the peer when NATS comes back', restart[1])
  note('the peer when NATS is gone, and the grace period ends', removal)
}

async function measureTurnsOverSockets(users: number, note: NoteTurn): Promise<void> {
  const linked = new Nodes('sockets', '', ['server-1'])
  await linked.ask({ type: 'join', count: users })
  const joining = new Nodes('sockets', (await linked.read()).url, ['server-2'])
  for (const one of [linked, joining]) await one.ask({ type: 'watch' })
  const [server, peer] = await longestTurns(linked, joining, users)
  for (const one of [linked, joining]) one.stop()
  note('a peer joins over sockets', server)
  note('that peer', peer)
}

/** The bytes that the servers of a mesh write when users of one of them come and go, and when nothing happens. */
async function measurePresence(small: boolean): Promise<Measure[]> {
  const count = small ? 4 : SERVERS
  const changes = small ? 50 : CHANGES
  const ids = Array.from({ length: count }, (_, n) => `server-${n + 1}`)
  const nats = await Nats.prepare()
  await nats.start()
  const found: { idle: number; change: number }[] = []
  for (const carrier of ['sockets', 'nats'] as const) {
    const nodes = new Nodes(carrier, carrier === 'nats' ? nats.url : '', ids)
    await nodes.waitForLinks(count * (count - 1))
    await nodes.ask({ type: 'join', count: changes })
    await sleep(IDLE_MS)
    const start = await nodes.read()
    await sleep(IDLE_MS)
    const idle = await nodes.read()
    const since = performance.now()
    const changed = await nodes.ask({ type: 'change', count: changes })
    const idleRate = (idle.written - start.written) / IDLE_MS
    const written = changed.written - idle.written - idleRate * (performance.now() - since)
    found.push({ idle: idleRate * 1_000, change: written / changes })
    if (changed.lost > 0) throw new Error(`${changed.lost} links were lost`)
    nodes.stop()
  }
  await nats.stop()
  const [sockets, backbone] = found
  const measure = (name: string, unit: string, key: 'idle' | 'change', aim?: Measure['aim']): Measure => ({
    name,
    unit,
    samples: [backbone?.[key] ?? Number.NaN],
    yardstick: { name: 'sockets', samples: [sockets?.[key] ?? Number.NaN] },
    ...(aim === undefined ? {} : { aim }),
  })
  return [
    measure(`${count} servers: bytes they send when a user leaves and returns`, 'B', 'change', { atMost: 0.2 }),
    measure(`${count} servers: bytes they send while idle`, 'B/s', 'idle'),
  ]
}

export const nats: Benchmark = {
  name: 'nats',
  about:
    'links over a NATS backbone, compared to sockets: messages of 100 bytes between two servers; the event loop of a server ' +
    `with ${USERS.toLocaleString('en')} users, which are added to its core without sockets; presence of ${SERVERS} servers`,
  async run(small) {
    if (!hasNats()) {
      console.log(NO_NATS)
      return []
    }
    return [...(await measureMessages(small)), ...(await measureTurns(small)), ...(await measurePresence(small))]
  },
}
