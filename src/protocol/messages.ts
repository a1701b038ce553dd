/**
 * Every payload between clients and servers: a schema, and the type inferred from it. Both sides parse each payload once,
 * at the edge; the code inside trusts it. docs/PROTOCOL.md has the rules.
 */
import * as z from 'zod'
import { compareNames, isUserName, MAX_NAME_LENGTH, parseServerId } from './names.ts'
import { claimTicketSchema } from './proofs/claim-ticket.ts'
import { AUTH_MODES, challengeSchema, keySchema, MAX_TOKEN_LENGTH } from './proofs/credentials.ts'
import { clientNonceSchema, meshIdentitySchema, originSchema } from './proofs/mesh-identity.ts'
import { roomNameSchema } from './rooms.ts'
import { sanitizeLine, utf8Length } from './text.ts'
import { timeSchema } from './time-schema.ts'

/** The protocol version of clients and links. Original clients have version 1. */
export const PROTOCOL_VERSION = 2

/**
 * Most bytes in one packet, the `maxHttpBufferSize` of every server. Everything that a server passes on must fit: a
 * longer frame would close the link, and again when it is sent again.
 */
export const MAX_PACKET_BYTES = 2_000_000
/** Longest text that any limit allows, in UTF-16 units: it fits a packet as JSON, with at most six bytes each. */
export const MAX_TEXT_LENGTH = 256 * 1024
/** Longest id of a message or an incarnation, in UTF-16 units. */
export const MAX_ID_LENGTH = 64

export const countSchema = z.int().min(0)
export const idSchema = z.string().min(1).max(MAX_ID_LENGTH)
/** A name that a server passes on; `parseUserName` has the rules for new names. */
export const nameSchema = z.string().max(MAX_NAME_LENGTH).refine(isUserName, 'is not a user name')
export const serverIdSchema = z.string().refine(id => parseServerId(id).ok, 'is not a server id')
export const textSchema = z.string().max(MAX_TEXT_LENGTH)
/** Longest proof of a message's author: an Ed25519 signature in base64url, and the key. */
export const MAX_PROOF_LENGTH = 200
/** A connection's address in the mesh: `<server id>:<number>`. */
export const connectionAddressSchema = z.string().max(200)
export const urlSchema = z
  .url({ protocol: /^https?$/ })
  .max(300)
  .regex(/^[!-~]+$/, 'has characters that are not allowed in a URL')

/** Longest proof of a typing notice: a sealed empty text, see `sealedLength`. */
const MAX_TYPING_PROOF_LENGTH = 300

/** Why a request was rejected; clients act on the code and show the message. */
const errorCodeSchema = z.enum([
  'bad-payload',
  'bad-name',
  'not-identified',
  'already-identified',
  // The required key or token is missing or invalid.
  'unauthorized',
  // Identify again with a key that has signed the `challenge`.
  'prove-key',
  // Identify again with a token; only for clients that send `nonce` and `origin`.
  'prove-token',
  // The server is not known by the origin that the client dialled.
  'wrong-origin',
  'name-taken',
  'look-alike',
  'not-sealed',
  'too-many-connections',
  'text-too-long',
  'clock-ahead',
  'rate-limited',
  'draining',
  'outbox-full',
  // The name of a room is not one.
  'bad-room',
  // The user may not join the room.
  'room-forbidden',
  'room-full',
  'too-many-rooms',
  // Only members may send to a room.
  'not-in-room',
  // Only the room's operators may write.
  'read-only',
  // The room allows a message of each user from time to time only.
  'slow-mode',
])
export type ErrorCode = z.infer<typeof errorCodeSchema>

/** Most time to wait before a request is sent again, ms, whatever `retryAfter` a server sends. */
export const MAX_RETRY_AFTER_MS = 60_000

/** A rejection. `retryAfter` (ms) is present if the request may succeed later. */
export const refusalSchema = z.object({
  ok: z.literal(false),
  code: errorCodeSchema,
  message: z.string().max(1_000).transform(sanitizeLine),
  retryAfter: z
    .number()
    .min(0)
    .transform(ms => Math.min(ms, MAX_RETRY_AFTER_MS))
    .optional(),
  /** With `clock-ahead`: the mesh time, ms since 1970. */
  time: timeSchema.optional(),
})
export type Refusal = z.infer<typeof refusalSchema>

/** Most receipts in one event. */
export const MAX_RECEIPTS = 200
/** Most names in one receipt. */
export const MAX_RECEIPT_NAMES = 32

/**
 * The delivery result of a message. `delivered`: the number of the recipient's connections that have confirmed it so far;
 * in a room, the number of other members, of the `of` who were there.
 */
export const fateSchema = z.discriminatedUnion('ok', [
  z.object({
    ok: z.literal(true),
    delivered: countSchema,
    unconfirmed: z.literal(true).optional(),
    of: countSchema.optional(),
    /** In a small room: who of them. */
    names: z.array(nameSchema).max(MAX_RECEIPT_NAMES).optional(),
  }),
  refusalSchema,
])
export type Fate = z.infer<typeof fateSchema>

/**
 * `[id, at, to, delivered]`: more connections have confirmed a message of this user; `delivered` is their number so far, as
 * in the delivery result. Of a room also `of`, and names of members who have it, where they are few.
 */
const receiptSchema = z.union([
  z.tuple([idSchema, timeSchema, nameSchema, countSchema]),
  z.tuple([idSchema, timeSchema, nameSchema, countSchema, countSchema, z.array(nameSchema).max(MAX_RECEIPT_NAMES)]),
])
export type Receipt = z.infer<typeof receiptSchema>
export const receiptsSchema = z.array(receiptSchema).max(MAX_RECEIPTS)

/** A server of the mesh and the URL at which clients and peers reach it. */
export const serverAddressSchema = z.object({
  id: serverIdSchema,
  url: urlSchema,
  /** Between servers: the URL for clients, if different. */
  clients: urlSchema.optional(),
})
export type ServerAddress = z.infer<typeof serverAddressSchema>
/** One address that is not valid must not lock clients out of the others. */
const serversSchema = validItems(serverAddressSchema, 10_000)

/**
 * The roster at one version: sorted, each name once. `total`: the client holds a view, which starts without names, and this
 * number of users is online.
 */
export const rosterSnapshotSchema = z.object({
  version: countSchema,
  users: z.array(nameSchema).refine(isSorted, 'names must be sorted and unique'),
  total: countSchema.optional(),
})
export type RosterSnapshot = z.infer<typeof rosterSnapshotSchema>

/** The changes of the roster from `version - 1` to `version`. */
export const rosterDeltaSchema = z.object({
  version: countSchema,
  joined: z.array(nameSchema),
  left: z.array(nameSchema),
})
export type RosterDelta = z.infer<typeof rosterDeltaSchema>

/**
 * A long roster or delta for a client that identified with `packed`: its lists of names, front-coded (`frontEncode`), as
 * JSON, deflated (RFC 1951), in base64. It takes less than half of the bytes, and is encoded once for all receivers.
 */
export const packedRosterSchema = z.object({ version: countSchema, packed: z.base64() })
export type PackedRoster = z.infer<typeof packedRosterSchema>

/** Names that one connection may watch. */
export const MAX_WATCHED_NAMES = 1_000
/** Most names in one answer to `names`. */
export const MAX_LISTED_NAMES = 500
/** Most names in one answer to `find`. */
export const MAX_FOUND_NAMES = 100

/**
 * To a client that holds a view: the number of users online, and which of those that it watches or follows came online or
 * went offline. `reset`: the client held the whole roster, and holds a view from now on, which watches and follows nothing.
 */
export const rosterViewEventSchema = z.object({
  total: countSchema,
  joined: z.array(nameSchema).optional(),
  left: z.array(nameSchema).optional(),
  reset: z.literal(true).optional(),
})
export type RosterViewEvent = z.infer<typeof rosterViewEventSchema>

/** Watches names, in addition to those before; above `MAX_WATCHED_NAMES` the oldest are dropped. */
export const watchRequestSchema = z.array(nameSchema).max(MAX_WATCHED_NAMES)

/** Asks for the names after `after`; with `follow`, for their changes from now on, instead of those of the range before. */
export const namesRequestSchema = z.object({
  after: z.string().max(MAX_NAME_LENGTH),
  count: z.int().min(1).max(MAX_LISTED_NAMES),
  follow: z.boolean().optional(),
})
export type NamesRequest = z.infer<typeof namesRequestSchema>

/** Searches the names of users online. */
export const findRequestSchema = z.object({
  text: z.string().max(MAX_NAME_LENGTH),
  count: z.int().min(1).max(MAX_FOUND_NAMES),
})

/** The mesh time of the server, ms since 1970: it has changed, other than by passing. */
export const meshTimeSchema = z.object({ time: timeSchema })

/** Names with their number of connections in the whole mesh; an online name that is not listed has one. */
export const connectionsSchema = z.array(z.tuple([nameSchema, countSchema]))
export type Connections = z.infer<typeof connectionsSchema>

/** `users`: names that are online, sorted; `connections`: of those with more than one. */
const onlineNamesSchema = z.object({
  ok: z.literal(true),
  total: countSchema,
  users: z.array(nameSchema).max(MAX_WATCHED_NAMES),
  connections: connectionsSchema.optional(),
})

/** The answer to `watch`: who of these names is online. */
export const watchedNamesSchema = z.union([onlineNamesSchema, refusalSchema])
export type WatchedNames = z.infer<typeof watchedNamesSchema>

/** The answer to `names`. `first`: the number of users before the first of these names. */
export const namesPageSchema = z.union([onlineNamesSchema.extend({ first: countSchema }), refusalSchema])
export type NamesPage = z.infer<typeof namesPageSchema>

/** The answer to `find`: the best matches first. */
export const foundNamesSchema = z.union([onlineNamesSchema.omit({ connections: true }), refusalSchema])
export type FoundNames = z.infer<typeof foundNamesSchema>

/** The answer to `identify`. `time`: the server's clock, ms since 1970. */
export const identifyResponseSchema = z.discriminatedUnion('ok', [
  z.object({
    ok: z.literal(true),
    server: serverIdSchema,
    incarnation: idSchema,
    connection: connectionAddressSchema,
    roster: rosterSnapshotSchema,
    /** All users with more than one connection, for a client that subscribed to connection counts. */
    connections: connectionsSchema.optional(),
    /** The auth mode; absent: `open`. */
    auth: z.enum(AUTH_MODES).optional(),
    time: timeSchema,
    /** Longest text of a message, bytes of UTF-8; absent: no limit but that of the protocol, or a server of 0.2. */
    textBytes: z.int().min(1).optional().catch(undefined),
    servers: serversSchema,
    /** Proves the mesh, if the request has `nonce` and `origin`. */
    mesh: meshIdentitySchema.optional(),
    /** The server knows rooms. */
    rooms: z.literal(true).optional(),
    /** The server passes typing notices on. */
    typing: z.literal(true).optional(),
  }),
  /** `challenge`, with the code `prove-key`: identify again with a key that has signed it. */
  refusalSchema.extend({ challenge: challengeSchema.optional(), mesh: meshIdentitySchema.optional() }),
])
export type IdentifyResponse = z.infer<typeof identifyResponseSchema>

/** The key that holds a name; absent if no key does. */
export const keyHolderSchema = z.union([z.object({ ok: z.literal(true), key: keySchema.optional() }), refusalSchema])
export type KeyHolder = z.infer<typeof keyHolderSchema>

/** The ticket of the user's claim; absent if the mesh has no secret, so that its signature would prove nothing. */
export const claimResponseSchema = z.union([
  z.object({ ok: z.literal(true), claim: claimTicketSchema.optional() }),
  refusalSchema,
])

/**
 * One instant message to a user or a room. `at` is hybrid logical time: ms since 1970, in steps of 1/1024 ms. Order is by
 * (`at`, `id`). `proof`, of a message to a room: a signature of who said what, see `room-proof.ts`.
 */
export const messageSchema = z.object({
  id: idSchema,
  at: timeSchema,
  from: nameSchema,
  to: nameSchema,
  text: textSchema,
  proof: z.string().max(MAX_PROOF_LENGTH).optional(),
})
export type Message = z.infer<typeof messageSchema>

/**
 * A message as clients receive it; `forwarded`: it came over a link. Its time may be impossible: the receiver must count
 * the message as received before it drops it.
 */
export const deliveredMessageSchema = messageSchema.extend({ at: z.number(), forwarded: z.boolean() })
export type DeliveredMessage = z.infer<typeof deliveredMessageSchema>

/** Protocol 2: identifies the user and the client. `parseUserName` has the rules for names. */
export const identifyRequestSchema = z.object({
  user: z.string(),
  client: z.string().max(100),
  protocol: z.literal(PROTOCOL_VERSION),
  /** Subscribes to connection counts. */
  connections: z.boolean().optional(),
  /** Accepts packed rosters and deltas: see `PackedRoster`. */
  packed: z.boolean().optional(),
  /** Knows rooms and receipts. */
  rooms: z.boolean().optional(),
  /** Knows typing notices; true: wants those of others. */
  typing: z.boolean().optional(),
  /** Takes a view of a long roster: see `RosterViewEvent`. */
  views: z.boolean().optional(),
  /** Token mode: a JWT (RFC 7519) signed by the operator. */
  token: z.string().max(MAX_TOKEN_LENGTH).optional(),
  /** Key mode: the user's public key, and the signature of the challenge. */
  key: keySchema.optional(),
  proof: z.string().max(100).optional(),
  /** 2 or 3: the proof is the signature of `boundIdentificationText`; absent: of `identificationText`. */
  proofVersion: z.literal([2, 3]).optional(),
  /** The ticket of this key's claim on the name. */
  claim: claimTicketSchema.optional(),
  /** Both or neither: the server proves the mesh for this nonce and the origin that the client dialled. */
  nonce: clientNonceSchema.optional(),
  origin: originSchema.optional(),
  /** Accepts a mesh proof that was signed together with others: `batch` of `MeshIdentity`. */
  batched: z.boolean().optional(),
})
export type IdentifyRequest = z.infer<typeof identifyRequestSchema>

/** Protocol 2: a message from its sender. */
export const composedMessageSchema = z.object({
  id: idSchema,
  at: timeSchema,
  to: z.string(),
  text: textSchema,
  proof: z.string().max(MAX_PROOF_LENGTH).optional(),
})
export type ComposedMessage = z.infer<typeof composedMessageSchema>

/**
 * A message from an original client. Its `from` and `forwarded` are ignored. One with `id` or `at` is an invalid message of
 * protocol 2: if it got another id, its sender would not recognise it.
 */
export const legacyMessageSchema = z
  .looseObject({ to: z.string(), text: textSchema })
  .refine(message => !('id' in message || 'at' in message), 'is a message of protocol 2')
  .transform(({ to, text }) => ({ to, text }))
export type LegacyMessage = z.infer<typeof legacyMessageSchema>

/** Protocol 2: the number of messages that this connection has received since it identified. */
export const receivedCountSchema = z.int().min(0)

/** The user's number of connections, sent when it may have changed. */
export const siblingsSchema = z.object({ connections: countSchema })

/** The server shuts down; `servers` lists the others. */
export const moveSchema = z.object({ servers: serversSchema })

/**
 * A frame between siblings, opaque to servers. On the wire it is a string of JSON, so that servers know its depth, and
 * its length when it is escaped once more.
 */
export const relayBodySchema = z.unknown().refine(body => typeof body === 'string' && fitsPacket(body))

/**
 * A frame for the user's other clients, or for the one at address `to`. With `room`: for another member's client, which
 * the servers choose at random, or for the one at address `to`.
 */
export const relayRequestSchema = z.object({
  to: connectionAddressSchema.optional(),
  room: roomNameSchema.optional(),
  body: relayBodySchema,
})

/** Typing notices go to rooms with at most this many other members: each costs nearly as much as a message. */
export const MAX_TYPING_AUDIENCE = 32

/** What proves a typing notice in key mode: `at`, ms since 1970, and `proof`, which seals it or, in a room, signs it. */
const typingProof = {
  at: timeSchema.optional(),
  proof: z.string().max(MAX_TYPING_PROOF_LENGTH).optional(),
}
/** This user is writing a message to a user or a room, now. It may be lost at any time, and is never stored. */
export const typingRequestSchema = z.object({ to: z.string(), ...typingProof })
export type TypingRequest = z.infer<typeof typingRequestSchema>
/** `from` is writing a message to `to`. */
export const typingNoticeSchema = z.object({ from: nameSchema, to: nameSchema, ...typingProof })
export type TypingNotice = z.infer<typeof typingNoticeSchema>

/** What a client is told of a room's settings. */
const roomInfoSchema = z.object({
  topic: z.string().max(500).transform(sanitizeLine).optional(),
  operators: z.array(nameSchema).max(10_000).optional(),
  write: z.enum(['all', 'operators']).optional(),
  historyDays: z.number().min(0).optional(),
})
export type RoomInfo = z.infer<typeof roomInfoSchema>

/** The answer to `join`: the room's name in canonical form, and its members at a version. */
export const joinResponseSchema = z.discriminatedUnion('ok', [
  z.object({
    ok: z.literal(true),
    room: roomNameSchema,
    info: roomInfoSchema,
    version: countSchema,
    members: z.array(nameSchema),
  }),
  refusalSchema,
])
export type JoinResponse = z.infer<typeof joinResponseSchema>

/** The answer to `part`. */
export type PartResponse = { ok: true; room: string } | Refusal

/** Most rooms in the list of rooms. */
export const MAX_LISTED_ROOMS = 1_000
/** The answer to `rooms`: those with the most members first, and how many there are. */
export const roomListSchema = z.union([
  z.object({
    ok: z.literal(true),
    rooms: z
      .array(
        z.object({
          room: roomNameSchema,
          members: countSchema,
          topic: z.string().max(500).transform(sanitizeLine).optional(),
        }),
      )
      .max(MAX_LISTED_ROOMS),
    total: countSchema,
  }),
  refusalSchema,
])
export type RoomList = z.infer<typeof roomListSchema>

/** What a client in a room is told: see `RoomEvent`. */
export const roomEventSchema = z.union([
  z.object({ room: roomNameSchema, version: countSchema, joined: z.array(nameSchema), left: z.array(nameSchema) }),
  z.object({ room: roomNameSchema, info: roomInfoSchema }),
  z.object({ room: roomNameSchema, refusal: refusalSchema }),
  z.object({ room: roomNameSchema, missed: z.literal(true) }),
])
/**
 * The members changed from `version - 1` to `version`; or the settings of the room did; or the user is not in the room any
 * more (`refusal`); or a message may have been missed, and the client should compare histories.
 */
export type RoomEvent = z.infer<typeof roomEventSchema>

function fitsPacket(body: string): boolean {
  // A UTF-16 unit takes at most three bytes, six if it is escaped: measure long bodies only.
  return body.length * 6 < MAX_PACKET_BYTES || utf8Length(JSON.stringify(body)) < MAX_PACKET_BYTES - 10_000
}

function isSorted(names: readonly string[]): boolean {
  return names.every((name, at) => at === 0 || compareNames(names[at - 1] ?? '', name) < 0)
}

/**
 * A list from another program, without its invalid items: one bad item, which may come from a third party, must not void
 * the others.
 */
export function validItems<T>(schema: z.ZodType<T>, max: number) {
  return z
    .array(z.unknown())
    .max(max)
    .transform((items): T[] =>
      items.flatMap(item => {
        const parsed = schema.safeParse(item)
        return parsed.success ? [parsed.data] : []
      }),
    )
}
