/** A mesh of many servers. */
import { expect, test } from 'vitest'
import type { DiallerFrame } from '../../src/protocol/frames.ts'
import { between, pick } from '../support/random.ts'
import { findViolations } from '../support/simulation/invariants.ts'
import { SimMesh } from '../support/simulation/sim-mesh.ts'

/** Lets time pass until `isTrue`. Returns how long it took, ms. */
function advanceUntil(mesh: SimMesh, isTrue: () => boolean, limitMs = 60_000): number {
  const start = mesh.now
  while (!isTrue() && mesh.now - start < limitMs) mesh.advance(250)
  expect(mesh.recorder.problems).toEqual([])
  expect(isTrue()).toBe(true)
  return mesh.now - start
}

/** Whether each running server has links in both directions with all others. */
function isWhole(mesh: SimMesh): boolean {
  const running = mesh.servers.filter(({ running }) => running)
  return running.every(({ core }) => {
    const links = core?.status.links ?? []
    return links.filter(({ outbound, inbound }) => outbound === 'open' && inbound).length === running.length - 1
  })
}

const knowsFirst = ({ id }: { id: string }) => ({ peers: [], seeds: id === 'server-1' ? [] : ['http://server-1:1'] })

test('100 servers become whole, and all rosters are right after 10 of them are killed at once', {
  timeout: 300_000,
}, () => {
  const mesh = new SimMesh(1, 100, { clientsKnowAllServers: true })
  for (let n = 0; n < 50; n++) mesh.join(`c${n}`, `user ${n}`, mesh.servers[2 * n] ?? mesh.servers[0] ?? fail())
  advanceUntil(mesh, () => isWhole(mesh) && findViolations(mesh).length === 0)
  // Five of them have clients.
  for (const [n, server] of mesh.servers.slice(20, 30).entries()) mesh.crash(server, n % 2 === 0 ? 'silent' : 'reset')
  const first = mesh.clients[0] ?? fail()
  for (const to of ['user 10', 'user 12', 'user 49']) mesh.send(first, to, 'hello')
  // The silent ones are detected after 5 s, and their users leave after a grace period of 5 s, unless they are back.
  const ms = advanceUntil(mesh, () => isWhole(mesh) && findViolations(mesh).length === 0)
  expect(ms).toBeLessThan(20_000)
})

test.each([
  ['know each other', undefined],
  ['know one of them', knowsFirst],
] as const)(
  'servers that start together and %s announce no more than twice the square of their number',
  (_, initialPeers) => {
    for (const servers of [10, 20, 40]) {
      let announced = 0
      const onFrame = ({ event, payload }: { event: string; payload: unknown }) => {
        if (event === 'members') announced += (payload as Extract<DiallerFrame, { event: 'members' }>['payload']).length
      }
      const mesh = new SimMesh(servers, servers, { onFrame, ...(initialPeers === undefined ? {} : { initialPeers }) })
      advanceUntil(mesh, () => isWhole(mesh))
      mesh.advance(30_000)
      expect(announced).toBeLessThanOrEqual(2 * servers ** 2)
    }
  },
)

test('a server that joins a whole mesh reads one list of servers, and costs the others nothing', () => {
  let announced = 0
  const onFrame = ({ event, payload }: { event: string; payload: unknown }) => {
    if (event === 'members') announced += (payload as Extract<DiallerFrame, { event: 'members' }>['payload']).length
  }
  const mesh = new SimMesh(3, 20, { onFrame, initialPeers: knowsFirst })
  const last = mesh.servers[19] ?? fail()
  mesh.crash(last)
  advanceUntil(mesh, () => isWhole(mesh))
  mesh.advance(30_000)
  announced = 0
  mesh.boot(last)
  advanceUntil(mesh, () => isWhole(mesh))
  mesh.advance(30_000)
  expect(announced).toBeLessThanOrEqual(40)
})

test('a server that was out of reach for minutes when it was announced is found later', () => {
  const mesh = new SimMesh(4, 3, { initialPeers: knowsFirst })
  const [one, two, three] = mesh.servers
  if (one === undefined || two === undefined || three === undefined) throw new Error('expected three servers')
  mesh.cut(two.id, three.id)
  mesh.advance(300_000)
  expect(isWhole(mesh)).toBe(false)
  mesh.heal()
  advanceUntil(mesh, () => isWhole(mesh), 180_000)
})

test.each(Array.from({ length: 12 }, (_, n) => n + 1))(
  'the invariants hold after faults of a mesh of 24 servers, seed %i',
  { timeout: 300_000 },
  seed => {
    const mesh = new SimMesh(seed, 24, { clientsKnowAllServers: true, events: false })
    const { random } = mesh
    const anyServer = () => pick(random, mesh.servers)
    for (let n = 0; n < 16; n++) mesh.join(`c${n}`, `user ${n % 12}`, anyServer())
    mesh.advance(3_000)
    const faults = [
      () => mesh.crash(anyServer(), pick(random, ['orderly', 'reset', 'silent'])),
      () => mesh.servers.find(({ running }) => !running)?.boot(),
      () => mesh.cut(anyServer().id, anyServer().id),
      () => mesh.heal(),
      () => mesh.freeze(anyServer()),
      () => mesh.thaw(anyServer()),
      () => mesh.send(pick(random, mesh.clients), `user ${between(random, 0, 11)}`, 'hello'),
    ]
    for (let step = 0; step < 60; step++) {
      pick(random, faults)()
      mesh.advance(random() * 1_500)
    }
    mesh.heal()
    for (const server of mesh.servers) {
      mesh.thaw(server)
      if (!server.running) mesh.boot(server)
    }
    advanceUntil(mesh, () => isWhole(mesh) && findViolations(mesh).length === 0, 180_000)
  },
)

function fail(): never {
  throw new Error('there is no such server or client')
}
