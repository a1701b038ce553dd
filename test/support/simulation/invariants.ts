import type { Message } from '../../../src/protocol/messages.ts'
import { describeMessage } from './recorder.ts'
import type { SimClient, SimMesh } from './sim-mesh.ts'

/** Everything that must hold once a mesh is healed and quiet; what does not, in sentences. */
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

/** What must hold a few seconds after links broke for a moment: everyone has everything, and nobody was missed. */
export function findLateDeliveries(mesh: SimMesh): string[] {
  const online = mesh.clients.filter(client => client.running)
  const late = [...mesh.recorder.composed.values()].flatMap(({ message }) =>
    online
      .filter(({ user, history }) => (user === message.to || user === message.from) && !history.has(message.id))
      .map(client => `${client.name} waits for ${describeMessage(message)}`),
  )
  return [...wrongRosters(mesh, online), ...late]
}

/** All rosters equal the truth. */
function wrongRosters(mesh: SimMesh, online: readonly SimClient[]): string[] {
  const expected = [...new Set(online.map(client => client.user))].sort().join(', ')
  const wrong = (who: string, roster: readonly string[]) =>
    roster.join(', ') === expected ? [] : [`${who} has the roster [${roster.join(', ')}], the truth is [${expected}]`]
  return [
    ...mesh.servers.filter(({ running }) => running).flatMap(server => wrong(server.id, server.core?.roster ?? [])),
    ...online.flatMap(client => wrong(client.name, client.session?.roster ?? [])),
  ]
}

/** Every client knows how many connections everybody has. */
function wrongConnectionCounts(online: readonly SimClient[]): string[] {
  const expected = new Map<string, number>()
  for (const { user } of online) expected.set(user, (expected.get(user) ?? 0) + 1)
  return online.flatMap(({ name, session }) =>
    [...expected].flatMap(([user, count]) => {
      const known = session?.connectionCounts.get(user) ?? 1
      return known === count ? [] : [`${name} knows ${known} connections of ${user}, there are ${count}`]
    }),
  )
}

/** Every message is held by a client of its recipient, or still by one of its sender; not by both for no reason. */
function lostMessages(mesh: SimMesh): string[] {
  const { recorder, clients } = mesh
  const wrong: string[] = []
  for (const [id, { message }] of recorder.composed) {
    const arrived = clients.some(({ user, history }) => user === message.to && history.has(id))
    const held = clients.filter(({ user, outbox }) => user === message.from && outbox.has(id))
    if (!arrived && held.length === 0) wrong.push(`${describeMessage(message)} is lost`)
    const recipientOnline = clients.some(({ user, running }) => user === message.to && running)
    if (recipientOnline && held.some(({ running }) => running) && !recorder.mayBeRefusedAsAhead(id)) {
      wrong.push(`${describeMessage(message)} still waits though ${message.to} is online`)
    }
  }
  return wrong
}

/** A message is the same wherever it is, and each client has its own in the one order. */
function misorderedMessages(mesh: SimMesh): string[] {
  const wrong: string[] = []
  for (const { name: client, session, history } of mesh.clients) {
    for (const message of history.values()) {
      const first = mesh.recorder.composed.get(message.id)?.message
      if (first === undefined || !isSameMessage(first, message))
        wrong.push(`${client} holds another ${describeMessage(message)}`)
    }
    const messages = session?.messages ?? []
    for (let at = 1; at < messages.length; at++) {
      const [one, other] = [messages[at - 1], messages[at]]
      if (one !== undefined && other !== undefined && !inOrder(one, other)) {
        wrong.push(`${client} has ${describeMessage(other)} in another place`)
      }
    }
    if (session !== undefined && messages.length !== history.size) {
      wrong.push(`${client} shows ${messages.length} messages and has ${history.size} on its disk`)
    }
  }
  return wrong
}

/** The one order of all messages; said here once more, for the core's may be wrong. */
function inOrder(one: Message, other: Message): boolean {
  return one.at < other.at || (one.at === other.at && one.id < other.id)
}

function isSameMessage(one: Message, other: Message): boolean {
  return one.at === other.at && one.from === other.from && one.to === other.to && one.text === other.text
}

/** All of a user's clients that are online hold the same messages. */
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
