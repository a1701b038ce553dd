import { type LinkStatus, MAX_LINKS, MAX_TOP_ROOMS, type ServerStatus } from '../protocol/status.ts'
import type { Connection } from './clients/connection.ts'
import type { RosterViews } from './clients/roster-views.ts'
import type { Context } from './context.ts'
import type { Peer } from './peers/peer.ts'
import type { Rooms } from './rooms/rooms.ts'

/** A connection with more unconfirmed messages than this is a slow consumer. In a large room clients confirm 128 at a time (J9). */
const SLOW_UNCONFIRMED = 256

/** The status of this server. O(connections + rooms), because it counts the slow consumers and memberships. */
export function statusOf(
  context: Context,
  {
    connections,
    rooms,
    rosterViews,
  }: { connections: ReadonlyMap<number, Connection>; rooms: Rooms; rosterViews: RosterViews },
  peers: readonly Peer[],
): ServerStatus {
  const { options, directory, roster, messageCounts, draining, now, startedAt } = context
  const { slow, memberships } = countConnections(connections.values())
  return {
    server: options.id,
    incarnation: options.incarnation,
    uptime: now - startedAt,
    draining,
    clockAhead: Math.round(context.meshClock.ahead),
    users: directory.userCount,
    connections: connections.size,
    views: rosterViews.counts.holders,
    online: roster.size,
    slow,
    ...messageCounts,
    ...(options.auth === 'key' ? { claims: context.rememberedClaims.size } : {}),
    rooms: rooms.localCount,
    memberships,
    topRooms: rooms.largestLocal(MAX_TOP_ROOMS),
    links: peers.slice(0, MAX_LINKS).map(linkStatus),
  }
}

function countConnections(connections: Iterable<Connection>): { slow: number; memberships: number } {
  const counts = { slow: 0, memberships: 0 }
  for (const { unconfirmedCount, rooms } of connections) {
    if (unconfirmedCount > SLOW_UNCONFIRMED) counts.slow++
    counts.memberships += rooms.size
  }
  return counts
}

function linkStatus({ id, outbound, inbound, replica, held }: Peer): LinkStatus {
  const rtt = outbound.state === 'open' ? outbound.rtt : undefined
  return {
    peer: id,
    outbound: outbound.state,
    inbound: inbound !== undefined,
    ...(rtt === undefined ? {} : { rtt }),
    users: replica.size,
    held: held.size,
  }
}
