/**
 * The frames of a link, in the namespace `/mesh`. What a server has to tell a peer it tells over the link that it
 * dialled; what comes back on that link are answers only.
 */
import * as z from 'zod'
import { AUTH_MODES, keySchema } from './credentials.ts'
import {
  connectionAddressSchema,
  countSchema,
  hybridTimeSchema,
  idSchema as id,
  MAX_TEXT_LENGTH,
  nameSchema as name,
  relayBodySchema,
  serverAddressSchema,
  serverIdSchema,
  textSchema,
  urlSchema,
} from './messages.ts'
import { serverStatusSchema } from './status.ts'

// Every frame must fit a packet (`PACKET_BYTES`), whatever the names and texts in it: 266 bytes for a name with its
// count, six bytes for a unit of text as JSON.
/** Most names in one presence frame. */
export const MAX_NAMES_PER_FRAME = 4_096
/** Most messages in one forward frame. */
export const MAX_MESSAGES_PER_FRAME = 256
/** Most UTF-16 units of text in one forward frame; one message alone always fits. */
export const MAX_TEXT_PER_FRAME = MAX_TEXT_LENGTH
/** Most answers in one frame of fates. */
export const MAX_FATES_PER_FRAME = 10_000
/** Most servers in one `members` frame. */
export const MAX_MEMBERS = 1_000

const seq = countSchema
/** `[name, connections]`; where names are known by keys, with the key that holds it and since when. */
const entrySchema = (min: number) => {
  const connections = z.int().min(min)
  return z.union([z.tuple([name, connections]), z.tuple([name, connections, keySchema, hybridTimeSchema])])
}
const users = z.array(entrySchema(1)).max(MAX_NAMES_PER_FRAME)
const changes = z.array(entrySchema(0)).max(MAX_NAMES_PER_FRAME)
export type PresenceEntry = z.infer<ReturnType<typeof entrySchema>>

/** The dialler's whole list of own users at `seq`, in chunks; `more` tells that a chunk follows. */
const snapshotSchema = z.object({ type: z.literal('snapshot'), incarnation: id, seq, users, more: z.boolean() })
/** What changed from `seq - 1` to `seq`; 0 connections removes the name. */
const deltaSchema = z.object({ type: z.literal('delta'), incarnation: id, seq, changes })
export const presenceSchema = z.discriminatedUnion('type', [snapshotSchema, deltaSchema])
export type PresenceSnapshot = z.infer<typeof snapshotSchema>
export type PresenceDelta = z.infer<typeof deltaSchema>

/** `[number, id, at, from, to, text]`. Numbers grow in an incarnation of the dialler, whichever links carry them. */
const forwardedSchema = z.tuple([z.int().min(1), id, hybridTimeSchema, name, name, textSchema])
/** A batch of messages for users of the acceptor. */
export const forwardSchema = z.array(forwardedSchema).max(MAX_MESSAGES_PER_FRAME)
export type ForwardedMessage = z.infer<typeof forwardedSchema>

/**
 * Every second: where the dialler's stream stands. Shows a gap, and that the dialler lives. `at` is the dialler's own
 * monotonic clock, ms: it comes back with the echo, and tells how long that took.
 */
export const heartbeatSchema = z.object({ incarnation: id, seq, at: z.number().min(0).optional() })
export type Heartbeat = z.infer<typeof heartbeatSchema>

export const membersSchema = z.array(serverAddressSchema).max(MAX_MEMBERS)

/** Users who missed a message while the acceptor was out of reach: their clients there compare histories. */
export const missedSchema = z.array(name).max(MAX_NAMES_PER_FRAME)

/** From one client of a user to the user's other clients, or to the one at address `to`; servers read only the envelope. */
export const relaySchema = z.object({
  user: name,
  from: connectionAddressSchema,
  to: connectionAddressSchema.optional(),
  body: relayBodySchema,
})
export type Relay = z.infer<typeof relaySchema>

/** How do you stand? The answer bears the same number. */
export const statusRequestSchema = z.object({ number: z.int().min(1) })

/** The acceptor's answer: how it stands itself. */
export const statusResponseSchema = z.object({ number: z.int().min(1), status: serverStatusSchema })
export type StatusResponse = z.infer<typeof statusResponseSchema>

/** Answers of the acceptor: what became of forwards, `[number, delivered, unconfirmed]`. */
export const fatesSchema = z.array(z.tuple([z.int().min(1), z.int().min(0), z.boolean()])).max(MAX_FATES_PER_FRAME)
export type ForwardFate = z.infer<typeof fatesSchema>[number]

/** What an acceptor holds of the dialler's stream, told at the end of the handshake. */
export const streamPositionSchema = z.object({
  /** The incarnation whose users are held, at `seq`; absent when none are. */
  incarnation: id.optional(),
  seq,
})
export type StreamPosition = z.infer<typeof streamPositionSchema>

/** Who speaks on a link, proven by the handshake. */
export const peerIdentitySchema = z.object({
  id: serverIdSchema,
  incarnation: id,
  protocol: z.int(),
  url: urlSchema.optional(),
  /** Where clients reach it, if that is elsewhere. */
  clients: urlSchema.optional(),
  /** How it knows its users; absent: by their word. */
  auth: z.enum(AUTH_MODES).optional(),
  /** It only asks whether it would be known, and comes no further: see `probedSchema`. */
  probe: z.literal(true).optional(),
})
export type PeerIdentity = z.infer<typeof peerIdentitySchema>

/** What a probe that holds the secret is told: that the acceptor does, too, and what its clock shows, ms since 1970. */
export const probeResponseSchema = z.object({ ok: z.literal(true), proof: z.string(), time: z.number() })

/** What a server sends: on links it dialled … */
export type DiallerFrame =
  | { event: 'presence'; payload: PresenceSnapshot | PresenceDelta }
  | { event: 'forward'; payload: ForwardedMessage[] }
  | { event: 'beat'; payload: Heartbeat }
  | { event: 'members'; payload: z.infer<typeof membersSchema> }
  | { event: 'relay'; payload: Relay }
  | { event: 'missed'; payload: string[] }
  | { event: 'survey'; payload: z.infer<typeof statusRequestSchema> }
  | { event: 'goodbye'; payload: null }
/** … and on links it accepted. */
export type AcceptorFrame =
  | { event: 'fates'; payload: ForwardFate[] }
  | { event: 'resync'; payload: null }
  | { event: 'status'; payload: StatusResponse }
  | { event: 'beat'; payload: Heartbeat }

/** Why an acceptor turns a dialler away. */
export const linkRefusalSchema = z.enum([
  // Another server with the id is alive, …
  'id-in-use',
  // … or may be: its link is not known to be dead yet.
  'id-held',
  'own-id',
  'wrong-secret',
  'bad-handshake',
  'draining',
  'too-many-peers',
  // It knows its users in another way: one mesh has one.
  'other-auth',
  // Its config does not name the dialler any more.
  'removed',
])
export type LinkRefusal = z.infer<typeof linkRefusalSchema>
