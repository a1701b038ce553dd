import { RawClient } from './support/raw-client.ts'
import { type Benchmark, type Measure, median } from './support/report.ts'
import { type System, sleep, startFullList, startMesh, until } from './support/servers.ts'

/** Users that join together, and then leave together: the storm. */
const STORM_USERS = 100
/** Number of watchers that connect at the same time. */
const BATCH_SIZE = 100

interface Delta {
  version: number
  joined: string[]
  left: string[]
}

/** A client that follows the roster. */
interface Watcher {
  client: RawClient
  /** Number of the storm's users in its roster. */
  shown: number
}

type Protocol = 1 | 2

const isStorm = (name: string) => name.startsWith('storm-')
const identify = (user: string, protocol: Protocol) =>
  protocol === 1 ? `2["identify","${user}"]` : `20["identify",{"user":"${user}","client":"bench/1","protocol":2}]`

/** Parses a packet; one that equals the last is not parsed again, as many watchers get the same. */
let lastPacket = Buffer.alloc(0)
let lastParsed: unknown
function parse(packet: Buffer): unknown {
  if (!packet.equals(lastPacket)) {
    lastPacket = Buffer.from(packet)
    lastParsed = JSON.parse(packet.subarray(packet.indexOf('[')).toString())
  }
  return lastParsed
}

function startWatching(client: RawClient): Watcher {
  const watcher: Watcher = { client, shown: 0 }
  let last: unknown
  client.onBytes = packet => {
    const [event, payload] = parse(packet) as [string, Delta & { list: string[] }]
    if (event === 'roster') {
      watcher.shown += payload.joined.filter(isStorm).length - payload.left.filter(isStorm).length
    } else if (event === 'update_client') {
      // A list that another watcher got was counted then.
      if (payload !== last) watcher.shown = countStorm(payload.list)
      last = payload
    }
    return true
  }
  return watcher
}

let countedList: string[] | undefined
let counted = 0
function countStorm(list: string[]): number {
  if (list !== countedList) {
    countedList = list
    counted = list.filter(isStorm).length
  }
  return counted
}

interface StormSample {
  /** CPU time of all servers, s. */
  cpu: number
  /** Until every watcher's roster is right again, s. */
  seconds: number
  /** Sent to all watchers, MB. */
  bytes: number
}

/** Runs the storm with this number of watchers, each a different user. */
async function runStorm(system: System, watchers: number, protocol: Protocol, rounds: number): Promise<StormSample[]> {
  const all: Watcher[] = []
  const port = (n: number) => system.ports[n % system.ports.length] ?? 0
  for (let group = 0; group < watchers; group += BATCH_SIZE) {
    const joining = Array.from({ length: Math.min(BATCH_SIZE, watchers - group) }, async (_, n) => {
      const watcher = startWatching(await RawClient.open(port(n)))
      watcher.client.send(identify(`watcher-${group + n}`, protocol))
      all.push(watcher)
    })
    await Promise.all(joining)
  }
  await waitUntilQuiet(all)
  const found: StormSample[] = []
  for (let round = 0; round < rounds; round++) {
    const users = await Promise.all(Array.from({ length: STORM_USERS }, (_, n) => RawClient.open(port(n))))
    await sleep(200)
    const bytes = totalBytes(all)
    const cpu = await system.cpu()
    const since = performance.now()
    for (const [n, user] of users.entries()) user.send(identify(`storm-${round}-${n}`, protocol))
    await until('every roster lists the whole storm', () => all.every(({ shown }) => shown === STORM_USERS), 300_000)
    for (const user of users) user.close()
    await until('no roster lists the storm', () => all.every(({ shown }) => shown === 0), 300_000)
    const seconds = (performance.now() - since) / 1000
    const spent = (await system.cpu()) - cpu
    await waitUntilQuiet(all)
    found.push({ cpu: spent / 1000, seconds, bytes: (totalBytes(all) - bytes) / 1e6 })
  }
  for (const { client } of all) client.close()
  return found
}

function totalBytes(watchers: readonly Watcher[]): number {
  return watchers.reduce((sum, { client }) => sum + client.bytes, 0)
}

async function waitUntilQuiet(watchers: readonly Watcher[]): Promise<void> {
  for (let before = -1, now = totalBytes(watchers); now !== before; now = totalBytes(watchers)) {
    before = now
    await sleep(300)
  }
}

async function run(small: boolean): Promise<Measure[]> {
  const sizes = small ? [20, 40] : [500, 1_000, 2_000, 5_000]
  const rounds = small ? 1 : 5
  const [least = 0] = sizes
  const most = sizes.at(-1) ?? 0
  const found = new Map<number, StormSample[]>()
  const lists = new Map<number, StormSample[]>()
  let plain: StormSample[] = []
  let broadcast: StormSample[] = []
  for (const size of sizes) {
    const measure = async (start: () => Promise<System>, protocol: Protocol, times: number) => {
      const system = await start()
      const result = await runStorm(system, size, protocol, times)
      system.stop()
      return result
    }
    // The first two rounds are a warm-up, not counted.
    found.set(size, (await measure(() => startMesh(2), 2, rounds + (small ? 0 : 2))).slice(-rounds))
    if (size === least) {
      plain = await measure(() => startFullList('each'), 1, rounds)
      broadcast = await measure(() => startFullList('broadcast'), 1, rounds)
    }
    if (size === least || size === most) lists.set(size, await measure(() => startMesh(2), 1, rounds))
  }
  const of = (size: number, key: keyof StormSample, from = found) => (from.get(size) ?? []).map(one => one[key])
  const exponent = (key: keyof StormSample) =>
    Math.log(median(of(most, key)) / median(of(least, key))) / Math.log(most / least)
  const measures: Measure[] = []
  for (const size of sizes) {
    const yardstick = (key: keyof StormSample) => ({
      name: 'full list (one emit per client)',
      samples: plain.map(one => one[key]),
    })
    measures.push(
      {
        name: `CPU, ${size} watchers`,
        unit: 's',
        samples: of(size, 'cpu'),
        ...(size === least ? { yardstick: yardstick('cpu'), aim: { atMost: 1 / 50 } } : {}),
      },
      {
        name: `until all rosters are right, ${size} watchers`,
        unit: 's',
        samples: of(size, 'seconds'),
        ...(size === most ? { aim: { atMost: 0.5 } } : size === least ? { yardstick: yardstick('seconds') } : {}),
      },
      {
        name: `sent to clients, ${size} watchers`,
        unit: 'MB',
        samples: of(size, 'bytes'),
        ...(size === most ? { aim: { atMost: 25 } } : size === least ? { yardstick: yardstick('bytes') } : {}),
      },
    )
  }
  measures.push({
    name: `CPU, ${least} watchers`,
    unit: 's',
    samples: of(least, 'cpu'),
    yardstick: { name: 'full list (broadcast)', samples: broadcast.map(({ cpu }) => cpu) },
  })
  measures.push(
    {
      name: `growth exponent of CPU, ${least} to ${most} watchers`,
      unit: '',
      samples: [exponent('cpu')],
      aim: { atMost: 0.5 },
    },
    {
      name: `growth exponent of bytes, ${least} to ${most} watchers`,
      unit: '',
      samples: [exponent('bytes')],
      aim: { atMost: 1.05 },
    },
  )
  for (const size of [least, most]) {
    measures.push({
      name: `until all rosters are right, ${size} original clients`,
      unit: 's',
      samples: of(size, 'seconds', lists),
      ...(size === most ? { aim: { atMost: 0.7 } } : {}),
    })
  }
  return measures
}

export const presence: Benchmark = {
  name: 'presence',
  about: `${STORM_USERS} users join and then leave, with watchers on two servers, until every watcher's roster is right`,
  run,
}
