/** Cluster status, on the wire `survey`: counts and times of all servers, without names of users or of hidden rooms. */
import * as z from 'zod'
import { countSchema, idSchema, serverIdSchema, urlSchema } from './messages.ts'
import { roomNameSchema } from './rooms.ts'

const millisecondsSchema = z.number().min(0)
/** Most links in one server's status. */
export const MAX_LINKS = 1_000
/** Most servers in a cluster status. */
export const MAX_CLUSTER_SERVERS = 10_000

/** Most rooms in one server's status. */
export const MAX_TOP_ROOMS = 20

/** A room with members on the server. */
const roomStatusSchema = z.object({
  room: roomNameSchema,
  /** Members in the whole mesh, as this server sees it. */
  members: countSchema,
  /** Those connected to this server. */
  local: countSchema,
})
export type RoomStatus = z.infer<typeof roomStatusSchema>

/** Both links between a server and one of its peers, as this server sees them. */
const linkStatusSchema = z.object({
  peer: serverIdSchema,
  /** The link that the server dials; `waiting`: it dials again later. */
  outbound: z.enum(['open', 'dialling', 'waiting']),
  /** Whether the link that the peer dials is open. */
  inbound: z.boolean(),
  /** Round-trip time of the last heartbeat, ms; absent before the first. */
  rtt: millisecondsSchema.optional(),
  /** Users of the peer in the server's replica. */
  users: countSchema,
  /** Messages held until the peer sends their delivery results. */
  held: countSchema,
})
export type LinkStatus = z.infer<typeof linkStatusSchema>

/** The status of one server. */
export const serverStatusSchema = z.object({
  server: serverIdSchema,
  incarnation: idSchema,
  /** Time since its start, ms. */
  uptime: millisecondsSchema,
  draining: z.boolean(),
  /** How far its machine's clock is ahead of the mesh time, ms; negative if it is behind. Absent: a server of 0.2.0 or older. */
  clockAhead: z.number().optional(),
  /** Users with a connection to this server, and their connections. */
  users: countSchema,
  connections: countSchema,
  /** Those of the connections that hold a view of the roster; absent in 0.2 and earlier. */
  views: countSchema.optional(),
  /** Users online in the whole mesh, as this server sees it. */
  online: countSchema,
  /** Slow consumers: connections with more than 256 unconfirmed messages. */
  slow: countSchema,
  /** Messages since its start: accepted from clients, rejected, and received from peers. */
  accepted: countSchema,
  refused: countSchema,
  forwarded: countSchema,
  /** Copies of messages sent to connections since its start, of recipients and of senders. */
  delivered: countSchema,
  /** Key mode: names of offline users that it remembers with their keys; absent in other modes, and in 0.2.0 and earlier. */
  claims: countSchema.optional(),
  /** Rooms with members on this server; this and the next three are absent in 0.2 and earlier. */
  rooms: countSchema.optional(),
  /** Messages to rooms, among those of `accepted`. */
  roomAccepted: countSchema.optional(),
  /** Rooms that its connections are in, summed over the connections. */
  memberships: countSchema.optional(),
  /** Rooms with members on this server that are not hidden, those with the most members first. */
  topRooms: z.array(roomStatusSchema).max(MAX_TOP_ROOMS).optional(),
  links: z.array(linkStatusSchema).max(MAX_LINKS),
})
export type ServerStatus = z.infer<typeof serverStatusSchema>

/** All servers that the queried server knows. A server without `status` did not answer in time. */
export const clusterStatusSchema = z.object({
  ok: z.literal(true),
  /** The queried server. */
  server: serverIdSchema,
  servers: z
    .array(z.object({ id: serverIdSchema, url: urlSchema.optional(), status: serverStatusSchema.optional() }))
    .max(MAX_CLUSTER_SERVERS),
})
export type ClusterStatus = z.infer<typeof clusterStatusSchema>
