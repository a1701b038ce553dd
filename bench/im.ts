import { Confirmations } from '../src/client/confirmations.ts'
import { lostAfterStart } from './support/just-started.ts'
import { RawClient } from './support/raw-client.ts'
import { type Benchmark, type Measure, quantile } from './support/report.ts'
import { hasRedis, type System, sleep, startMesh, startRedisChat, until } from './support/servers.ts'

const PAIRS = 50
/** Messages of a pair on their way at once, when saturated. */
const WINDOW = 40
/** Fills the text up to 100 bytes; in front of it stands which message it is. */
const FILLER = 'x'.repeat(80)
/** One sender on the first server, one recipient on the second. */
interface Pair {
  sender: RawClient
  recipient: RawClient
  sent: number
  delivered: number
  echoed: number
  acknowledged: number
  /** When messages that have not arrived were sent, oldest first. */
  sentAt: number[]
}

interface Load {
  system: System
  pairs: Pair[]
  latencies: number[]
  /** Called at each delivery. */
  onDelivered: (pair: Pair) => void
}

/** How often `needle` stands in `text`. */
function count(text: string, needle: string): number {
  let found = 0
  for (let at = text.indexOf(needle); at >= 0; at = text.indexOf(needle, at + needle.length)) found++
  return found
}

/** Connects everyone, one client per user. */
async function connectPairs(system: System): Promise<Load> {
  const protocol2 = system.name === 'mesh-chat'
  const [first = 0, second = 0] = system.ports
  const load: Load = { system, pairs: [], latencies: [], onDelivered: () => {} }
  for (let n = 0; n < PAIRS; n++) {
    const [sender, recipient] = await Promise.all([RawClient.open(first), RawClient.open(second)])
    const pair: Pair = { sender, recipient, sent: 0, delivered: 0, echoed: 0, acknowledged: 0, sentAt: [] }
    let identified = 0
    for (const [client, user] of [
      [sender, `sender-${n}`],
      [recipient, `recipient-${n}`],
    ] as const) {
      // As the product's client does.
      const confirmations = new Confirmations()
      let confirming: NodeJS.Timeout | undefined
      let confirmingAt = Number.POSITIVE_INFINITY
      const confirm = () => {
        const count = confirmations.take(performance.now())
        if (count !== undefined) client.send(`2["got",${count}]`)
        confirmingAt = Number.POSITIVE_INFINITY
        confirmSoon()
      }
      const confirmSoon = () => {
        if (confirmations.due >= confirmingAt) return
        clearTimeout(confirming)
        confirmingAt = confirmations.due
        confirming = setTimeout(confirm, Math.max(0, Math.ceil(confirmingAt - performance.now())))
      }
      client.onPacket = packet => {
        if (packet.startsWith('43', 0) || packet[0] === '3') {
          if (packet.startsWith('30[')) identified++
          else if (packet.includes('"delivered":1}')) pair.acknowledged++
          else throw new Error(`${system.name}: ${packet}`)
          return
        }
        const messages = packet.startsWith('2["im"') ? count(packet, '"text":') : 0
        if (messages === 0) return
        if (client === sender) pair.echoed += messages
        else {
          const now = performance.now()
          for (let m = 0; m < messages; m++) {
            pair.delivered++
            load.latencies.push(now - (pair.sentAt.shift() ?? now))
            load.onDelivered(pair)
          }
        }
        if (!protocol2) return
        for (let m = 0; m < messages; m++) confirmations.receive(client === sender, performance.now())
        confirmSoon()
      }
      client.send(`20["identify",${JSON.stringify(protocol2 ? { user, client: 'bench/1', protocol: 2 } : user)}]`)
    }
    await until('identification', () => identified === 2)
    load.pairs.push(pair)
  }
  await sleep(500)
  return load
}

let numbers = 1
function send(pair: Pair, n: number, protocol2: boolean): void {
  pair.sent++
  pair.sentAt.push(performance.now())
  const text = `message ${pair.sent} ${FILLER}`.slice(0, 100)
  const message = `"to":"recipient-${n}","text":"${text}"`
  if (!protocol2) return pair.sender.send(`2["im",{${message}}]`)
  const number = ++numbers
  pair.sender.send(`2${number}["im",{"id":"bench-run-of-today.${number.toString(36)}","at":${Date.now()},${message}}]`)
}

/** So many messages as fast as they go; answers with CPU s of all servers per 100,000, and the rate per second. */
async function saturate(load: Load, messages: number): Promise<{ cpu: number; rate: number }> {
  const { system, pairs } = load
  const protocol2 = system.name === 'mesh-chat'
  const target = Math.ceil(messages / PAIRS)
  const goals = pairs.map(pair => pair.sent + target)
  const numberOf = new Map(pairs.map((pair, n) => [pair, n]))
  load.onDelivered = pair => {
    const n = numberOf.get(pair) ?? 0
    if (pair.sent < (goals[n] ?? 0)) send(pair, n, protocol2)
  }
  const cpu = await system.cpu()
  const since = performance.now()
  for (const [n, pair] of pairs.entries()) for (let w = 0; w < Math.min(WINDOW, target); w++) send(pair, n, protocol2)
  await until('all messages', () => pairs.every(pair => pair.delivered === pair.sent), 120_000)
  const seconds = (performance.now() - since) / 1000
  await settled(load)
  const spent = (await system.cpu()) - cpu
  return { cpu: (spent / 1000 / (target * PAIRS)) * 100_000, rate: (target * PAIRS) / seconds }
}

/** Every message delivered once and echoed once, and in this product confirmed. */
async function settled({ pairs, system }: Load): Promise<void> {
  const whole = ({ sent, delivered, echoed, acknowledged }: Pair) =>
    delivered === sent && echoed === sent && (system.name !== 'mesh-chat' || acknowledged === sent)
  await until(`every message at ${system.name}`, () => pairs.every(whole), 10_000)
}

/** 2,000 messages a second for a while. */
async function paced(load: Load, seconds: number): Promise<{ cpu: number; p50: number; p99: number }> {
  const { system, pairs } = load
  load.onDelivered = () => {}
  load.latencies = []
  const cpu = await system.cpu()
  const since = performance.now()
  let sent = 0
  await new Promise<void>(resolve => {
    const tick = () => {
      const elapsed = performance.now() - since
      for (; sent < elapsed * 2; sent++) {
        const n = sent % PAIRS
        const pair = pairs[n]
        if (pair !== undefined) send(pair, n, system.name === 'mesh-chat')
      }
      if (elapsed < seconds * 1000) setTimeout(tick, 1)
      else resolve()
    }
    tick()
  })
  await settled(load)
  const spent = (await system.cpu()) - cpu
  const [p50, p99] = [quantile(load.latencies, 0.5), quantile(load.latencies, 0.99)]
  return { cpu: (spent / 1000 / sent) * 100_000, p50, p99 }
}

async function run(small: boolean): Promise<Measure[]> {
  const [rounds, messages, seconds] = small ? [1, 2_000, 1] : [5, 60_000, 4]
  const redis = hasRedis()
  if (!redis) console.log('Skipped: the Redis yardstick; there is no redis-server (apt-get install -y redis-server).')
  const systems = [await startMesh(2), ...(redis ? [await startRedisChat(2)] : [])]
  const loads: Load[] = []
  for (const system of systems) loads.push(await connectPairs(system))
  // Warms up, and is not counted.
  for (const load of loads) {
    await saturate(load, small ? 1_000 : 40_000)
    await paced(load, small ? 0.2 : seconds)
  }
  const found = loads.map(() => ({ cpu: [], rate: [], pacedCpu: [], p50: [], p99: [] }) as Record<string, number[]>)
  for (let round = 0; round < rounds; round++) {
    for (const [at, load] of loads.entries()) {
      const fast = await saturate(load, messages)
      const slow = await paced(load, seconds)
      const values = { cpu: fast.cpu, rate: fast.rate, pacedCpu: slow.cpu, p50: slow.p50, p99: slow.p99 }
      for (const [name, value] of Object.entries(values)) found[at]?.[name]?.push(value)
    }
  }
  for (const system of systems) system.stop()
  const lost: number[] = []
  for (let round = 0; round < rounds; round++) lost.push(await lostAfterStart(PAIRS))
  const [own, other] = found
  const measure = (name: string, unit: string, key: string, aim: Measure['aim']): Measure => {
    const samples = other?.[key]
    return {
      name,
      unit,
      samples: own?.[key] ?? [],
      ...(samples === undefined ? {} : { yardstick: { name: 'Redis adapter', samples }, aim: aim ?? { atMost: 1 } }),
    }
  }
  return [
    measure('CPU of all servers, saturated', 's/100,000', 'cpu', { atMost: 0.3 }),
    measure('rate, saturated', '/s', 'rate', { atLeast: 3 }),
    measure('CPU of all servers, 2,000/s', 's/100,000', 'pacedCpu', { atMost: 0.8 }),
    measure('delivery, 2,000/s, p50', 'ms', 'p50', { atMost: 0.75 }),
    measure('delivery, 2,000/s, p99', 'ms', 'p99', { atMost: 1 }),
    { name: `lost of ${PAIRS}, sent to servers that just started`, unit: '', samples: lost, aim: { atMost: 0 } },
  ]
}

export const im: Benchmark = {
  name: 'im',
  about: `messages of 100 bytes from ${PAIRS} senders on one server to ${PAIRS} recipients on another, each echoed to its sender; mesh-chat with confirmations and acknowledgements`,
  run,
}
