/** `auth: key`: a name stays with its key while its server restarts and its user is away. */
import { describe, expect, test } from 'vitest'
import { between, pick } from '../support/random.ts'
import type { SimClient } from '../support/simulation/sim-client.ts'
import { SimMesh, type SimServer } from '../support/simulation/sim-mesh.ts'

const stateOf = (client: SimClient) =>
  client.events.flatMap(event => (event.type === 'connection' ? [event.state] : [])).at(-1)
const wasOnline = (client: SimClient) =>
  client.events.some(event => event.type === 'connection' && event.state.phase === 'online')
const wasRefused = (client: SimClient) =>
  client.events.some(event => event.type === 'connection' && event.state.phase === 'refused')

/** A mesh with a user, and thieves at every server who try to take the user's name all the time. */
function setUp(seed: number, servers = 3, limits = {}) {
  const mesh = new SimMesh(seed, servers, { auth: 'key', clientsKnowAllServers: true, limits })
  const [first] = mesh.servers
  if (first === undefined) throw new Error('no server')
  mesh.advance(3_000)
  const billy = mesh.join('b', 'Billy', first)
  mesh.advance(1_000)
  const thieves = mesh.servers.map((server, n) => mesh.join(`thief ${n}`, 'Billy', server, `thief ${n}`))
  mesh.advance(3_000)
  return { mesh, billy, thieves }
}

/** Waits until a server has drained and exited, then starts it again. */
function restart(mesh: SimMesh, server: SimServer): void {
  server.step({ type: 'drain' })
  mesh.advance(4_000)
  expect(server.running).toBe(false)
  server.boot()
  mesh.advance(5_000)
}

test.each([1, 2, 3])('a drained server does not give its users to thieves (seed %d)', seed => {
  const { mesh, billy, thieves } = setUp(seed)
  for (let round = 0; round < 3; round++) {
    const server = billy.connection?.server
    if (server === undefined) throw new Error('Billy is offline')
    restart(mesh, server)
    expect(stateOf(billy)).toMatchObject({ phase: 'online' })
  }
  expect(thieves.filter(wasOnline)).toEqual([])
  expect(thieves.filter(wasRefused)).toEqual([])
})

test('a name outlives a restart of all servers, one after the other, while its user is away', () => {
  const { mesh, billy, thieves } = setUp(4)
  billy.quit()
  mesh.advance(10_000)
  for (const server of mesh.servers) restart(mesh, server)
  const [, second] = mesh.servers
  if (second === undefined) throw new Error('no server')
  mesh.startClient(billy, second)
  mesh.advance(5_000)
  expect(stateOf(billy)).toMatchObject({ phase: 'online' })
  expect(thieves.filter(thief => stateOf(thief)?.phase === 'online')).toEqual([])
  expect(mesh.servers.map(({ core }) => core?.roster)).toEqual([['Billy'], ['Billy'], ['Billy']])
  // All servers know that it is Billy.
  billy.step({ type: 'request', request: { type: 'compose', to: 'Billy', text: 'to myself' } })
  mesh.advance(3_000)
  expect(billy.session?.pendingMessages).toEqual([])
})

test('a server that starts alone learns the claims of the others, and its thief loses the name', () => {
  const { mesh, billy } = setUp(5)
  const [, second, third] = mesh.servers
  if (second === undefined || third === undefined) throw new Error('no server')
  billy.quit()
  mesh.advance(10_000)
  for (const server of mesh.servers) if (server !== third) mesh.cut(server.id, third.id)
  mesh.crash(third)
  mesh.boot(third)
  const thief = mesh.join('t', 'Billy', third, 'Mallory')
  mesh.advance(5_000)
  expect(wasOnline(thief)).toBe(true)
  mesh.heal()
  mesh.advance(20_000)
  expect(stateOf(thief)).toMatchObject({ phase: 'waiting', code: 'name-taken' })
  mesh.startClient(billy, third)
  mesh.advance(5_000)
  expect(stateOf(billy)).toMatchObject({ phase: 'online' })
})

test.each([1, 2, 3, 4, 5])(
  'A12: the claims of a peer that has just started do not count as those of all (seed %d)',
  seed => {
    const { mesh, billy, thieves } = setUp(400 + seed)
    for (const thief of thieves) thief.quit()
    billy.quit()
    billy.claim = undefined
    mesh.advance(10_000)
    const [one, two, three] = mesh.servers
    if (one === undefined || two === undefined || three === undefined) throw new Error('no server')
    // Two servers start at once; only the third one knows the name, and they reach it later.
    mesh.cut(one.id, three.id)
    mesh.cut(two.id, three.id)
    mesh.crash(one)
    mesh.crash(two)
    mesh.boot(one)
    mesh.boot(two)
    const thief = mesh.join('t', 'Billy', one, 'Mallory')
    mesh.advance(1_000)
    expect(mesh.servers.map(({ core }) => core?.rememberedClaims)).toEqual([0, 0, 1])
    mesh.heal()
    mesh.advance(10_000)
    expect(wasOnline(thief)).toBe(false)
    expect(stateOf(thief)).toMatchObject({ phase: 'waiting', code: 'name-taken' })
  },
)

test('the memory of claims is empty again when they have ended', () => {
  const { mesh, billy, thieves } = setUp(6, 2, { claimMs: 60_000 })
  for (const thief of thieves) thief.quit()
  billy.quit()
  mesh.advance(10_000)
  expect(mesh.servers.map(({ core }) => core?.rememberedClaims)).toEqual([1, 1])
  mesh.advance(130_000)
  expect(mesh.servers.map(({ core }) => core?.rememberedClaims)).toEqual([0, 0])
})

describe('random schedules', () => {
  /** Restarts, crashes and cuts, of one server at a time, while others remember the user. */
  test.each(Array.from({ length: 25 }, (_, seed) => seed))('no thief keeps the name (seed %d)', seed => {
    const { mesh, billy, thieves } = setUp(100 + seed, 3)
    const { random } = mesh
    for (let step = 0; step < 8; step++) {
      const server = pick(random, mesh.servers)
      const action = random()
      if (action < 0.3) restart(mesh, server)
      else if (action < 0.5) {
        mesh.crash(server)
        mesh.advance(between(random, 100, 8_000))
        mesh.boot(server)
      } else if (action < 0.7) {
        for (const other of mesh.servers) if (other !== server) mesh.cut(server.id, other.id)
        mesh.advance(between(random, 100, 20_000))
        mesh.heal()
      } else if (billy.running) {
        billy.quit()
        mesh.advance(between(random, 100, 20_000))
      } else {
        mesh.startClient(billy, server)
        mesh.advance(between(random, 100, 8_000))
      }
      // The links are open again, so that the next server may go.
      mesh.advance(15_000)
      const holders = thieves.filter(thief => stateOf(thief)?.phase === 'online').map(({ name }) => name)
      expect(holders).toEqual([])
      if (billy.running) expect(stateOf(billy)).toMatchObject({ phase: 'online' })
    }
    expect(thieves.filter(wasRefused)).toEqual([])
    expect(mesh.recorder.problems).toEqual([])
  })
})

describe('when all servers are restarted at once', () => {
  /** All servers lose power while Billy is away, and a thief comes first. */
  const loseAllClaims = (mesh: SimMesh) => {
    for (const server of mesh.servers) mesh.crash(server)
    mesh.advance(1_000)
    for (const server of mesh.servers) mesh.boot(server)
    mesh.advance(10_000)
  }
  const start = (seed: number, claimMs?: number) => {
    const set = setUp(seed, 3, claimMs === undefined ? {} : { claimMs })
    // Billy's client has got a ticket of its claim.
    set.mesh.advance(6_000)
    set.billy.quit()
    set.mesh.advance(1_000)
    return set
  }

  test.each([1, 2, 3, 4, 5])('A14, A15: a user who returns with a ticket gets the name back (seed %d)', seed => {
    const { mesh, billy, thieves } = start(200 + seed)
    loseAllClaims(mesh)
    expect(thieves.filter(thief => stateOf(thief)?.phase === 'online')).toHaveLength(1)
    for (const server of mesh.servers) {
      mesh.startClient(billy, server)
      mesh.advance(8_000)
      expect(stateOf(billy)).toMatchObject({ phase: 'online' })
      expect(thieves.filter(thief => stateOf(thief)?.phase === 'online')).toEqual([])
      billy.quit()
      mesh.advance(1_000)
    }
    expect(thieves.filter(wasRefused)).toEqual([])
    expect(mesh.recorder.problems).toEqual([])
  })

  test('A15: a ticket is no longer valid when the claim would have ended', () => {
    const { mesh, billy, thieves } = start(210, 600_000)
    mesh.advance(600_000)
    loseAllClaims(mesh)
    const [first] = mesh.servers
    if (first === undefined) throw new Error('no server')
    mesh.startClient(billy, first)
    mesh.advance(8_000)
    expect(stateOf(billy)).toMatchObject({ phase: 'waiting', code: 'name-taken' })
    expect(thieves.filter(thief => stateOf(thief)?.phase === 'online')).toHaveLength(1)
  })

  test('A16: a client that stays online for days renews its ticket', () => {
    const { mesh, billy, thieves } = setUp(211, 2, { claimMs: 7_200_000 })
    mesh.advance(3 * 7_200_000)
    expect(mesh.now + 1_700_000_000_000 - (billy.claim?.issued ?? 0)).toBeLessThan(31 * 60_000)
    for (const server of mesh.servers) mesh.crash(server)
    billy.kill('orderly')
    mesh.advance(1_000)
    for (const server of mesh.servers) mesh.boot(server)
    mesh.advance(10_000)
    expect(thieves.filter(thief => stateOf(thief)?.phase === 'online')).toHaveLength(1)
    const [first] = mesh.servers
    if (first === undefined) throw new Error('no server')
    mesh.startClient(billy, first)
    mesh.advance(8_000)
    expect(stateOf(billy)).toMatchObject({ phase: 'online' })
  })
})

describe('a server that shuts down', () => {
  test.each([1, 2, 3])(
    'P15: waits for a link, so that a peer that has just started learns its claims (seed %d)',
    seed => {
      const { mesh, billy, thieves } = setUp(300 + seed, 2)
      billy.quit()
      mesh.advance(1_000)
      const [one, two] = mesh.servers
      if (one === undefined || two === undefined) throw new Error('no server')
      // Without a ticket: what counts is what the servers know.
      billy.claim = undefined
      mesh.crash(one)
      mesh.advance(20_000)
      mesh.boot(one)
      two.step({ type: 'drain' })
      mesh.advance(9_000)
      expect(two.running).toBe(false)
      two.boot()
      mesh.advance(10_000)
      expect(thieves.filter(thief => stateOf(thief)?.phase === 'online')).toEqual([])
      mesh.startClient(billy, two)
      mesh.advance(8_000)
      expect(stateOf(billy)).toMatchObject({ phase: 'online' })
    },
  )

  test('P15: exits after 8 s if no peer can be reached', () => {
    const { mesh } = setUp(310, 2)
    const [one, two] = mesh.servers
    if (one === undefined || two === undefined) throw new Error('no server')
    mesh.crash(one)
    mesh.advance(10_000)
    two.step({ type: 'drain' })
    mesh.advance(7_900)
    expect(two.running).toBe(true)
    mesh.advance(200)
    expect(two.running).toBe(false)
  })

  test('P15: sends the claims that it has learned from others since its links are open', () => {
    const { mesh, billy, thieves } = setUp(311, 3)
    for (const thief of thieves) thief.quit()
    billy.quit()
    billy.claim = undefined
    mesh.advance(1_000)
    const [one, two, three] = mesh.servers
    if (one === undefined || two === undefined || three === undefined) throw new Error('no server')
    // The first server knows nothing, and does not meet the third one.
    mesh.cut(one.id, three.id)
    mesh.crash(one)
    mesh.crash(two)
    mesh.boot(one)
    mesh.boot(two)
    mesh.advance(12_000)
    mesh.crash(three)
    two.step({ type: 'drain' })
    mesh.advance(9_000)
    expect(two.running).toBe(false)
    expect(one.core?.rememberedClaims).toBe(1)
  })
})
