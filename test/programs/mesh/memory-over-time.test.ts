/**
 * Servers hold no more after a long time than after a short one, with clients that come, go, send, and are in rooms.
 * `npm run soak:memory` runs it for `MESH_CHAT_MINUTES` with 200 clients.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { grownClasses, type HeapCounts, snapshotEnv, takeHeapSnapshot } from '../../support/programs/heap-snapshot.ts'
import { NatsServer, natsMissingReason } from '../../support/programs/nats-server.ts'
import { stopAll, temporaryFolder, until } from '../../support/programs/processes.ts'
import type { RealClient } from '../../support/programs/real-client.ts'
import { RealMesh } from '../../support/programs/real-mesh.ts'

const minutes = Number(process.env.MESH_CHAT_MINUTES ?? 0)
const isLong = minutes > 0
const CLIENTS = isLong ? 200 : 20
const REGULARS = CLIENTS / 2
/** Changes of clients, messages, joins and parts until the first snapshot, and until the last one. */
const WARM_UP_MS = isLong ? Math.min(7, minutes / 2) * 60_000 : 3_000
const TOTAL_MS = isLong ? minutes * 60_000 : 6_000
const STEP_MS = isLong ? 20 : 10
/** Time without traffic before each snapshot: what servers hold for a while is gone. */
const QUIET_MS = isLong ? 6 * 60_000 : 0
const ROOMS = ['#one', '#two', '#three']
/** Servers remember the messages of the last minutes: only a long run may expect the same number twice. */
const GROWTH = isLong ? { share: 0.05, number: 100 } : { share: 0.5, number: 100 }

afterAll(stopAll)

function randomBelow(end: number): number {
  return Math.floor(Math.random() * end)
}

/** Clients that come, go and write. */
class Traffic {
  readonly #mesh: RealMesh
  readonly #clients: RealClient[] = []
  #guests = 0

  constructor(mesh: RealMesh) {
    this.#mesh = mesh
    for (let n = 0; n < CLIENTS; n++) this.#open(n)
  }

  #open(at: number): void {
    // Half of the users come back: messages to one who does not would wait for ever. The others have a new name each.
    const user = at < REGULARS ? `user-${at}` : `guest-${++this.#guests}`
    const client = this.#mesh.join(user, 1 + (at % this.#mesh.servers.length))
    for (const room of ROOMS) client.joinRoom(room)
    this.#clients[at]?.close()
    this.#clients[at] = client
    // The mesh keeps all clients, with what each was shown.
    this.#mesh.clients.splice(0)
  }

  get #random(): RealClient {
    const client = this.#clients[randomBelow(CLIENTS)]
    if (client === undefined) throw new Error('no client')
    return client
  }

  async run(ms: number): Promise<void> {
    const end = performance.now() + ms
    while (performance.now() < end) {
      const dice = Math.random()
      if (dice < 0.05) this.#open(randomBelow(CLIENTS))
      else if (dice < 0.1) this.#random.partRoom('#three')
      else if (dice < 0.15) this.#random.joinRoom('#three')
      else if (dice < 0.5) this.#random.send('#one', `hello ${dice}`)
      else this.#random.send(`user-${randomBelow(REGULARS)}`, `hi ${dice}`)
      await new Promise(resolve => setTimeout(resolve, STEP_MS))
    }
    for (const client of this.#clients) for (const room of ROOMS) client.joinRoom(room)
    const isSettled = ({ server, rooms, held }: RealClient) =>
      server !== undefined && rooms.size === ROOMS.length && held.length === 0
    await until('all clients are in all rooms, and nothing waits', () => this.#clients.every(isSettled), 60_000)
    await until(
      'everyone knows who is online',
      () => this.#clients.every(({ roster }) => roster.length === CLIENTS),
      60_000,
    )
    await new Promise(resolve => setTimeout(resolve, QUIET_MS))
  }

  close(): void {
    for (const client of this.#clients) client.close()
  }
}

function sumOf(heaps: readonly HeapCounts[]): HeapCounts {
  const counts = new Map<string, number>()
  for (const heap of heaps) for (const [name, count] of heap.counts) counts.set(name, (counts.get(name) ?? 0) + count)
  return { bytes: heaps.reduce((sum, { bytes }) => sum + bytes, 0), counts }
}

const carriers = ['sockets', ...(natsMissingReason === undefined ? ['NATS'] : [])]

test.each(carriers)(
  'servers linked by %s hold no more over time',
  { timeout: TOTAL_MS + 2 * QUIET_MS + 300_000 },
  async carrier => {
    const nats = carrier === 'NATS' ? await NatsServer.start() : undefined
    const folder = temporaryFolder()
    const snapshots = ['server-1', 'server-2'].map(id => join(folder, id))
    for (const one of snapshots) mkdirSync(one)
    const [one = '', two = ''] = snapshots
    const mesh = await RealMesh.start(2, {
      ...(nats === undefined ? {} : { backbone: nats.url }),
      env: { 'server-1': snapshotEnv(one), 'server-2': snapshotEnv(two) },
    })
    const traffic = new Traffic(mesh)
    // Of both servers together: a client whose server was slow may have moved to the other one.
    const take = async () =>
      sumOf(await Promise.all(mesh.servers.map(({ program }, at) => takeHeapSnapshot(program, snapshots[at] ?? ''))))
    try {
      await traffic.run(WARM_UP_MS)
      const before = await take()
      await traffic.run(TOTAL_MS - WARM_UP_MS)
      const after = await take()
      expect(grownClasses(before, after, GROWTH.share, GROWTH.number)).toEqual([])
      if (isLong) expect(after.bytes / before.bytes).toBeLessThan(1.1)
    } finally {
      traffic.close()
      await mesh.close()
      nats?.kill()
    }
  },
)
