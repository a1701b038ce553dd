/** Made-up cluster statuses, in which every counter grows evenly, with chosen deviations. */
import {
  type ClusterStatus,
  clusterStatusSchema,
  type ServerStatus,
  serverStatusSchema,
} from '../../src/protocol/status.ts'

interface Deviations {
  /** Numbers of the servers that do not answer. */
  unresponsive?: readonly number[]
  /** Fields of server n's status that differ from the default. */
  status?: (n: number) => Partial<ServerStatus>
  /** Fields of a link's status that differ from the default, as reported by server `from`. */
  link?: (from: number, to: number) => Partial<ServerStatus['links'][number]>
}

/**
 * The status of servers 1 to `size`. Server n accepts n messages per second.
 * @param seconds since the servers started
 */
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
