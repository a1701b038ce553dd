/** A client that floods is read slowly, a client or a peer that does not read is disconnected; other users notice nothing. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Socket } from 'socket.io'
import { afterAll, expect, test } from 'vitest'
import { Backpressure } from '../../../daemon/transport/backpressure.ts'
import { selfTest } from '../../../daemon/transport/self-test.ts'
import { DEFAULT_LIMITS } from '../../../src/protocol/limits.ts'
import { FakePeer } from '../../support/attacks/fake-peer.ts'
import { FloodingClient } from '../../support/attacks/flooding-client.ts'
import { unlimitedBudget } from '../../support/harness/unlimited-budget.ts'
import { freePorts, Program, stopAll, temporaryFolder, until } from '../../support/programs/processes.ts'
import { RealClient } from '../../support/programs/real-client.ts'
import { RealMesh } from '../../support/programs/real-mesh.ts'

afterAll(stopAll)

/** Latencies of messages from one client to another, ms, sorted. */
async function latencies(from: RealClient, to: RealClient, count: number): Promise<number[]> {
  const times: number[] = []
  for (let n = 0; n < count; n++) {
    const text = `ping ${to.shown.length} ${n}`
    from.send(to.user, text)
    times.push(await until(text, () => to.shown.at(-1)?.text === text))
  }
  return times.sort((a, b) => a - b)
}

const median = (times: number[]) => times[times.length >> 1] ?? 0

test('a client that floods is told when to retry, is read slowly, and does not delay other users', async () => {
  const mesh = await RealMesh.start(2)
  const [anna, billy] = [mesh.join('Anna', 1), mesh.join('Billy', 2)]
  await mesh.waitForRoster(['Anna', 'Billy'])
  const quiet = median(await latencies(anna, billy, 40))
  const floods = Array.from({ length: 10 }, () => new FloodingClient(mesh.server(1).port, 'Mallory'))
  await mesh.waitForRoster(['Anna', 'Billy', 'Mallory'])
  await until('all are identified', () => mesh.server(1).program.out.includes('User: Mallory connected 10 times.'))
  const [first, ...others] = floods
  const im = ['im', { to: 'Nobody', text: 'x' }]
  first?.start(im)
  const since = performance.now()
  await until('3 s have passed', () => performance.now() - since > 3_000)
  // By default 2,000 packets a second are read and a burst of 2,000, plus or minus one read of the socket.
  const seconds = (performance.now() - since) / 1000
  expect(first?.rateLimitedCount).toBeLessThan(seconds * 2_000 + 2_000 + 3_000)
  for (const [at, flood] of others.entries()) flood.start(at % 2 ? im : ['got', 1])
  await until('it is told when to retry', () => /"rate-limited".*"retryAfter":\d+/.test(floods[0]?.received ?? ''))
  // After the burst the flood is steady. Other work on the machine adds latency, so the best of some tries counts: a
  // server that is busy with the flood has no good one.
  let busy = Number.POSITIVE_INFINITY
  for (let tries = 0; tries < 8 && busy > quiet + 50; tries++) {
    busy = Math.min(busy, median(await latencies(anna, billy, 40)))
  }
  if (process.env.MESH_CHAT_ROUNDS !== undefined) console.log({ quietMedianMs: quiet, busyMedianMs: busy })
  expect(busy).toBeLessThanOrEqual(quiet + 50)
  for (const flood of floods) flood.close()
  await mesh.waitForRoster(['Anna', 'Billy'])
  await mesh.close()
})

test.each([9, 10] as const)('a client that floods with control frames is disconnected (opcode %d)', async opcode => {
  const mesh = await RealMesh.start(1)
  const { port, program } = mesh.server(1)
  const anna = mesh.join('Anna', 1)
  const flood = new FloodingClient(port, 'Mallory')
  await mesh.waitForRoster(['Anna', 'Mallory'])
  // It does not read the answers.
  flood.pause()
  flood.startControlFrames(opcode)
  await until('it is disconnected', () => program.out.includes('User Mallory disconnected.'))
  expect(rssOf(program)).toBeLessThan(200)
  expect(anna.departures.map(({ name }) => name)).not.toContain('Anna')
  flood.close()
  await mesh.close()
})

test('a large packet counts as several: bytes are read no faster in large packets', async () => {
  let paused = 0
  const webSocket = { bufferedAmount: 0, pause: () => paused++, resume: () => {}, terminate: () => {} }
  const engine = { on: () => {}, transport: { socket: webSocket } } as unknown as Socket['conn']
  const { features } = await selfTest()
  const log = { write: () => {}, note: () => {} }
  const context = { limits: DEFAULT_LIMITS, log, features, cutOffCounts: { client: 0, peer: 0 } }
  const backpressure = new Backpressure(engine, context, new Set(), unlimitedBudget())
  for (let n = 0; n < 100; n++) backpressure.countRead(16_384)
  expect(paused).toBe(0)
  for (let n = 0; n < 2; n++) backpressure.countRead(1_900_000)
  expect(paused).toBe(1)
})

const rssOf = ({ child }: Program) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) / 1024

/** More than the kernel's buffers on loopback hold (some megabytes), at 16 KiB each. */
const FLOOD_MESSAGES = 1_500

test.each([
  { bufferedBytes: 500_000, cut: true },
  { bufferedBytes: 0, cut: false },
])(
  'a client that does not read is disconnected at bufferedBytes $bufferedBytes: $cut',
  async ({ bufferedBytes, cut }) => {
    const mesh = await RealMesh.start(1, { limits: { bufferedBytes, messagesPerSecond: 0, unconfirmedMessages: 0 } })
    const { program, port } = mesh.server(1)
    const [anna, billy] = [mesh.join('Anna', 1), mesh.join('Billy', 1)]
    const slow = new FloodingClient(port, 'Slow')
    await mesh.waitForRoster(['Anna', 'Billy', 'Slow'])
    slow.pause()
    const sender = await mesh.connectRaw('Sender', 1)
    const packet = `2${JSON.stringify(['im', { id: 'same', at: Date.now(), to: 'Slow', text: 'x'.repeat(16_000) }])}`
    for (let n = 0; n < FLOOD_MESSAGES; n++) {
      sender.write(packet)
      // The sender reads its echoes, so it is not disconnected itself.
      await until('the sender has read', () => sender.received() > n - 10)
    }
    if (cut) await until('it is disconnected', () => program.out.includes('User Slow disconnected.'))
    expect(program.out.includes('Disconnected a slow client: too many unsent bytes.')).toBe(cut)
    await latencies(anna, billy, 5)
    slow.close()
    await mesh.close()
  },
)

test.each([
  { linkBufferedBytes: 500_000, cut: true },
  { linkBufferedBytes: 0, cut: false },
])('a peer that does not read is disconnected at linkBufferedBytes $linkBufferedBytes: $cut', async row => {
  const [port, far] = await freePorts(2)
  const servers = [
    { id: 'server-1', ip: '127.0.0.1', port },
    { id: 'far', ip: '127.0.0.1', port: far },
  ]
  const limits = { linkBufferedBytes: row.linkBufferedBytes, messagesPerSecond: 0 }
  const config = join(temporaryFolder(), 'config.json')
  writeFileSync(config, JSON.stringify({ servers, limits }))
  const program = new Program('daemon', ['--id', 'server-1', '--config', config, '--log-format', 'text'])
  await until('it listens', () => program.out.includes('Listening'))
  const peer = new FakePeer('far')
  await peer.start(far ?? 0, `http://127.0.0.1:${port}`)
  await until('both links are up', () => peer.isLinked)
  const users = [['Faye', 1]]
  peer.send('presence', { type: 'snapshot', incarnation: 'far#1', seq: 1, users, more: false })
  const url = `http://127.0.0.1:${port}`
  const [anna, billy] = [new RealClient('Anna', [url]), new RealClient('Billy', [url])]
  await until('Faye is seen', () => anna.roster.join() === 'Anna,Billy,Faye' && billy.roster.length === 3)
  const sender = new FloodingClient(port ?? 0, 'Sender')
  await until('the sender is seen', () => anna.roster.length === 4)
  // Those of the link that the peer has dialled: its user stays.
  const heartbeats = setInterval(() => peer.send('beat', { incarnation: 'far#1', seq: 1 }), 1_000)
  sender.start(['im', { to: 'Faye', text: 'x'.repeat(16_000) }])
  const tooMuch = 'Disconnected a slow peer: too many unsent bytes.'
  const lost = 'Peer: far disconnected. Will retry automatically.'
  // Where heartbeats end the link before so much waits, as on a busy machine, the next link shows it.
  await until('it is disconnected', () => {
    peer.pause()
    return program.out.includes(row.cut ? tooMuch : lost)
  })
  clearInterval(heartbeats)
  // Without a limit, missing heartbeats end the link.
  expect(program.out.includes(tooMuch)).toBe(row.cut)
  sender.close()
  await latencies(anna, billy, 5)
  if (row.cut) expect(rssOf(program)).toBeLessThan(400)
  for (const client of [anna, billy]) client.close()
  program.child.kill('SIGKILL')
  await peer.close()
})
