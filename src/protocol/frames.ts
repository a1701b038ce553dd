/**
 * The frames of a link, in the namespace `/mesh`. A server sends presence and messages on the links that it dialled;
 * the acceptor of a link only sends answers on it.
 */
import * as z from 'zod'
import { clampTime } from '../common/time.ts'
import { MAX_PACKED_NAME_LENGTH, unpackNames } from './encodings/packed-names.ts'
import {
  connectionAddressSchema,
  countSchema,
  idSchema as id,
  MAX_PROOF_LENGTH,
  MAX_RECEIPT_NAMES,
  MAX_TEXT_LENGTH,
  nameSchema as name,
  receiptsSchema,
  relayBodySchema,
  serverAddressSchema,
  serverIdSchema,
  type TypingNotice,
  textSchema,
  urlSchema,
  validItems,
} from './messages.ts'
import { isUserName } from './names.ts'
import { AUTH_MODES, keySchema } from './proofs/credentials.ts'
import { isPublicKey } from './proofs/public-key.ts'
import { isRoom, roomNameSchema } from './rooms.ts'
import { serverStatusSchema } from './status.ts'
import { timeSchema } from './time-schema.ts'

// Every frame must fit a packet (`MAX_PACKET_BYTES`), whatever its names and texts: 266 bytes for a name with its count,
// six bytes for a UTF-16 unit of text as JSON.
/** Most names in one presence frame. */
export const MAX_NAMES_PER_FRAME = 4_096
/** Most memberships of rooms in one presence frame: each may have the name of a room and of a user. */
export const MAX_MEMBERSHIPS_PER_FRAME = 1_500
/** Most messages in one forward frame. */
export const MAX_MESSAGES_PER_FRAME = 256
/** Most UTF-16 units of text in one forward frame; a single message always fits. */
export const MAX_TEXT_PER_FRAME = MAX_TEXT_LENGTH
/** Most delivery results in one `fates` frame. */
export const MAX_FATES_PER_FRAME = 10_000
/** Most confirmations in one `confirmed` frame. */
export const MAX_CONFIRMATIONS_PER_FRAME = 100
/** Most claims in one `claims` frame. */
export const MAX_CLAIMS_PER_FRAME = 2_000
/** Most servers in one `members` frame. */
export const MAX_MEMBERS = 1_000

/**
 * Most by which a number of a peer may exceed the last one: forward numbers, and positions of presence streams. At 10,000
 * per second it is reached after three years. Without this limit one frame with a number near 2^53 would make all later
 * ones look repeated.
 */
export const MAX_NUMBER_JUMP = 2 ** 40

/**
 * Highest count of a peer that is used, of a user's connections or of those that got a message; greater ones count as this.
 * Clients get the sums over all servers, and must be able to read them: without this, one count near 2^53 would make them
 * reject what they get.
 */
export const MAX_PEER_COUNT = 1_000_000

/** Longest digest of a list of servers. */
const MAX_DIGEST_LENGTH = 64

const seq = countSchema
/** `[name, connections]`; in key mode also the claim: the key that holds the name, and since when. */
export type PresenceEntry =
  | [name: string, connections: number]
  | [name: string, connections: number, key: string, at: number]
const entriesSchema = (min: number) => {
  const connections = z
    .int()
    .min(min)
    .transform(count => Math.min(count, MAX_PEER_COUNT))
  const entry = z.union([z.tuple([name, connections]), z.tuple([name, connections, z.string().max(64), z.number()])])
  return z.array(entry).max(MAX_NAMES_PER_FRAME)
}
/** Users whose key is not a key, or whose name is that of a room, are left out: a server of 0.1 accepts them, and its other users count. */
const users = entriesSchema(1).transform(entries => entries.map(parseClaim).filter(entry => entry !== undefined))
/** A change to a key that is not a key removes the user. */
const changes = entriesSchema(0).transform(entries => entries.map(entry => parseClaim(entry) ?? removalOf(entry)))

/** The entry with a possible claim; undefined if its key is not a key. A clock that was never set makes an early claim. */
function parseClaim(entry: PresenceEntry): PresenceEntry | undefined {
  const [name, connections, key, at] = entry
  if (isRoom(name)) return undefined
  if (key === undefined || at === undefined) return entry
  return isPublicKey(key) ? [name, connections, key, clampTime(at)] : undefined
}

function removalOf([name]: PresenceEntry): PresenceEntry {
  return [name, 0]
}

const members = z.array(name).max(MAX_NAMES_PER_FRAME)
/** Rooms with users of the dialler who are in them. A room whose name a newer Unicode allows is left out. */
const roomMembersSchema = validItems(z.tuple([roomNameSchema, members]), MAX_NAMES_PER_FRAME)
/** `[room, joined, left]`. A user without a connection has left all rooms without being listed. */
const roomChangesSchema = validItems(z.tuple([roomNameSchema, members, members]), MAX_NAMES_PER_FRAME)
export type RoomMembers = z.infer<typeof roomMembersSchema>
export type RoomChanges = z.infer<typeof roomChangesSchema>

/** All users of the dialler at `seq`, and the rooms that they are in, in chunks; with `more`, another chunk follows. */
const snapshotSchema = z.object({
  type: z.literal('snapshot'),
  incarnation: id,
  seq,
  users,
  /** Further users, with one connection and without a claim: see `packNames`. */
  packed: z
    .string()
    .max(MAX_NAMES_PER_FRAME * MAX_PACKED_NAME_LENGTH)
    .optional(),
  rooms: roomMembersSchema.optional(),
  /** The number of the chunk, from 0; absent: a server of 0.2, or the only chunk. */
  part: countSchema.optional(),
  more: z.boolean(),
})
/** The changes from `seq - 1` to `seq`; 0 connections removes the name. `rooms` apply after `changes`. */
const deltaSchema = z.object({
  type: z.literal('delta'),
  /** Absent: that of the link. */
  incarnation: id.optional(),
  seq,
  changes,
  rooms: roomChangesSchema.optional(),
})
export const presenceSchema = z
  .discriminatedUnion('type', [snapshotSchema, deltaSchema])
  .transform((frame, context) => {
    if (frame.type === 'delta' || frame.packed === undefined) return frame
    const { packed, ...snapshot } = frame
    const names = unpackNames(packed, MAX_NAMES_PER_FRAME - frame.users.length)
    if (names?.every(isUserName) === true) {
      const users = [...frame.users]
      for (const name of names) if (!isRoom(name)) users.push([name, 1])
      return { ...snapshot, users }
    }
    context.addIssue('invalid packed names')
    return z.NEVER
  })
export type PresenceSnapshot = z.infer<typeof snapshotSchema>
export type PresenceDelta = z.infer<typeof deltaSchema>
/** A delta with its place in a stream. */
export type StreamDelta = PresenceDelta & { incarnation: string }

/** In key mode, claims on the names of offline users: `[name, key, at, remaining]`; `remaining`: ms until the claim ends. */
const claimSchema = z.tuple([name, keySchema, timeSchema, z.number().min(0)])
export const claimsSchema = z.array(claimSchema).max(MAX_CLAIMS_PER_FRAME)
export type RememberedClaims = z.infer<typeof claimsSchema>

/**
 * `[number, id, at, from, to, text]`. Numbers increase within an incarnation of the dialler, across its links. `at` may be
 * impossible: the acceptor must answer that message, and deliver the others.
 */
const forwardedSchema = z.tuple([z.int().min(1), id, z.number(), name, name, textSchema])
/** `[number, id, at, from, room, text, proof]`, numbered like other forwards. `proof`: see `Message`; empty: none. */
export const roomForwardedSchema = z.tuple([
  z.int().min(1),
  id,
  z.number(),
  name,
  roomNameSchema,
  textSchema,
  z.string().max(MAX_PROOF_LENGTH),
])
export type RoomForwarded = z.infer<typeof roomForwardedSchema>
/** A batch of messages to rooms with members of the acceptor. */
export const roomForwardSchema = z.array(roomForwardedSchema).max(MAX_MESSAGES_PER_FRAME)

/** A batch of messages for connections of the acceptor. */
export const forwardSchema = z.array(forwardedSchema).max(MAX_MESSAGES_PER_FRAME)
export type ForwardedMessage = z.infer<typeof forwardedSchema>

/** The clocks of a server. */
const clockReadingSchema = z.object({
  /** The wall clock of its machine, ms since 1970. */
  machine: timeSchema,
  /** The mesh time as it sees it, ms since 1970. */
  mesh: timeSchema,
  /** How long it has run, ms. */
  uptime: z.number().min(0),
})
export type ClockReading = z.infer<typeof clockReadingSchema>

/**
 * Sent every second with the position of the dialler's presence stream: it reveals a gap and shows that the dialler is
 * alive. `at` is the dialler's monotonic clock, ms; the echo returns it, which gives the round-trip time, and adds the
 * clocks of the acceptor.
 */
export const heartbeatSchema = z.object({
  /** Absent: that of the link. */
  incarnation: id.optional(),
  seq,
  at: z.number().min(0).optional(),
  clock: clockReadingSchema.optional(),
  /** A digest of the servers that the dialler would list in `members`. */
  members: z.string().max(MAX_DIGEST_LENGTH).optional(),
})
export type Heartbeat = z.infer<typeof heartbeatSchema>

/** Members that are not valid are left out. */
export const membersSchema = validItems(serverAddressSchema, MAX_MEMBERS)

/** Users, or rooms, who missed a message while the acceptor was unreachable: their clients there compare histories. */
export const missedSchema = z.array(name).max(MAX_NAMES_PER_FRAME)

/** From one client of a user to the user's other clients, or to the one at address `to`. Servers do not read `body`. */
export const relaySchema = z.object({
  user: name,
  from: connectionAddressSchema,
  to: connectionAddressSchema.optional(),
  body: relayBodySchema,
})
export type Relay = z.infer<typeof relaySchema>

/** A frame for a member of a room, from a connection of another: for the one at address `to`, or for any. */
export const roomRelaySchema = relaySchema.extend({ room: roomNameSchema })
export type RoomRelay = z.infer<typeof roomRelaySchema>

/** Requests the acceptor's status; the answer has the same number. */
export const statusRequestSchema = z.object({ number: z.int().min(1) })

/** The acceptor's own status. */
export const statusResponseSchema = z.object({ number: z.int().min(1), status: serverStatusSchema })
export type StatusResponse = z.infer<typeof statusResponseSchema>

/** Delivery results of forwards: `[number, delivered, unconfirmed]`. */
export const fatesSchema = z.array(z.tuple([z.int().min(1), z.int().min(0), z.boolean()])).max(MAX_FATES_PER_FRAME)
export type ForwardFate = z.infer<typeof fatesSchema>[number]

/** Later confirmations of forwards: see `ForwardConfirmation`. */
export const confirmedSchema = z
  .array(z.tuple([z.int().min(1), countSchema, z.boolean(), z.array(name).max(MAX_RECEIPT_NAMES)]))
  .max(MAX_CONFIRMATIONS_PER_FRAME)
/**
 * `[number, delivered, pending, names]`: so far, this number of the acceptor's connections have confirmed a forward;
 * `pending`: more may. In a room: of its members, besides those whose names are told here or before.
 */
export type ForwardConfirmation = z.infer<typeof confirmedSchema>[number]

/** Receipts for the clients of a user. */
export const userReceiptsSchema = z.object({ user: name, receipts: receiptsSchema })
export type UserReceipts = z.infer<typeof userReceiptsSchema>

/** The acceptor's position in the dialler's presence stream, sent at the end of the handshake. */
export const streamPositionSchema = z.object({
  /** The incarnation of the replica, which is at `seq`; absent without a replica. */
  incarnation: id.optional(),
  seq,
})
export type StreamPosition = z.infer<typeof streamPositionSchema>

/** The identity of one side of a link, proven by the handshake. */
export const peerIdentitySchema = z.object({
  id: serverIdSchema,
  incarnation: id,
  /** The oldest protocol version that it speaks: servers of 0.2 and before compare it with their own. */
  protocol: z.int(),
  /** The newest protocol version that it speaks; absent: a server of 0.2 or before, which speaks one. */
  newestProtocol: z.int().optional(),
  url: urlSchema.optional(),
  /** Its URL for clients, if different. */
  clients: urlSchema.optional(),
  /** Its auth mode; absent: `open`. */
  auth: z.enum(AUTH_MODES).optional(),
  /** It knows rooms and receipts. */
  rooms: z.literal(true).optional(),
  /** It reads digests of lists of servers, packed names, and deltas and heartbeats without their incarnation. */
  compact: z.literal(true).optional(),
  /** Only checks the secret and opens no link; answered with `probeResponseSchema`. */
  probe: z.literal(true).optional(),
})
export type PeerIdentity = z.infer<typeof peerIdentitySchema>

/** The answer to a probe with a valid proof: the acceptor's proof, and its clock, ms since 1970. */
export const probeResponseSchema = z.object({ ok: z.literal(true), proof: z.string(), time: timeSchema })

/** Frames that the dialler of a link sends. */
export type DiallerFrame =
  /** `isChunk`: one of several frames that together are long, such as a snapshot. A carrier sends one in each turn of the event loop. */
  | { event: 'presence'; payload: PresenceSnapshot | PresenceDelta; isChunk?: true }
  | { event: 'claims'; payload: RememberedClaims; isChunk?: true }
  | { event: 'forward'; payload: ForwardedMessage[] }
  | { event: 'beat'; payload: Heartbeat }
  | { event: 'members'; payload: z.infer<typeof membersSchema> }
  | { event: 'relay'; payload: Relay }
  | { event: 'missed'; payload: string[] }
  | { event: 'receipts'; payload: UserReceipts }
  | { event: 'room-forward'; payload: RoomForwarded[] }
  | { event: 'room-relay'; payload: RoomRelay }
  /** A user of the dialler is writing a message to users of the acceptor. */
  | { event: 'typing'; payload: TypingNotice }
  | { event: 'survey'; payload: z.infer<typeof statusRequestSchema> }
  | { event: 'goodbye'; payload: null }
/** Frames that the acceptor of a link sends. */
export type AcceptorFrame =
  | { event: 'fates'; payload: ForwardFate[] }
  | { event: 'confirmed'; payload: ForwardConfirmation[] }
  | { event: 'resync'; payload: null }
  /** Requests the dialler's list of servers, whose digest differs. */
  | { event: 'request-members'; payload: null }
  | { event: 'status'; payload: StatusResponse }
  | { event: 'beat'; payload: Heartbeat }

/** Why an acceptor rejects a dialler. */
export const linkRefusalSchema = z.enum([
  // Another server with the id is alive.
  'id-in-use',
  // Another server with the id may be alive: its link is not known to be dead yet.
  'id-held',
  'own-id',
  'wrong-secret',
  // The dialler is not the process of its incarnation.
  'bad-signature',
  'bad-handshake',
  'draining',
  'too-many-peers',
  // The dialler has another auth mode.
  'other-auth',
  // The acceptor's config does not list the dialler any more.
  'removed',
])
export type LinkRefusal = z.infer<typeof linkRefusalSchema>
