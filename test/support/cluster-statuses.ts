/** Readings of a mesh that is not there: servers that count evenly, and what is wrong with some of them. */
import {
  type ClusterStatus,
  clusterStatusSchema,
  type ServerStatus,
  serverStatusSchema,
} from '../../src/protocol/status.ts'

interface Deviations {
  /** Servers that do not answer. */
  unresponsive?: readonly number[]
  /** How each server's status differs from the usual. */
  status?: (n: number) => Partial<ServerStatus>
  /** How a link differs from the usual, as the dialler (outbound) or the acceptor (inbound) tells it. */
  link?: (from: number, to: number) => Partial<ServerStatus['links'][number]>
}

/** Of servers 1 … size, so many seconds after their start. Server n takes n messages a second. */
export function clusterStatusOf(
  size: number,
  seconds: number,
  { unresponsive = [], status, link }: Deviations = {},
): ClusterStatus {
  const all = Array.from({ length: size }, (_, at) => at + 1)
  const servers = all.map(n => ({
    id: `server-${n}`,
    url: `http://127.0.0.1:${3000 + n}`,
    ...(unresponsive.includes(n)
      ? {}
      : {
          status: serverStatusSchema.parse({
            server: `server-${n}`,
            incarnation: `life-${n}`,
            uptime: seconds * 1_000,
            draining: false,
            users: 10 * n,
            connections: 12 * n,
            online: 5 * size * (size + 1),
            slow: 0,
            accepted: n * seconds,
            refused: 0,
            forwarded: n * seconds,
            delivered: 3 * n * seconds,
            links: all
              .filter(peer => peer !== n)
              .map(peer => ({
                peer: `server-${peer}`,
                outbound: unresponsive.includes(peer) ? 'waiting' : 'open',
                inbound: !unresponsive.includes(peer),
                rtt: (n + peer) / 10,
                users: 10 * peer,
                held: 0,
                ...link?.(n, peer),
              })),
            ...status?.(n),
          }),
        }),
  }))
  return clusterStatusSchema.parse({ ok: true, server: 'server-1', servers })
}
