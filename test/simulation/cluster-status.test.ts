/** The cluster status in a simulated mesh: what one server collects from all. */
import { expect, test } from 'vitest'
import { type ClusterStatus, clusterStatusSchema } from '../../src/protocol/status.ts'
import { type SimClient, SimMesh, type SimServer } from '../support/simulation/sim-mesh.ts'

/** Requests the cluster status at the client's server. Returns the list that the answers are added to. */
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

/** A mesh of three servers with two clients of Anna and one of Billy. */
function startMesh() {
  const mesh = new SimMesh(7, 3)
  const [one, two, other] = mesh.servers
  if (one === undefined || two === undefined || other === undefined) throw new Error('expected three servers')
  const anna = mesh.join('anna', 'Anna', one)
  mesh.join('anna-2', 'Anna', one)
  const billy = mesh.join('billy', 'Billy', two)
  mesh.advance(10_000)
  return { mesh, one, two, three: other, anna, billy }
}

/** The one answer so far. */
function onlyAnswer(answers: readonly unknown[]): ClusterStatus {
  expect(answers).toHaveLength(1)
  return clusterStatusSchema.parse(answers[0])
}
const statusOf = (clusterStatus: ClusterStatus, { id }: SimServer) =>
  clusterStatus.servers.find(one => one.id === id)?.status

test('one server answers with the status of all servers, each counted by that server itself', () => {
  const { mesh, one, two, three: other, anna } = startMesh()
  mesh.send(anna, 'Billy', 'hi')
  mesh.send(anna, 'Billy', 'are you there?')
  mesh.advance(2_000)
  const answers = ask(anna)
  mesh.advance(500)
  const answer = onlyAnswer(answers)
  expect(answer.server).toBe('server-1')
  expect(answer.servers.map(({ id, url }) => [id, url])).toEqual(mesh.servers.map(({ id, url }) => [id, url]))
  const rest = { online: 2, draining: false, slow: 0, refused: 0 }
  // Each message is also echoed to both of Anna's connections.
  expect(statusOf(answer, one)).toMatchObject({ ...rest, users: 1, connections: 2, accepted: 2, forwarded: 0 })
  expect(statusOf(answer, one)?.delivered).toBe(4)
  expect(statusOf(answer, two)).toMatchObject({ ...rest, users: 1, connections: 1, accepted: 0, forwarded: 2 })
  expect(statusOf(answer, two)?.delivered).toBe(2)
  expect(statusOf(answer, other)).toMatchObject({ ...rest, users: 0, connections: 0, delivered: 0, forwarded: 0 })
  for (const server of mesh.servers) {
    const status = statusOf(answer, server)
    expect(status?.uptime).toBeGreaterThan(11_000)
    expect(status?.uptime).toBeLessThan(12_600)
    expect(status?.links.map(({ peer }) => peer)).toEqual(
      mesh.servers.map(({ id }) => id).filter(id => id !== server.id),
    )
    for (const link of status?.links ?? []) {
      expect(link).toMatchObject({ outbound: 'open', inbound: true, held: 0 })
      expect(link.users).toBe(link.peer === 'server-3' ? 0 : 1)
      // One way takes 1 to 31 ms.
      expect(link.rtt).toBeGreaterThan(2)
      expect(link.rtt).toBeLessThan(70)
    }
  }
})

test('a server that does not answer within a second has no status, and the others have theirs', () => {
  const { mesh, two, three: other, anna } = startMesh()
  const before = ask(anna)
  mesh.advance(1_000)
  expect(statusOf(onlyAnswer(before), two)).toBeDefined()
  mesh.freeze(two)
  const answers = ask(anna)
  mesh.advance(900)
  expect(answers).toEqual([])
  mesh.advance(200)
  const answer = onlyAnswer(answers)
  expect(answer.servers.map(({ id }) => id)).toEqual(['server-1', 'server-2', 'server-3'])
  expect(statusOf(answer, two)).toBeUndefined()
  expect(statusOf(answer, other)).toBeDefined()
  // The late answer does not count for the next request.
  mesh.thaw(two)
  mesh.advance(3_000)
  const again = ask(anna)
  mesh.advance(1_100)
  expect(statusOf(onlyAnswer(again), two)?.server).toBe('server-2')
})

test('a dead server is listed through the links to it, and the answer does not wait for it', () => {
  const { mesh, one, two, anna } = startMesh()
  mesh.crash(two)
  mesh.advance(1_000)
  mesh.send(anna, 'Billy', 'are you there?')
  mesh.advance(100)
  const answers = ask(anna)
  mesh.advance(200)
  const answer = onlyAnswer(answers)
  expect(statusOf(answer, two)).toBeUndefined()
  const link = statusOf(answer, one)?.links.find(({ peer }) => peer === 'server-2')
  expect(link).toMatchObject({ inbound: false, users: 1, held: 1 })
  expect(link?.outbound).not.toBe('open')
  expect(link).not.toHaveProperty('rtt')
})

test('a request within half a second of another gets the same answer', () => {
  const { mesh, one, anna } = startMesh()
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
  expect(onlyAnswer(third)).not.toEqual(first[0])
})
