/** Membership of a simulated mesh: joining through one address, and forgetting servers that are gone. */
import { expect, test } from 'vitest'
import { SimMesh, type SimServer } from '../support/simulation/sim-mesh.ts'

const HOUR = 3_600_000
const roster = (server: SimServer | undefined) => server?.core?.roster

test('a server that knows one address finds all servers, and all servers find it', () => {
  for (let seed = 1; seed <= 30; seed++) {
    // server-1 knows no other server; each of the others knows the address of one.
    const mesh = new SimMesh(seed, 5, {
      initialPeers: ({ id }) => {
        const n = Number(id.slice(-1))
        const seeds = n === 1 ? [] : [`http://server-${1 + ((n * seed) % (n - 1))}:1`]
        return { peers: [], seeds }
      },
    })
    mesh.servers.forEach((server, at) => void mesh.join(`c${at}`, `user ${at}`, server))
    mesh.advance(30_000)
    const all = mesh.servers.map((_, at) => `user ${at}`)
    for (const server of mesh.servers) expect(roster(server), `${server.id}, seed ${seed}`).toEqual(all)
  }
})

test('a seed address whose server is down is retried', () => {
  const mesh = new SimMesh(3, 2, {
    initialPeers: ({ id }) => ({ peers: [], seeds: id === 'server-2' ? ['http://server-1:1'] : [] }),
  })
  const [one, two] = mesh.servers
  if (one === undefined || two === undefined) throw new Error('expected two servers')
  mesh.crash(one)
  mesh.advance(20_000)
  mesh.join('b', 'Billy', two)
  mesh.boot(one)
  mesh.advance(10_000)
  expect(roster(one)).toEqual(['Billy'])
})

test('G6: a server that has links dials a seed until it knows the server there, which may know nothing of it', () => {
  for (let seed = 1; seed <= 10; seed++) {
    // Two groups: only server-2 knows an address of the other one, whose servers start later.
    const seeds = new Map([
      ['server-2', ['http://server-1:1', 'http://server-3:1']],
      ['server-4', ['http://server-3:1']],
    ])
    const mesh = new SimMesh(seed, 4, { initialPeers: ({ id }) => ({ peers: [], seeds: seeds.get(id) ?? [] }) })
    const late = mesh.servers.slice(2)
    for (const server of late) mesh.crash(server)
    mesh.advance(60_000)
    for (const server of late) mesh.boot(server)
    mesh.servers.forEach((server, at) => void mesh.join(`c${at}`, `user ${at}`, server))
    mesh.advance(30_000)
    const all = mesh.servers.map((_, at) => `user ${at}`)
    for (const server of mesh.servers) expect(roster(server), `${server.id}, seed ${seed}`).toEqual(all)
  }
})

test('all servers forget a discovered peer after an hour without it, but never a configured one', () => {
  const mesh = new SimMesh(5, 4, {
    // server-4 joins by an address; the others have each other in their configs.
    initialPeers: ({ id }) => {
      const others = ['server-1', 'server-2', 'server-3'].filter(one => one !== id)
      const peers = others.map(id => ({ id, url: `http://${id}:1` }))
      return id === 'server-4' ? { peers: [], seeds: ['http://server-1:1'] } : { peers, seeds: [] }
    },
  })
  mesh.advance(20_000)
  const [, two, three, four] = mesh.servers
  if (two === undefined || three === undefined || four === undefined) throw new Error('expected four servers')
  const anna = mesh.join('a', 'Anna', three)
  mesh.advance(5_000)
  const known = () =>
    anna.events
      .filter(event => event.type === 'servers')
      .at(-1)
      ?.servers.map(({ id }) => id)
      .sort()
  const reconnect = () => {
    anna.quit()
    mesh.advance(1_000)
    mesh.startClient(anna, three)
    mesh.advance(5_000)
  }
  expect(known()).toEqual(['server-1', 'server-2', 'server-3', 'server-4'])
  mesh.crash(four)
  mesh.crash(two)
  mesh.advance(HOUR / 2)
  // A server that restarts meanwhile does not learn of the dead one again.
  mesh.boot(two)
  mesh.advance(HOUR / 2 - 60_000)
  reconnect()
  expect(known()).toContain('server-4')
  mesh.advance(120_000)
  reconnect()
  expect(known()).toEqual(['server-1', 'server-2', 'server-3'])
  mesh.crash(two)
  mesh.advance(2 * HOUR)
  reconnect()
  expect(known()).toEqual(['server-1', 'server-2', 'server-3'])
  mesh.boot(four)
  mesh.advance(20_000)
  reconnect()
  expect(known()).toContain('server-4')
})
