/** The invariants of a mesh after all faults. Those that hold at any time are in recorder.ts and sim-client.ts. */
import type { Message } from '../../../src/protocol/messages.ts'
import { describeMessage } from './recorder.ts'
import type { SimClient, SimMesh } from './sim-mesh.ts'

/** Checks the invariants that must hold once all faults are healed and the mesh is quiet. Returns the violations. */
export function findViolations(mesh: SimMesh): string[] {
  const online = mesh.clients.filter(client => client.running)
  return [
    ...wrongRosters(mesh, online),
    ...wrongConnectionCounts(online),
    ...lostMessages(mesh),
    ...misorderedMessages(mesh),
    ...differingSiblings(online),
  ]
}

/** Checks a mesh a few seconds after a short break of links: rosters are right, and every message has been delivered. */
export function findLateDeliveries(mesh: SimMesh): string[] {
  const online = mesh.clients.filter(client => client.running)
  const late = [...mesh.recorder.composed.values()].flatMap(({ message }) =>
    online
      .filter(({ user, history }) => (user === message.to || user === message.from) && !history.has(message.id))
      .map(client => `${client.name} lacks ${describeMessage(message)}`),
  )
  return [...wrongRosters(mesh, online), ...late]
}

/** The roster of every server and client lists exactly the users with a running client. */
function wrongRosters(mesh: SimMesh, online: readonly SimClient[]): string[] {
  const expected = [...new Set(online.map(client => client.user))].sort().join(', ')
  const wrong = (name: string, roster: readonly string[]) =>
    roster.join(', ') === expected ? [] : [`${name} has the roster [${roster.join(', ')}] instead of [${expected}]`]
  return [
    ...mesh.servers.filter(({ running }) => running).flatMap(server => wrong(server.id, server.core?.roster ?? [])),
    ...online.flatMap(client => wrong(client.name, client.session?.roster ?? [])),
  ]
}

/** Every client knows the number of connections of every user. */
function wrongConnectionCounts(online: readonly SimClient[]): string[] {
  const expected = new Map<string, number>()
  for (const { user } of online) expected.set(user, (expected.get(user) ?? 0) + 1)
  return online.flatMap(({ name, session }) =>
    [...expected].flatMap(([user, count]) => {
      const known = session?.connectionCounts.get(user) ?? 1
      return known === count ? [] : [`${name} counts ${known} connections of ${user} instead of ${count}`]
    }),
  )
}

/**
 * Every message is on the disk of a client of its recipient, or still held by a client of its sender. A sender that is
 * online holds no message to a recipient that is online.
 */
function lostMessages(mesh: SimMesh): string[] {
  const { recorder, clients } = mesh
  const wrong: string[] = []
  for (const [id, { message }] of recorder.composed) {
    const isDelivered = clients.some(({ user, history }) => user === message.to && history.has(id))
    const holders = clients.filter(({ user, outbox }) => user === message.from && outbox.has(id))
    if (!isDelivered && holders.length === 0) wrong.push(`${describeMessage(message)} is lost`)
    // A message that no server has accepted is dated again instead.
    const isStuck = ({ running, history }: SimClient) =>
      running && !(history.has(id) && recorder.mayBeRefusedAsAhead(id))
    const recipientOnline = clients.some(({ user, running }) => user === message.to && running)
    if (recipientOnline && holders.some(isStuck)) {
      wrong.push(`${describeMessage(message)} is still held though ${message.to} is online`)
    }
  }
  return wrong
}

/** A message is identical on every client, and every client shows its messages in the global order. */
function misorderedMessages(mesh: SimMesh): string[] {
  const wrong: string[] = []
  for (const { name: client, session, history } of mesh.clients) {
    for (const message of history.values()) {
      const first = mesh.recorder.composed.get(message.id)?.message
      if (first === undefined || !isSameMessage(first, message))
        wrong.push(`${client} has a different ${describeMessage(message)}`)
    }
    const messages = session?.messages ?? []
    for (let at = 1; at < messages.length; at++) {
      const [one, other] = [messages[at - 1], messages[at]]
      if (one !== undefined && other !== undefined && !inOrder(one, other)) {
        wrong.push(`${client} shows ${describeMessage(other)} out of order`)
      }
    }
    if (session !== undefined && messages.length !== history.size) {
      wrong.push(`${client} shows ${messages.length} messages but has ${history.size} on disk`)
    }
  }
  return wrong
}

/** The global order of messages. Written again here, because the core's own comparison is under test. */
function inOrder(one: Message, other: Message): boolean {
  return one.at < other.at || (one.at === other.at && one.id < other.id)
}

function isSameMessage(one: Message, other: Message): boolean {
  return one.at === other.at && one.from === other.from && one.to === other.to && one.text === other.text
}

/** All online clients of a user have the same messages. */
function differingSiblings(online: readonly SimClient[]): string[] {
  const firsts = new Map<string, { client: SimClient; ids: string }>()
  const wrong: string[] = []
  for (const client of online) {
    const ids = (client.session?.messages ?? []).map(({ id }) => id).join(' ')
    const first = firsts.get(client.user)
    if (first === undefined) firsts.set(client.user, { client, ids })
    else if (first.ids !== ids) {
      wrong.push(`${first.client.name} and ${client.name} of ${client.user} differ: [${first.ids}] and [${ids}]`)
    }
  }
  return wrong
}
