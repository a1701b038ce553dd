import type { ClusterStatus, ServerStatus } from '../../src/protocol/status.ts'

/** The cluster status of a full mesh of this number of servers, in its nth second. */
export function clusterOf(servers: number, second: number): ClusterStatus {
  const ids = Array.from({ length: servers }, (_, n) => `server-${n + 1}`)
  return {
    ok: true,
    server: ids[0] ?? '',
    servers: ids.map((id, n) => ({ id, url: `http://10.0.0.${n % 250}:3001`, status: statusOf(id, ids, n, second) })),
  }
}

function statusOf(id: string, ids: readonly string[], n: number, second: number): ServerStatus {
  const messages = second * (100 + n)
  return {
    server: id,
    incarnation: 'first',
    uptime: second * 1_000,
    draining: false,
    users: 100 + n,
    connections: 110 + n,
    online: 100 * ids.length,
    slow: second % 3,
    accepted: messages,
    refused: 0,
    forwarded: 2 * messages,
    delivered: 5 * messages,
    rooms: 20,
    topRooms: Array.from({ length: 20 }, (_, room) => ({ room: `#room-${room}`, members: 50 + room, local: 1 })),
    links: ids
      .filter(peer => peer !== id)
      .map(peer => ({ peer, outbound: 'open', inbound: true, rtt: 1 + (n % 7), users: 100, held: 0 })),
  }
}
