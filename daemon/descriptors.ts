/** File descriptors: each connection needs one, and so do links, log, and files. */
import { readFileSync } from 'node:fs'
import type { Limits } from '../src/protocol/limits.ts'

/** Fewer do not suffice to load the modules and to accept clients. */
const MIN_DESCRIPTORS = 256
/** Kept free of clients: modules, log, listening sockets, the admin port, and files that are read again. */
const RESERVED = { base: 128, perPeer: 4 }
/** Kept free of all incoming connections, so that this server can dial its peers. */
const RESERVED_FOR_DIALS = { base: 64, perPeer: 2 }
const ADVICE = 'raise it with ulimit -n, or LimitNOFILE in systemd'

/** The limit of open files of this process; undefined where the system does not tell it. Node raises it as far as it may. */
export function descriptorLimit(): number | undefined {
  try {
    const soft = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
    return soft === undefined ? undefined : Number(soft)
  } catch {
    return undefined
  }
}

/** Why a server cannot run with a limit of open files; undefined if it can. */
export function descriptorFault(limit: number | undefined, peers = 0): string | undefined {
  const needed = Math.max(MIN_DESCRIPTORS, RESERVED.base + peers * RESERVED.perPeer + 100)
  if (limit === undefined || limit >= needed) return undefined
  const why = peers === 0 ? 'a server' : `a server with ${peers} peers`
  return `the limit of open files is ${limit}, but ${why} needs at least ${needed}; ${ADVICE}`
}

export interface DescriptorBudget {
  /** The server's limits; there is a descriptor for each client connection. */
  limits: Limits
  /** Most TCP connections that the server accepts, links included; undefined: no limit. */
  maxTcpConnections: number | undefined
  /** Says that the clients are fewer than configured. */
  warning: string | undefined
}

/** Divides the descriptors: when they run short, new clients are refused, and links stay. */
export function divideDescriptors(limits: Limits, limit: number | undefined, peers: number): DescriptorBudget {
  if (limit === undefined) return { limits, maxTcpConnections: undefined, warning: undefined }
  const forClients = limit - RESERVED.base - peers * RESERVED.perPeer
  const maxTcpConnections = limit - RESERVED_FOR_DIALS.base - peers * RESERVED_FOR_DIALS.perPeer
  const { connections } = limits
  if (connections > 0 && connections <= forClients) return { limits, maxTcpConnections, warning: undefined }
  const needed = connections + limit - forClients
  const goal = connections > 0 ? ` to ${needed} for limits.connections (${connections})` : ''
  return {
    limits: { ...limits, connections: forClients },
    maxTcpConnections,
    warning: `The limit of open files is ${limit}: this server accepts at most ${forClients} clients. To accept more, raise it${goal}.`,
  }
}
