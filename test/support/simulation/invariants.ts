/** The invariants of a mesh after all faults. Those that hold at any time are in recorder.ts and sim-client.ts. */
import { toChange } from '../../../src/client/messages/message-changes.ts'
import type { Message } from '../../../src/protocol/messages.ts'
import { isRoom } from '../../../src/protocol/rooms.ts'
import { describeMessage, isRecipientWith } from './recorder.ts'
import type { SimClient, SimMesh } from './sim-mesh.ts'

/** The rooms of the schedules. */
export const ROOMS = ['#one', '#two', '#three']

/** Checks the invariants that must hold once all faults are healed and the mesh is quiet. Returns the violations. */
export function findViolations(mesh: SimMesh): string[] {
  const online = mesh.clients.filter(client => client.running)
  return [
    ...wrongRosters(mesh, online),
    ...wrongConnectionCounts(online),
    ...lostMessages(mesh),
    ...keptCancelledMessages(mesh),
    ...undeletedMessages(mesh),
    ...misorderedMessages(mesh),
    ...differingSiblings(online),
    ...differingRooms(online),
    ...wrongMembers(mesh, online),
    ...differingRoomHistories(online),
    ...differingReceipts(online),
  ]
}

/** Checks a mesh a few seconds after a short break of links: rosters are right, and every message has been delivered. */
export function findLateDeliveries(mesh: SimMesh): string[] {
  const online = mesh.clients.filter(client => client.running)
  const late = [...mesh.recorder.composed.values()].flatMap(({ message }) =>
    online
      .filter(({ user, history }) => (user === message.to || user === message.from) && !history.has(message.id))
      .filter(() => !isRoom(message.to))
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
    ...online.flatMap(client =>
      client.session?.isRosterView === true
        ? wrongView(client, [...new Set(online.map(({ user }) => user))].sort())
        : wrong(client.name, client.session?.roster ?? []),
    ),
  ]
}

/** A view has all online users that the client watches or shows, and no offline user. */
function wrongView({ name, session, watched, showsAfter, showsNames }: SimClient, truth: readonly string[]): string[] {
  const known = session?.roster ?? []
  // A client asks for its part again when it has less than half of it.
  const shown = truth.filter(user => user > showsAfter).slice(0, Math.ceil(showsNames / 2))
  const missing = truth.filter(user => (watched.includes(user) || shown.includes(user)) && !known.includes(user))
  const ghosts = known.filter(user => !truth.includes(user))
  return missing.length + ghosts.length === 0
    ? []
    : [`${name} has the view [${known.join(', ')}]: it lacks [${missing.join(', ')}], and has [${ghosts.join(', ')}]`]
}

/** Every client knows the number of connections of every user. */
function wrongConnectionCounts(online: readonly SimClient[]): string[] {
  const expected = new Map<string, number>()
  for (const { user } of online) expected.set(user, (expected.get(user) ?? 0) + 1)
  return online.flatMap(({ name, session }) =>
    [...expected].flatMap(([user, count]) => {
      if (session?.isRosterView === true && !session.roster.includes(user)) return []
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
    const isDelivered = clients.some(client => isRecipientWith(message, client))
    const holders = clients.filter(({ user, outbox }) => user === message.from && outbox.has(id))
    // Its author has left the room before another member had it, and sees that.
    const authors = clients.filter(({ user }) => user === message.from)
    if (authors.some(({ disk }) => disk.rejected.has(id))) continue
    const hasLeft = isRoom(message.to) && !authors.some(({ running, rooms }) => running && rooms.includes(message.to))
    if (hasLeft && authors.some(({ history }) => history.has(id))) continue
    if (!isDelivered && holders.length === 0 && recorder.mayBeCancelled.has(id)) continue
    if (!isDelivered && holders.length === 0) wrong.push(`${describeMessage(message)} is lost`)
    // A message that no server has accepted is dated again instead.
    const isStuck = ({ running, history }: SimClient) =>
      running && !(history.has(id) && recorder.mayBeRefusedAsAhead(id))
    const canReach = ({ user, running, rooms }: SimClient) =>
      running && (isRoom(message.to) ? user !== message.from && rooms.includes(message.to) : user === message.to)
    // Who has left a room sends nothing to it.
    const maySend = ({ rooms }: SimClient) => !isRoom(message.to) || rooms.includes(message.to)
    if (clients.some(canReach) && holders.some(one => isStuck(one) && maySend(one))) {
      wrong.push(`${describeMessage(message)} is still held though ${message.to} is online`)
    }
  }
  return wrong
}

/** Nobody has a message that was taken back. */
function keptCancelledMessages({ recorder, clients }: SimMesh): string[] {
  return [...recorder.cancelled].flatMap(id =>
    clients
      .filter(({ history, outbox }) => history.has(id) || outbox.has(id))
      .map(({ name }) => `${name} has ${id}, which was taken back`),
  )
}

/**
 * Of a message that was taken back after a server had accepted it, a deletion is composed. A client that is killed at that moment may send
 * it again, and its deletion, too.
 */
function undeletedMessages({ recorder }: SimMesh): string[] {
  const deleted = new Set<string>()
  for (const { message } of recorder.composed.values()) {
    const change = toChange(message)
    if (change?.content.kind === 'delete') deleted.add(change.content.target.id)
  }
  return [...recorder.withdrawn].flatMap(id => (deleted.has(id) ? [] : [`no deletion of ${id}, which was taken back`]))
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
    // Rooms are compared by themselves: a client that does not know of a room yet has none of its messages.
    const messages = (client.session?.messages ?? []).filter(({ to }) => !isRoom(to))
    const ids = messages.map(({ id }) => id).join(' ')
    const first = firsts.get(client.user)
    if (first === undefined) firsts.set(client.user, { client, ids })
    else if (first.ids !== ids) {
      wrong.push(`${first.client.name} and ${client.name} of ${client.user} differ: [${first.ids}] and [${ids}]`)
    }
  }
  return wrong
}

/** All online clients of a user are in the same rooms. */
function differingRooms(online: readonly SimClient[]): string[] {
  const firsts = new Map<string, SimClient>()
  const list = ({ rooms }: SimClient) => [...rooms].sort().join(' ')
  return online.flatMap(client => {
    const first = firsts.get(client.user)
    if (first === undefined) firsts.set(client.user, client)
    if (first === undefined || list(first) === list(client)) return []
    return [`${first.name} is in [${list(first)}], and ${client.name} in [${list(client)}]`]
  })
}

/** Every server, and every client in a room, knows exactly the users that are online and in it. */
function wrongMembers(mesh: SimMesh, online: readonly SimClient[]): string[] {
  const members = new Map<string, Set<string>>()
  for (const { user, rooms } of online) {
    for (const room of rooms) members.set(room, (members.get(room) ?? new Set()).add(user))
  }
  const wrong = (who: string, room: string, known: readonly string[]) => {
    const expected = [...(members.get(room) ?? [])].sort().join(', ')
    return known.join(', ') === expected ? [] : [`${who}: ${room} has [${known.join(', ')}] instead of [${expected}]`]
  }
  // A server of 0.1 knows no rooms, and its clients are in none.
  const servers = mesh.servers.filter(server => server.running && !mesh.isLegacy(server))
  return [
    ...servers.flatMap(({ id, core }) => ROOMS.flatMap(room => wrong(id, room, core?.membersOf(room) ?? []))),
    ...online.flatMap(({ name, session }) =>
      Array.from(session?.rooms ?? [], ([room, known]) => wrong(name, room, known)).flat(),
    ),
  ]
}

/** All online members of a room have the same messages of it. */
function differingRoomHistories(online: readonly SimClient[]): string[] {
  return ROOMS.flatMap(room => {
    const members = online.filter(({ rooms }) => rooms.includes(room))
    const ids = ({ history }: SimClient) =>
      [...history.values()].flatMap(({ id, to }) => (to === room ? [id] : [])).sort()
    const all = new Set(members.flatMap(ids))
    return members.flatMap(client => {
      const missing = [...all].filter(id => !client.history.has(id))
      return missing.length === 0 ? [] : [`${client.name} lacks ${missing.join(' ')} of ${room}`]
    })
  })
}

/** Clients compare the receipts of the latest 200 messages. */
const COMPARED_RECEIPTS = 150

/** All online clients of a user show the same receipts of the latest messages. */
function differingReceipts(online: readonly SimClient[]): string[] {
  const firsts = new Map<string, SimClient>()
  const wrong: string[] = []
  for (const client of online) {
    const first = firsts.get(client.user)
    if (first === undefined) {
      firsts.set(client.user, client)
      continue
    }
    const all = new Map([...first.disk.receipts, ...client.disk.receipts])
    const latest = [...all.values()].sort(([, one], [, other]) => one - other).slice(-COMPARED_RECEIPTS)
    for (const [id] of latest) {
      const [one, other] = [first.disk.receipts.get(id)?.[3], client.disk.receipts.get(id)?.[3]]
      if (one !== other) wrong.push(`${first.name} shows ${id} as delivered to ${one}, and ${client.name} to ${other}`)
    }
  }
  return wrong
}
