import { type LinkStatus, MAX_LINKS, type ServerStatus } from '../protocol/status.ts'
import type { Connection } from './clients/connection.ts'
import type { Context } from './context.ts'
import type { Peer } from './peers/peer.ts'

/** A connection with more unconfirmed messages than this is a slow consumer. */
const SLOW_UNCONFIRMED = 100

/** The status of this server. O(connections), because it counts the slow consumers. */
export function statusOf(
  context: Context,
  connections: ReadonlyMap<number, Connection>,
  peers: readonly Peer[],
): ServerStatus {
  const { options, directory, roster, messageCounts, draining, now, startedAt } = context
  return {
    server: options.id,
    incarnation: options.incarnation,
    uptime: now - startedAt,
    draining,
    clockAhead: Math.round(context.meshClock.ahead),
    users: directory.userCount,
    connections: connections.size,
    online: roster.size,
    slow: countSlow(connections.values()),
    ...messageCounts,
    ...(options.auth === 'key' ? { claims: context.rememberedClaims.size } : {}),
    links: peers.slice(0, MAX_LINKS).map(linkStatus),
  }
}

function countSlow(connections: Iterable<Connection>): number {
  let slow = 0
  for (const { unconfirmedCount } of connections) if (unconfirmedCount > SLOW_UNCONFIRMED) slow++
  return slow
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
