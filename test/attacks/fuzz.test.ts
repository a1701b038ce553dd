/** Random and mutated packets to every port: servers stay up, memory stays bounded, and other users chat undisturbed. */
import { readFileSync } from 'node:fs'
import { afterAll, expect, test } from 'vitest'
import { MAX_PACKET_BYTES } from '../../src/protocol/messages.ts'
import { Fuzzer } from '../support/attacks/fuzzer.ts'
import { stopAll, until } from '../support/programs/processes.ts'
import { RealMesh } from '../support/programs/real-mesh.ts'
import { Random } from '../support/random.ts'

const PACKETS = Number(process.env.MESH_CHAT_FUZZ_PACKETS ?? 20_000)
const SEED = Number(process.env.MESH_CHAT_FUZZ_SEED ?? Date.now() % 1_000_000)
const BATCH = 500
const MAX_RSS_MB = 300

function rssMb(pid: number | undefined): number {
  const kb = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kb) / 1024
}

afterAll(stopAll)

test(`servers survive ${PACKETS} hostile packets (seed ${SEED})`, { timeout: 120_000 + PACKETS * 2 }, async () => {
  // With the default limits the fuzzer would only wait.
  const limits = { messagesPerSecond: 5_000, burst: 5_000, peers: 50, wholeRoster: 4 }
  const mesh = await RealMesh.start(2, { limits })
  const fuzzer = new Fuzzer(
    new Random(SEED),
    mesh.servers.map(({ port }) => port),
    '',
  )
  const latencies: number[] = []
  let maxRssMb = 0
  try {
    const anna = mesh.join('Anna', 1)
    const billy = mesh.join('Billy', 2)
    await mesh.waitForRoster(['Anna', 'Billy'])
    const checkDelivery = async (text: string) => {
      anna.send('Billy', text)
      const ms = await until(text, () => billy.shown.some(message => message.text === text))
      latencies.push(ms)
    }
    const check = () => {
      for (const { id, program } of mesh.servers) {
        expect(program.exitStatus, `${id} is up (seed ${SEED}):\n${program.out.slice(-2_000)}`).toBeUndefined()
        maxRssMb = Math.max(maxRssMb, rssMb(program.child.pid))
        program.out = ''
      }
    }
    for (let sent = 0; sent < PACKETS; sent += BATCH) {
      await fuzzer.burst(BATCH)
      await checkDelivery(`after ${sent}, seed ${SEED}`).finally(check)
      billy.shown.length = 0
      anna.shown.length = 0
      if (sent % 50_000 === 0 && sent > 0) console.log(`${sent} packets, RSS at most ${Math.round(maxRssMb)} MB`)
    }
    expect(maxRssMb).toBeLessThan(MAX_RSS_MB)
    await fuzzer.close()
    await checkDelivery('after the fuzzer')
    // The fuzzer's users have left.
    await mesh.waitForRoster(['Anna', 'Billy'])
    check()
    const after = Math.max(...mesh.servers.map(({ program }) => rssMb(program.child.pid)))
    latencies.sort((a, b) => a - b)
    const p99 = latencies[Math.floor(latencies.length * 0.99)]
    if (PACKETS > 20_000) {
      console.log({
        packets: Object.fromEntries(fuzzer.sent),
        rssMb: { max: maxRssMb, after },
        p50Ms: latencies[latencies.length >> 1],
        p99Ms: p99,
        seed: SEED,
      })
    }
  } finally {
    await fuzzer.close()
    await mesh.close()
  }
})

test('packets that are hard to encode again are forwarded or dropped without breaking a link', async () => {
  const mesh = await RealMesh.start(2)
  try {
    const links = () => mesh.servers.map(server => mesh.outboundLinkCount(server)).join()
    const before = links()
    const [anna, billy] = [mesh.join('Anna', 1), mesh.join('Billy', 2)]
    const hostile = (await Promise.all([1, 2].map(n => mesh.connectRaw('Mallory', n))))[0]
    await mesh.waitForRoster(['Anna', 'Billy', 'Mallory'])
    // Nested deeper than a recursive encoder can go; as long as a packet may be, so that the forwarded one would be
    // longer; texts that grow sixfold as JSON.
    const deep = '['.repeat(100_000) + ']'.repeat(100_000)
    hostile?.write(`2["relay",{"body":${deep}}]`)
    hostile?.write(`2["relay",{"body":"${'x'.repeat(MAX_PACKET_BYTES - 30)}"}]`)
    hostile?.write(`2["relay",{"body":"${'\\u0001'.repeat(330_000)}"}]`)
    for (let n = 0; n < 64; n++) anna.send('Billy', '\u0001'.repeat(16 * 1024))
    await until('all messages are delivered', () => billy.shown.length === 64)
    expect(links()).toBe(before)
    expect(mesh.servers.map(({ program }) => program.exitStatus)).toEqual([undefined, undefined])
    mesh.disconnectSockets()
    await mesh.expectConverged(['Anna', 'Billy'])
  } finally {
    await mesh.close()
  }
})
