/** Short scenarios in a simulated mesh of three servers. */
import { describe, expect, test } from 'vitest'
import { type SimClient, SimMesh } from '../support/simulation/sim-mesh.ts'
import { SIMULATION_EPOCH_MS } from '../support/simulation/sim-process.ts'

const texts = (client: SimClient) => (client.session?.messages ?? []).map(message => message.text)
const roster = (client: SimClient) => client.session?.roster

function startMesh(seed = 1) {
  const mesh = new SimMesh(seed, 3)
  const [one, two, three] = mesh.servers
  if (one === undefined || two === undefined || three === undefined) throw new Error('expected three servers')
  return { mesh, one, two, three }
}

describe('a mesh of three', () => {
  test('every client has the sorted roster of the whole mesh, with each name once', () => {
    const { mesh, one, two, three: last } = startMesh()
    const clients = [
      mesh.join('b', 'Billy', last),
      mesh.join('a1', 'Anna', one),
      mesh.join('a2', 'Anna', two),
      mesh.join('z', '__proto__', two),
    ]
    mesh.advance(3_000)
    for (const client of clients) expect(roster(client)).toEqual(['Anna', 'Billy', '__proto__'])
    for (const server of mesh.servers) expect(server.core?.roster).toEqual(['Anna', 'Billy', '__proto__'])
  })

  test('all clients of the recipient and of the sender show a message once, in the same order', () => {
    const { mesh, one, two, three: last } = startMesh()
    const anna = mesh.join('a1', 'Anna', one)
    const annaToo = mesh.join('a2', 'Anna', two)
    const billy = mesh.join('b', 'Billy', last)
    const carla = mesh.join('c', 'Carla', last)
    mesh.advance(3_000)
    mesh.send(billy, 'Anna', 'Hi Anna')
    mesh.advance(1_000)
    mesh.send(annaToo, 'Billy', 'Hi Billy')
    mesh.send(annaToo, 'Anna', 'note to self')
    mesh.advance(1_000)
    for (const client of [anna, annaToo]) {
      expect(texts(client)).toEqual(['Hi Anna', 'Hi Billy', 'note to self'])
      expect(client.shown).toHaveLength(3)
    }
    expect(texts(billy)).toEqual(['Hi Anna', 'Hi Billy'])
    expect(texts(carla)).toEqual([])
    const progress = billy.events.filter(event => event.type === 'progress').at(-1)
    expect(progress).toMatchObject({ progress: { state: 'delivered', connections: 2 } })
  })

  test('a message to an offline user is held by its sender and delivered when they connect', () => {
    const { mesh, one, two } = startMesh()
    const anna = mesh.join('a', 'Anna', one)
    mesh.advance(2_000)
    mesh.send(anna, 'Billy', 'are you there?')
    mesh.advance(10_000)
    expect(anna.session?.pendingMessages).toHaveLength(1)
    const billy = mesh.join('b', 'Billy', two)
    mesh.advance(3_000)
    expect(texts(billy)).toEqual(['are you there?'])
    expect(anna.session?.pendingMessages).toEqual([])
  })

  test('the clients of a killed server reconnect elsewhere within seconds, and its restart brings back no stale user', () => {
    const { mesh, one, two } = startMesh()
    const anna = mesh.join('a', 'Anna', one)
    const billy = mesh.join('b', 'Billy', two)
    mesh.advance(3_000)
    mesh.crash(two)
    mesh.send(anna, 'Billy', 'still there?')
    mesh.advance(12_000)
    expect(billy.connection?.server).not.toBe(two)
    expect(texts(billy)).toEqual(['still there?'])
    mesh.quit(billy)
    mesh.boot(two)
    mesh.advance(12_000)
    for (const server of mesh.servers) expect(server.core?.roster).toEqual(['Anna'])
    expect(anna.session?.pendingMessages).toEqual([])
  })

  test('both sides of a partition keep chatting; after it heals they have one roster, and siblings catch up', () => {
    const { mesh, one, two, three: last } = startMesh()
    const anna = mesh.join('a1', 'Anna', one)
    const annaToo = mesh.join('a2', 'Anna', last)
    const billy = mesh.join('b', 'Billy', one)
    mesh.advance(3_000)
    mesh.cut('server-1', 'server-3')
    mesh.cut('server-2', 'server-3')
    mesh.advance(15_000)
    expect(last.core?.roster).toEqual(['Anna'])
    mesh.send(billy, 'Anna', 'you missed this')
    mesh.advance(5_000)
    expect(texts(anna)).toEqual(['you missed this'])
    expect(texts(annaToo)).toEqual([])
    mesh.heal()
    mesh.advance(20_000)
    for (const server of [one, two, last]) expect(server.core?.roster).toEqual(['Anna', 'Billy'])
    expect(texts(annaToo)).toEqual(['you missed this'])
  })

  test('a roster change lost in a short cut is recovered with the next one', () => {
    const { mesh, one, two } = startMesh()
    mesh.advance(2_000)
    mesh.cut('server-1', 'server-2')
    mesh.join('a', 'Anna', one)
    mesh.advance(300)
    mesh.heal()
    mesh.join('b', 'Billy', one)
    mesh.advance(4_000)
    expect(two.core?.roster).toEqual(['Anna', 'Billy'])
  })

  test("a user's second client catches up with the first", () => {
    const { mesh, one, two } = startMesh()
    const anna = mesh.join('a1', 'Anna', one)
    const billy = mesh.join('b', 'Billy', two)
    mesh.advance(2_000)
    for (let n = 0; n < 300; n++) {
      mesh.send(billy, 'Anna', `message ${n}`)
      mesh.advance(50)
    }
    mesh.advance(5_000)
    const late = mesh.join('a2', 'Anna', two)
    mesh.advance(20_000)
    expect(texts(late)).toEqual(texts(anna))
    expect(late.shown).toHaveLength(300)
  })

  test('clients of one user with many messages of one time end with the same ones, and later messages arrive', () => {
    const { mesh, one, two } = startMesh()
    const anna = mesh.join('a1', 'Anna', one)
    const annaToo = mesh.join('a2', 'Anna', two)
    mesh.advance(2_000)
    for (const client of [anna, annaToo]) mesh.quit(client)
    const at = SIMULATION_EPOCH_MS
    for (let n = 0; n < 900; n++) {
      // Each client has one third alone, and both have one third.
      const holders = n % 3 === 0 ? [anna, annaToo] : n % 3 === 1 ? [anna] : [annaToo]
      for (const { disk } of holders)
        disk.history.set(`${n}`, { id: `${n}`, at, from: 'Billy', to: 'Anna', text: `at once ${n}` })
    }
    anna.start(one)
    annaToo.start(two)
    mesh.advance(30_000)
    expect(texts(anna)).toHaveLength(900)
    expect(texts(annaToo)).toEqual(texts(anna))
    const billy = mesh.join('b', 'Billy', two)
    mesh.advance(3_000)
    mesh.send(billy, 'Anna', 'later')
    mesh.advance(3_000)
    for (const client of [anna, annaToo]) expect(texts(client).at(-1)).toBe('later')
    expect(texts(annaToo)).toEqual(texts(anna))
  })
})

describe('wrong clocks', () => {
  const HOUR_MS = 3_600_000

  /** Anna and Billy answer each other; each answer must arrive at once and sort after its question. */
  function expectChat(mesh: SimMesh, anna: SimClient, billy: SimClient): void {
    const before = texts(anna).length
    for (let n = 0; n < 4; n++) {
      const [author, to] = n % 2 === 0 ? ([anna, 'Billy'] as const) : ([billy, 'Anna'] as const)
      mesh.send(author, to, `${n}`)
      mesh.advance(1_500)
    }
    for (const client of [anna, billy]) {
      expect(texts(client).slice(before)).toEqual(['0', '1', '2', '3'])
      expect(client.outbox.size).toBe(0)
      const error = (client.session?.meshTimeOffset ?? 0) - SIMULATION_EPOCH_MS
      expect(Math.abs(error)).toBeLessThan(1_000)
    }
  }

  test('of three servers one is a day ahead, then an hour behind: all clients have the right time', () => {
    const { mesh, one, three: last } = startMesh()
    one.skew = 23 * HOUR_MS
    const anna = mesh.join('a', 'Anna', one)
    const billy = mesh.join('b', 'Billy', last)
    anna.skew = -5 * HOUR_MS
    mesh.advance(5_000)
    expectChat(mesh, anna, billy)
    one.skew = -HOUR_MS
    mesh.advance(5_000)
    expectChat(mesh, anna, billy)
  })

  test('of two linked servers one steps back an hour: nothing waits', () => {
    const mesh = new SimMesh(1, 2)
    const [one, two] = mesh.servers
    if (one === undefined || two === undefined) throw new Error('expected two servers')
    const [anna, billy] = [mesh.join('a', 'Anna', one), mesh.join('b', 'Billy', two)]
    mesh.advance(5_000)
    for (const server of [one, two]) {
      server.skew = -HOUR_MS
      mesh.advance(2_000)
      expectChat(mesh, anna, billy)
      server.skew = 0
      mesh.advance(5_000)
    }
  })

  test('a server alone steps back an hour: what its clients then write is delivered at once', () => {
    const mesh = new SimMesh(1, 1)
    const [server] = mesh.servers
    if (server === undefined) throw new Error('expected a server')
    server.skew = HOUR_MS
    const [anna, billy] = [mesh.join('a', 'Anna', server), mesh.join('b', 'Billy', server)]
    mesh.advance(3_000)
    mesh.send(anna, 'Billy', 'ahead')
    mesh.advance(1_000)
    server.skew = 0
    mesh.send(billy, 'Anna', 'now')
    mesh.advance(3_000)
    expect([...anna.history.values()].map(({ text }) => text)).toEqual(['ahead', 'now'])
    expect(billy.outbox.size).toBe(0)
  })
})
