/** One who floods, and one who does not read, a client or a peer: cut off or read slowly, and nobody else notices. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Socket } from 'socket.io'
import { afterAll, expect, test } from 'vitest'
import { Backpressure } from '../../daemon/transport/backpressure.ts'
import { DEFAULT_LIMITS } from '../../src/protocol/limits.ts'
import { FakePeer } from '../support/attacks/fake-peer.ts'
import { FloodingClient } from '../support/attacks/flooding-client.ts'
import { freePorts, Program, stopAll, temporaryFolder, until } from '../support/programs/processes.ts'
import { RealClient } from '../support/programs/real-client.ts'
import { RealMesh } from '../support/programs/real-mesh.ts'

afterAll(stopAll)

/** How long messages from one to the other take while something goes on, ms, sorted. */
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

test('a flood: told how long to wait, read slowly, and no burden to others', { timeout: 60_000 }, async () => {
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
  // By default 2,000 packets a second are read and 2,000 at once, give or take what one reading of the socket brings.
  const seconds = (performance.now() - since) / 1000
  expect(first?.rateLimitedCount).toBeLessThan(seconds * 2_000 + 2_000 + 3_000)
  for (const [at, flood] of others.entries()) flood.start(at % 2 ? im : ['got', 1])
  await until('it is told to wait', () => /"rate-limited".*"retryAfter":\d+/.test(floods[0]?.received ?? ''))
  // What they may send at once is sent soon; from there on it is the steady flood. The machine does other things too,
  // so the best of some tries counts: a server that is taken up by the flood has no good one.
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

test.each([9, 10] as const)('a flood of WebSocket frames that no packet is in (opcode %d)', async opcode => {
  const mesh = await RealMesh.start(1)
  const { port, program } = mesh.server(1)
  const anna = mesh.join('Anna', 1)
  const flood = new FloodingClient(port, 'Mallory')
  await mesh.waitForRoster(['Anna', 'Mallory'])
  // What it is answered, it does not read.
  flood.pause()
  flood.startControlFrames(opcode)
  await until('it is cut off', () => program.out.includes('User Mallory disconnected.'))
  expect(rssOf(program)).toBeLessThan(200)
  expect(anna.departures.map(({ name }) => name)).not.toContain('Anna')
  flood.close()
  await mesh.close()
})

test('large packets are read no faster than as many bytes in small ones', () => {
  let paused = 0
  const raw = { bufferedAmount: 0, pause: () => paused++, resume: () => {}, terminate: () => {} }
  const engine = { on: () => {}, transport: { socket: raw } } as unknown as Socket['conn']
  const wire = new Backpressure(engine, DEFAULT_LIMITS, { write: () => {}, note: () => {} })
  for (let n = 0; n < 100; n++) wire.countRead(16_384)
  expect(paused).toBe(0)
  for (let n = 0; n < 2; n++) wire.countRead(1_900_000)
  expect(paused).toBe(1)
})

const rssOf = ({ child }: Program) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) / 1024

/** Kernel buffers on loopback hold some megabytes by themselves: a flood of this many, at 16 KiB, is more. */
const FLOOD_MESSAGES = 1_500

test.each([
  { bufferedBytes: 500_000, cut: true },
  { bufferedBytes: 0, cut: false },
])('a client that does not read, bufferedBytes $bufferedBytes', { timeout: 60_000 }, async ({ bufferedBytes, cut }) => {
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
    // The sender reads what comes back to it: it is not to be cut off.
    await until('it has read', () => sender.received() > n - 10)
  }
  if (cut) await until('it is cut off', () => program.out.includes('User Slow disconnected.'))
  expect(program.out.includes('Cut off a client that does not read.')).toBe(cut)
  await latencies(anna, billy, 5)
  slow.close()
  await mesh.close()
})

test.each([
  { linkBufferedBytes: 500_000, cut: true },
  { linkBufferedBytes: 0, cut: false },
])('a peer that does not read, linkBufferedBytes $linkBufferedBytes', { timeout: 60_000 }, async row => {
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
  peer.pause()
  sender.start(['im', { to: 'Faye', text: 'x'.repeat(16_000) }])
  const lost = 'Peer: far disconnected. Will retry automatically.'
  await until('it is cut off', () => program.out.includes(lost))
  // Without a bound it is the missing beats that end it.
  expect(program.out.includes('Cut off a peer that does not read.')).toBe(row.cut)
  sender.close()
  await latencies(anna, billy, 5)
  if (row.cut) expect(rssOf(program)).toBeLessThan(400)
  for (const client of [anna, billy]) client.close()
  program.child.kill('SIGKILL')
  await peer.close()
})
