/** The load generator of the benchmarks that send messages: pairs of a sender and a recipient. */
import { Confirmer, OWN_COPY_DELAY_MS } from './confirmer.ts'
import { RawClient } from './raw-client.ts'
import { quantile } from './report.ts'
import { type System, sleep, until } from './servers.ts'

export const PAIRS = 50
/** Messages of a pair in flight at the same time, at full speed. */
const IN_FLIGHT_PER_PAIR = 40
/** Fills the text up to 100 bytes, after the number of the message. */
const FILLER = 'x'.repeat(80)

interface Pair {
  sender: RawClient
  recipient: RawClient
  sent: number
  delivered: number
  echoed: number
  acknowledged: number
  /** Send times of the messages that are not delivered yet, oldest first. */
  sentAt: number[]
}

export interface Load {
  system: System
  pairs: Pair[]
  latencies: number[]
  /** Called at each delivery. */
  onDelivered: (pair: Pair) => void
}

/** Number of occurrences of `needle` in `text`. */
function countOccurrences(text: string, needle: string): number {
  let found = 0
  for (let at = text.indexOf(needle); at >= 0; at = text.indexOf(needle, at + needle.length)) found++
  return found
}

/**
 * Connects one client per user. Resolves when all are identified.
 * @param open connects the sender and the recipient of a pair
 */
export async function connectPairs(
  system: System,
  open: (pair: number) => Promise<readonly [sender: RawClient, recipient: RawClient]>,
): Promise<Load> {
  const protocol2 = system.name === 'mesh-chat'
  const load: Load = { system, pairs: [], latencies: [], onDelivered: () => {} }
  for (let n = 0; n < PAIRS; n++) {
    const [sender, recipient] = await open(n)
    const pair: Pair = { sender, recipient, sent: 0, delivered: 0, echoed: 0, acknowledged: 0, sentAt: [] }
    let identified = 0
    for (const [client, user] of [
      [sender, `sender-${n}`],
      [recipient, `recipient-${n}`],
    ] as const) {
      const confirmer = new Confirmer(client)
      client.onPacket = packet => {
        if (packet.startsWith('43', 0) || packet[0] === '3') {
          if (packet.startsWith('30[')) identified++
          else if (packet.includes('"delivered":1}')) pair.acknowledged++
          else throw new Error(`${system.name}: ${packet}`)
          return
        }
        const messages = packet.startsWith('2["im"') ? countOccurrences(packet, '"text":') : 0
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
        for (let m = 0; m < messages; m++) confirmer.receive(client === sender ? OWN_COPY_DELAY_MS : undefined)
      }
      client.send(`20["identify",${JSON.stringify(protocol2 ? { user, client: 'bench/1', protocol: 2 } : user)}]`)
    }
    await until('both users are identified', () => identified === 2)
    load.pairs.push(pair)
  }
  return load
}

let lastMessageNumber = 1
/** Sends the next message of pair `n`. */
function send(pair: Pair, n: number, protocol2: boolean): void {
  pair.sent++
  pair.sentAt.push(performance.now())
  const text = `message ${pair.sent} ${FILLER}`.slice(0, 100)
  const message = `"to":"recipient-${n}","text":"${text}"`
  if (!protocol2) return pair.sender.send(`2["im",{${message}}]`)
  const number = ++lastMessageNumber
  pair.sender.send(`2${number}["im",{"id":"bench-run-of-today.${number.toString(36)}","at":${Date.now()},${message}}]`)
}

/** Sends messages at full speed. Returns the CPU time of all servers, s per 100,000 messages, and the rate per second. */
export async function saturate(load: Load, messages: number): Promise<{ cpu: number; rate: number }> {
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
  for (const [n, pair] of pairs.entries())
    for (let w = 0; w < Math.min(IN_FLIGHT_PER_PAIR, target); w++) send(pair, n, protocol2)
  await until('all messages are delivered', () => pairs.every(pair => pair.delivered === pair.sent), 120_000)
  const seconds = (performance.now() - since) / 1000
  await waitUntilSettled(load)
  const spent = (await system.cpu()) - cpu
  return { cpu: (spent / 1000 / (target * PAIRS)) * 100_000, rate: (target * PAIRS) / seconds }
}

/** Waits until every message is delivered once and echoed once, and with mesh-chat also acknowledged. */
async function waitUntilSettled({ pairs, system }: Load): Promise<void> {
  const isComplete = ({ sent, delivered, echoed, acknowledged }: Pair) =>
    delivered === sent && echoed === sent && (system.name !== 'mesh-chat' || acknowledged === sent)
  await until(`all messages of ${system.name} are settled`, () => pairs.every(isComplete), 10_000)
}

/** Sends 2,000 messages per second. CPU is in s per 100,000 messages, latencies in ms. */
export async function sendPaced(load: Load, seconds: number): Promise<{ cpu: number; p50: number; p99: number }> {
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
  await waitUntilSettled(load)
  const spent = (await system.cpu()) - cpu
  const [p50, p99] = [quantile(load.latencies, 0.5), quantile(load.latencies, 0.99)]
  return { cpu: (spent / 1000 / sent) * 100_000, p50, p99 }
}

/** Connects each sender to the first server, its recipient to the second. */
export async function connectAcross(system: System): Promise<Load> {
  const [first = 0, second = 0] = system.ports
  const load = await connectPairs(system, () => Promise.all([RawClient.open(first), RawClient.open(second)]))
  await sleep(500)
  return load
}
