/** What the servers of a mesh tell of themselves to whoever looks at it: counts and times, and no user's name. */
import * as z from 'zod'
import { countSchema, idSchema, serverIdSchema, urlSchema } from './messages.ts'

const millisecondsSchema = z.number().min(0)
/** Most links that one server tells of. */
export const MAX_LINKS = 1_000
/** Most servers that a survey tells of. */
export const MAX_CLUSTER_SERVERS = 10_000

/** Both links between a server and one of its peers, as the server sees them. */
const linkStatusSchema = z.object({
  peer: serverIdSchema,
  /** The link that the server dials; `waiting`: to dial again. */
  outbound: z.enum(['open', 'dialling', 'waiting']),
  /** Whether the link that the peer dials is open. */
  inbound: z.boolean(),
  /** From the last beat to its echo, ms; absent before the first. */
  rtt: millisecondsSchema.optional(),
  /** Users whom the server holds of the peer. */
  users: countSchema,
  /** Messages held until the peer tells their fates. */
  held: countSchema,
})
export type LinkStatus = z.infer<typeof linkStatusSchema>

/** One server. What is counted since its start only grows. */
export const serverStatusSchema = z.object({
  server: serverIdSchema,
  incarnation: idSchema,
  /** Since its start, ms. */
  uptime: millisecondsSchema,
  draining: z.boolean(),
  /** Users with a connection to it, and their connections. */
  users: countSchema,
  connections: countSchema,
  /** Users online in the whole mesh, as it sees it. */
  online: countSchema,
  /** Connections that are far behind in confirming or reading what they are sent. */
  slow: countSchema,
  /** Messages since its start: accepted from its clients, refused to them, passed on by peers, … */
  accepted: countSchema,
  refused: countSchema,
  forwarded: countSchema,
  /** … and handed to connections, of recipients and of senders. */
  delivered: countSchema,
  links: z.array(linkStatusSchema).max(MAX_LINKS),
})
export type ServerStatus = z.infer<typeof serverStatusSchema>

/** All servers that the one asked knows; without `status`, one that did not answer in time. */
export const clusterStatusSchema = z.object({
  ok: z.literal(true),
  /** Which server was asked. */
  server: serverIdSchema,
  servers: z
    .array(z.object({ id: serverIdSchema, url: urlSchema.optional(), status: serverStatusSchema.optional() }))
    .max(MAX_CLUSTER_SERVERS),
})
export type ClusterStatus = z.infer<typeof clusterStatusSchema>
