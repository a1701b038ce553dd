/** The cluster status in a simulated mesh: what one server collects from all. */
import { expect, test } from 'vitest'
import { type ClusterStatus, clusterStatusSchema } from '../../src/protocol/status.ts'
import { type SimClient, SimMesh, type SimServer } from '../support/simulation/sim-mesh.ts'

/** Asks at the client's server; the answers come with time. */
function ask(client: SimClient): unknown[] {
  const answers: unknown[] = []
  if (client.connection === undefined) throw new Error(`${client.name} is not connected`)
  const { server, connection } = client.connection
  const call = server.registerCall((_, payload) => {
    answers.push(payload)
    return { type: 'tick' }
  })
  server.step({ type: 'survey', connection, call })
  return answers
}

/** A mesh of three, with Anna twice and Billy, who chat. */
function three() {
  const mesh = new SimMesh(7, 3)
  const [one, two, other] = mesh.servers
  if (one === undefined || two === undefined || other === undefined) throw new Error('three')
  const anna = mesh.join('anna', 'Anna', one)
  mesh.join('anna again', 'Anna', one)
  const billy = mesh.join('billy', 'Billy', two)
  mesh.advance(10_000)
  return { mesh, one, two, three: other, anna, billy }
}

function survey(answers: readonly unknown[]): ClusterStatus {
  expect(answers).toHaveLength(1)
  return clusterStatusSchema.parse(answers[0])
}
const statusOf = (told: ClusterStatus, { id }: SimServer) => told.servers.find(one => one.id === id)?.status

test('who asks one server is told of all, from each what it knows itself', () => {
  const { mesh, one, two, three: other, anna } = three()
  mesh.send(anna, 'Billy', 'hi')
  mesh.send(anna, 'Billy', 'are you there?')
  mesh.advance(2_000)
  const answers = ask(anna)
  mesh.advance(500)
  const told = survey(answers)
  expect(told.server).toBe('server-1')
  expect(told.servers.map(({ id, url }) => [id, url])).toEqual(mesh.servers.map(({ id, url }) => [id, url]))
  const rest = { online: 2, draining: false, slow: 0, refused: 0 }
  // Anna sees her own on both of her connections.
  expect(statusOf(told, one)).toMatchObject({ ...rest, users: 1, connections: 2, accepted: 2, forwarded: 0 })
  expect(statusOf(told, one)?.delivered).toBe(4)
  expect(statusOf(told, two)).toMatchObject({ ...rest, users: 1, connections: 1, accepted: 0, forwarded: 2 })
  expect(statusOf(told, two)?.delivered).toBe(2)
  expect(statusOf(told, other)).toMatchObject({ ...rest, users: 0, connections: 0, delivered: 0, forwarded: 0 })
  for (const server of mesh.servers) {
    const status = statusOf(told, server)
    expect(status?.uptime).toBeGreaterThan(11_000)
    expect(status?.uptime).toBeLessThan(12_600)
    expect(status?.links.map(({ peer }) => peer)).toEqual(
      mesh.servers.map(({ id }) => id).filter(id => id !== server.id),
    )
    for (const link of status?.links ?? []) {
      expect(link).toMatchObject({ outbound: 'open', inbound: true, held: 0 })
      expect(link.users).toBe(link.peer === 'server-3' ? 0 : 1)
      // There and back, 1 to 31 ms each.
      expect(link.rtt).toBeGreaterThan(2)
      expect(link.rtt).toBeLessThan(70)
    }
  }
})

test('who does not answer in a second has no status, and the others are told all the same', () => {
  const { mesh, two, three: other, anna } = three()
  const before = ask(anna)
  mesh.advance(1_000)
  expect(statusOf(survey(before), two)).toBeDefined()
  mesh.freeze(two)
  const answers = ask(anna)
  mesh.advance(900)
  expect(answers).toEqual([])
  mesh.advance(200)
  const told = survey(answers)
  expect(told.servers.map(({ id }) => id)).toEqual(['server-1', 'server-2', 'server-3'])
  expect(statusOf(told, two)).toBeUndefined()
  expect(statusOf(told, other)).toBeDefined()
  // What it says too late, is no answer to the next question.
  mesh.thaw(two)
  mesh.advance(3_000)
  const again = ask(anna)
  mesh.advance(1_100)
  expect(statusOf(survey(again), two)?.server).toBe('server-2')
})

test('a server that is gone is told of by its links; nobody waits for it', () => {
  const { mesh, one, two, anna } = three()
  mesh.crash(two)
  mesh.advance(1_000)
  mesh.send(anna, 'Billy', 'are you there?')
  mesh.advance(100)
  const answers = ask(anna)
  mesh.advance(200)
  const told = survey(answers)
  expect(statusOf(told, two)).toBeUndefined()
  const link = statusOf(told, one)?.links.find(({ peer }) => peer === 'server-2')
  expect(link).toMatchObject({ inbound: false, users: 1, held: 1 })
  expect(link?.outbound).not.toBe('open')
  expect(link).not.toHaveProperty('rtt')
})

test('who asks within half a second of another shares the survey', () => {
  const { mesh, one, anna } = three()
  const dora = mesh.join('dora', 'Dora', one)
  mesh.advance(1_000)
  const first = ask(anna)
  mesh.advance(200)
  const second = ask(dora)
  mesh.advance(50)
  expect(second[0]).toBe(first[0])
  mesh.advance(1_000)
  const third = ask(dora)
  mesh.advance(300)
  expect(survey(third)).not.toEqual(first[0])
})
