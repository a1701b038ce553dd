import type { ChildProcess } from 'node:child_process'
import { type Benchmark, type Measure, median, quantile } from './support/report.ts'
import { ROOM, RoomLoad, type RoomSample } from './support/room-load.ts'
import {
  hasNgircd,
  hasRedis,
  NO_NGIRCD,
  NO_REDIS,
  type System,
  sleep,
  startHelper,
  startMesh,
  startNgircd,
  startRedisChat,
  until,
} from './support/servers.ts'

/** Targets for the ratio to the Redis adapter, in the largest room. */
const SATURATED_TARGET = 0.45
const PACED_TARGET = 1
/** Members who leave and come back. */
const CHURN_SIZES = [100, 200] as const

interface Load {
  members: number
  rounds: number
  /** Delivered copies in a measurement at full speed. */
  copies: number
  warmUpSeconds: number
  seconds: number
}

/** Both modes, in rounds. */
interface RoomSamples {
  saturated: RoomSample[]
  paced: RoomSample[]
}

/** Runs the same load on each system, interleaved. Returns the samples by name of the system. */
async function measureMessages(
  starts: readonly (() => Promise<System>)[],
  load: Load,
): Promise<Map<string, RoomSamples>> {
  const { members, rounds, copies, warmUpSeconds, seconds } = load
  const rooms: RoomLoad[] = []
  for (const start of starts) rooms.push(await RoomLoad.connect(await start(), members))
  const found = new Map(rooms.map(({ system }) => [system.name, { saturated: [], paced: [] } as RoomSamples]))
  const messages = Math.ceil(copies / members)
  // Warm-up, not counted.
  for (const room of rooms) await room.saturate(0, messages)
  for (let round = 0; round < rounds; round++) {
    for (const room of rooms) {
      const samples = found.get(room.system.name)
      samples?.saturated.push(await room.saturate(Math.ceil(messages / 4), messages))
      samples?.paced.push(await room.sendPaced(warmUpSeconds, seconds))
    }
  }
  for (const room of rooms) {
    room.close()
    room.system.stop()
  }
  return found
}

interface ChurnSample {
  /** Bytes to all members for each change. */
  bytes: number
  /** CPU time of all servers for each change, ms. */
  cpu: number
  /** Until all have the right list of members, s. */
  seconds: number
}

interface RoomDelta {
  version?: number
  joined: string[]
  left: string[]
}

/** How many members each member of a room knows of. */
class MemberCounts {
  readonly #load: RoomLoad
  readonly #counts: number[] = []
  readonly #versions: number[] = []
  /** The last packet: many members get the same, which is parsed once. */
  #lastPacket = Buffer.alloc(0)
  #lastDelta: RoomDelta = { joined: [], left: [] }

  constructor(load: RoomLoad) {
    this.#load = load
    load.onJoined = (member, packet) => {
      const [answer] = JSON.parse(packet.subarray(packet.indexOf('[')).toString()) as [
        { version: number; members: string[] },
      ]
      this.#counts[member] = answer.members.length
      this.#versions[member] = answer.version
    }
    load.onRoomEvent = (member, packet) => {
      const { version, joined, left } = this.#parse(packet)
      if (version === undefined || version <= (this.#versions[member] ?? 0)) return
      this.#versions[member] = version
      this.#counts[member] = (this.#counts[member] ?? 0) + joined.length - left.length
    }
  }

  /** Has all members join again: the answers have the members. */
  async start(members: number): Promise<void> {
    for (const client of this.#load.clients) client.send(`22["join","${ROOM}"]`)
    await this.waitFor(members, 0)
  }

  /** Waits until all members know of this number of members. @param absent members that have left, from the second on */
  async waitFor(members: number, absent: number): Promise<void> {
    const isRight = (_: unknown, member: number) => (member > 0 && member <= absent) || this.#counts[member] === members
    await until(`all members know of ${members} members`, () => this.#load.clients.every(isRight))
  }

  #parse(packet: Buffer): RoomDelta {
    if (!packet.equals(this.#lastPacket)) {
      this.#lastPacket = Buffer.from(packet)
      const [, delta] = JSON.parse(packet.subarray(1).toString()) as [string, RoomDelta]
      this.#lastDelta = delta
    }
    return this.#lastDelta
  }
}

/** Has members leave and come back, all at the same time. */
async function measureChurn(
  members: number,
  sizes: readonly number[],
  rounds: number,
  pauseMs: number,
): Promise<ChurnSample[][]> {
  const system = await startMesh(2)
  const load = await RoomLoad.connect(system, members)
  const counts = new MemberCounts(load)
  await counts.start(members)
  const found = sizes.map((): ChurnSample[] => [])
  // The first round is a warm-up, not counted.
  for (let round = -1; round < rounds; round++) {
    for (const [at, size] of sizes.entries()) {
      await sleep(pauseMs)
      const leaving = load.clients.slice(1, size + 1)
      const { bytes } = load
      const cpu = await system.cpu()
      const since = performance.now()
      for (const client of leaving) client.send(`23["part","${ROOM}"]`)
      await counts.waitFor(members - size, size)
      for (const client of leaving) client.send(`22["join","${ROOM}"]`)
      await counts.waitFor(members, 0)
      const seconds = (performance.now() - since) / 1_000
      const spent = (await system.cpu()) - cpu
      if (round < 0) continue
      const changes = 2 * size
      found[at]?.push({ bytes: (load.bytes - bytes) / changes, cpu: spent / changes, seconds })
    }
  }
  load.close()
  system.stop()
  return found
}

interface CatchUpSample {
  /** From the request to join to the last message of the history, s. */
  seconds: number
  /** Latency of another member's messages before, ms. */
  before: number[]
  during: number[]
}

/** Longest wait for a message of a process, ms. */
const MAX_WAIT_MS = 60_000

function nextMessage(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const fail = () => reject(new Error('a process of the benchmark has exited'))
    const timer = setTimeout(() => reject(new Error('a process of the benchmark does not answer')), MAX_WAIT_MS)
    child.once('exit', fail)
    child.once('message', message => {
      clearTimeout(timer)
      child.off('exit', fail)
      resolve(message)
    })
  })
}

/** A newcomer joins a room with this number of messages, while another member sends. */
async function measureCatchUp(
  messages: number,
  rounds: number,
  seconds: number,
  pauseMs: number,
): Promise<CatchUpSample[]> {
  const system = await startMesh(2, { limits: {} })
  const urls = system.ports.map(port => `http://127.0.0.1:${port}`)
  const children: ChildProcess[] = []
  const startMembers = async (role: string) => {
    const child = startHelper('bench/support/room-members.js', [role, `${messages}`, `${historyEnd}`, ...urls])
    children.push(child)
    await nextMessage(child)
    return child
  }
  const historyEnd = Date.now() - 60_000
  await startMembers('holders')
  const pair = await startMembers('pair')
  const takeLatencies = () => {
    pair.send('take')
    return nextMessage(pair) as Promise<number[]>
  }
  const found: CatchUpSample[] = []
  for (let round = 0; round < rounds; round++) {
    const newcomer = await startMembers('newcomer')
    // The others compare their histories soon after they joined.
    await sleep(2 * pauseMs)
    await takeLatencies()
    await sleep(seconds * 1_000)
    const before = await takeLatencies()
    newcomer.send('join')
    const taken = (await nextMessage(newcomer)) as number
    found.push({ seconds: taken, before, during: await takeLatencies() })
    newcomer.kill('SIGKILL')
  }
  for (const child of children) child.kill('SIGKILL')
  system.stop()
  return found
}

function messageMeasures(members: number, found: ReadonlyMap<string, RoomSamples>, hasTargets: boolean): Measure[] {
  const own = found.get('mesh-chat')
  const measures: Measure[] = []
  for (const [system, name] of [
    ['Socket.IO + Redis', 'Redis adapter'],
    ['ngircd', 'ngircd'],
  ] as const) {
    const other = found.get(system)
    if (other === undefined && system === 'ngircd') continue
    for (const mode of ['saturated', 'paced'] as const) {
      const measure = (
        what: string,
        unit: string,
        value: (sample: RoomSample) => number,
        atMost?: number,
      ): Measure => ({
        name: `${members} members, ${mode === 'paced' ? '10/s' : mode}: ${what}`,
        unit,
        samples: own?.[mode].map(value) ?? [],
        ...(other === undefined ? {} : { yardstick: { name, samples: other[mode].map(value) } }),
        ...(other === undefined || atMost === undefined ? {} : { aim: { atMost } }),
      })
      const target =
        hasTargets && system !== 'ngircd' ? (mode === 'paced' ? PACED_TARGET : SATURATED_TARGET) : undefined
      measures.push(measure('CPU per copy', 'µs', ({ cpu }) => cpu, target))
      if (mode === 'saturated') measures.push(measure('copies', '/s', ({ rate }) => rate))
      measures.push(
        measure('last member has it, p50', 'ms', ({ p50 }) => p50),
        measure('last member has it, p99', 'ms', ({ p99 }) => p99),
      )
    }
  }
  return measures
}

function churnMeasures(members: number, sizes: readonly number[], found: readonly ChurnSample[][]): Measure[] {
  const [small = 0, large = 0] = sizes
  const [few = [], many = []] = found
  const measure = (what: string, unit: string, value: (sample: ChurnSample) => number): Measure => ({
    name: `${large} of ${members} members leave and come back: ${what}`,
    unit,
    samples: many.map(value),
    yardstick: { name: `${small} of them`, samples: few.map(value) },
  })
  return [
    { ...measure('bytes per change', 'kB', ({ bytes }) => bytes / 1_000), aim: { atMost: 1.1 } },
    { ...measure('CPU per change', 'ms', ({ cpu }) => cpu), aim: { atMost: 1.1 } },
    measure('until all lists are right', 's', ({ seconds }) => seconds),
  ]
}

function catchUpMeasures(messages: number, found: readonly CatchUpSample[]): Measure[] {
  const latency = (what: string, value: (latencies: readonly number[]) => number): Measure => ({
    name: `catch-up: latency of another member's messages meanwhile, ${what}`,
    unit: 'ms',
    samples: found.map(({ during }) => value(during)),
    yardstick: { name: 'before', samples: found.map(({ before }) => value(before)) },
  })
  return [
    {
      name: `catch-up of ${messages.toLocaleString('en')} messages`,
      unit: 's',
      samples: found.map(({ seconds }) => seconds),
      aim: { atMost: 3 },
    },
    { ...latency('p50', median), aim: { atMost: 2 } },
    latency('p99', latencies => quantile(latencies, 0.99)),
  ]
}

async function run(small: boolean): Promise<Measure[]> {
  const sizes = small ? [10] : [10, 100, 1_000]
  const [rounds, pauseMs] = small ? [1, 100] : [3, 1_000]
  if (!hasRedis()) console.log(NO_REDIS)
  if (!hasNgircd()) console.log(NO_NGIRCD)
  const starts = [
    () => startMesh(2),
    ...(hasRedis() ? [() => startRedisChat(2)] : []),
    ...(hasNgircd() ? [startNgircd] : []),
  ]
  const measures: Measure[] = []
  for (const members of sizes) {
    const load = small
      ? { members, rounds, copies: 1_000, warmUpSeconds: 0.2, seconds: 0.5 }
      : { members, rounds, copies: Math.max(100_000, members * 600), warmUpSeconds: 5, seconds: 10 }
    measures.push(...messageMeasures(members, await measureMessages(starts, load), members === sizes.at(-1)))
  }
  const largest = sizes.at(-1) ?? 0
  const churnSizes = small ? [2, 4] : CHURN_SIZES
  measures.push(...churnMeasures(largest, churnSizes, await measureChurn(largest, churnSizes, rounds, pauseMs)))
  const history = small ? 200 : 10_000
  measures.push(...catchUpMeasures(history, await measureCatchUp(history, rounds, small ? 1 : 5, pauseMs)))
  return measures
}

export const room: Benchmark = {
  name: 'room',
  about:
    'messages of 100 bytes from one sender to all members of a room on two servers, with confirmations and receipts of ' +
    'mesh-chat; members that leave and come back; the history for a newcomer',
  run,
}
