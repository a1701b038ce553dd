import { type LinkStatus, MAX_LINKS, type ServerStatus } from '../protocol/status.ts'
import type { Clients } from './clients/clients.ts'
import type { Context } from './context.ts'
import type { Peer } from './peers/peer.ts'

/** A connection with more messages than this that it has not confirmed is slow. */
const SLOW_UNCONFIRMED = 100

/** How this server stands. What is counted is at hand; only the slow connections are looked for, one by one. */
export function statusOf(context: Context, clients: Clients, peers: readonly Peer[]): ServerStatus {
  const { options, directory, roster, messageCounts, draining, now, startedAt } = context
  return {
    server: options.id,
    incarnation: options.incarnation,
    uptime: now - startedAt,
    draining,
    users: directory.userCount,
    connections: clients.size,
    online: roster.size,
    slow: clients.countSlow(SLOW_UNCONFIRMED),
    ...messageCounts,
    links: peers.slice(0, MAX_LINKS).map(linkStatus),
  }
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
