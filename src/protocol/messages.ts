/**
 * Every payload that crosses the wire between clients and servers: a schema, and the type inferred from it.
 * The gates on both sides parse once with these; behind them everything is trusted.
 */
import * as z from 'zod'
import { AUTH_MODES, challengeSchema, keySchema, MAX_TOKEN_LENGTH } from './credentials.ts'
import { compareNames, isUserName, MAX_NAME_LENGTH, parseServerId } from './names.ts'
import { sanitizeLine, utf8Length } from './text.ts'

/** The wire protocol of clients and links that this code speaks. Original clients count as 1. */
export const PROTOCOL_VERSION = 2

/**
 * Most bytes in one packet, the `maxHttpBufferSize` of every server. What a server passes on must fit, whoever made it:
 * a frame that is too long would cut the link, and again when it is sent again.
 */
export const MAX_PACKET_BYTES = 2_000_000
/** Longest text that any limit allows, in UTF-16 units: as JSON, at most six bytes each, it fits a packet. */
export const MAX_TEXT_LENGTH = 256 * 1024
/** Longest id of a message or an incarnation, in UTF-16 units. */
export const MAX_ID_LENGTH = 64

export const countSchema = z.int().min(0)
export const idSchema = z.string().min(1).max(MAX_ID_LENGTH)
/** A name as a server passes it on; the rules for what a user may be called are `parseUserName`'s. */
export const nameSchema = z.string().max(MAX_NAME_LENGTH).refine(isUserName, 'is no user name')
export const serverIdSchema = z.string().refine(id => parseServerId(id).ok, 'is no server id')
export const hybridTimeSchema = z.number().min(0).max(Number.MAX_SAFE_INTEGER)
export const textSchema = z.string().max(MAX_TEXT_LENGTH)
/** A connection's address in the mesh: the server's id, a colon, a number. */
export const connectionAddressSchema = z.string().max(200)
export const urlSchema = z
  .url({ protocol: /^https?$/ })
  .max(300)
  .regex(/^[!-~]+$/, 'has characters that no URL has')

/** Why something was refused; clients act on the code and show the message. */
const errorCodeSchema = z.enum([
  'bad-payload',
  'bad-name',
  'not-identified',
  'already-identified',
  // The key or the token that this mesh asks for is missing, or proves nothing; …
  'unauthorized',
  // … is to be shown: see `challenge`.
  'prove-key',
  'name-taken',
  'look-alike',
  'not-sealed',
  'too-many-connections',
  'text-too-long',
  'clock-ahead',
  'rate-limited',
  'draining',
  'outbox-full',
])
export type ErrorCode = z.infer<typeof errorCodeSchema>

/** A refusal. `retryAfter` (ms) is there where waiting helps. */
export const refusalSchema = z.object({
  ok: z.literal(false),
  code: errorCodeSchema,
  message: z.string().max(1_000).transform(sanitizeLine),
  retryAfter: z.number().min(0).optional(),
})
export type Refusal = z.infer<typeof refusalSchema>

/** What became of a message: `delivered` counts the recipient's connections that confirmed it. */
export const fateSchema = z.discriminatedUnion('ok', [
  z.object({ ok: z.literal(true), delivered: countSchema, unconfirmed: z.literal(true).optional() }),
  refusalSchema,
])
export type Fate = z.infer<typeof fateSchema>

/** A server of the mesh and the URL at which clients and peers reach it. */
export const serverAddressSchema = z.object({
  id: serverIdSchema,
  url: urlSchema,
  /** Between servers: where clients reach it, if that is elsewhere. */
  clients: urlSchema.optional(),
})
export type ServerAddress = z.infer<typeof serverAddressSchema>
const serversSchema = z.array(serverAddressSchema).max(10_000)

/** The whole roster at one version: sorted, each name once. */
export const rosterSnapshotSchema = z.object({
  version: countSchema,
  users: z.array(nameSchema).refine(isSorted, 'the names of a roster are sorted, each once'),
})
export type RosterSnapshot = z.infer<typeof rosterSnapshotSchema>

/** What changed in the roster from `version - 1` to `version`. */
export const rosterDeltaSchema = z.object({
  version: countSchema,
  joined: z.array(nameSchema),
  left: z.array(nameSchema),
})
export type RosterDelta = z.infer<typeof rosterDeltaSchema>

/**
 * A long roster or delta as it goes to a client that takes it so: its lists of names, front-coded (`frontCode`), as JSON,
 * deflated (RFC 1951), in base64. Less than half of the bytes, made once for all who are told this version.
 */
export const packedRosterSchema = z.object({ version: countSchema, packed: z.base64() })
export type PackedRoster = z.infer<typeof packedRosterSchema>

/** Names with the number of their connections in the whole mesh; a name online that is not told has one. */
export const connectionsSchema = z.array(z.tuple([nameSchema, countSchema]))
export type Connections = z.infer<typeof connectionsSchema>

/** The answer to `identify`. `time`: the server's clock, ms since 1970. */
export const identifyResponseSchema = z.discriminatedUnion('ok', [
  z.object({
    ok: z.literal(true),
    server: serverIdSchema,
    incarnation: idSchema,
    connection: connectionAddressSchema,
    roster: rosterSnapshotSchema,
    /** Everybody with more than one connection, for a client that asked for it. */
    connections: connectionsSchema.optional(),
    /** How this mesh knows its users; absent: it takes names on trust. */
    auth: z.enum(AUTH_MODES).optional(),
    time: z.number(),
    servers: serversSchema,
  }),
  /** `challenge`, with the code `prove-key`: identify again, with a key that has signed this. */
  refusalSchema.extend({ challenge: challengeSchema.optional() }),
])
export type IdentifyResponse = z.infer<typeof identifyResponseSchema>

/** The key that holds a name which is online; absent where nobody does. */
export const keyHolderSchema = z.union([z.object({ ok: z.literal(true), key: keySchema.optional() }), refusalSchema])
export type KeyHolder = z.infer<typeof keyHolderSchema>

/** One instant message. `at` is hybrid logical time: ms since 1970, in steps of 1/1024 ms. Order is by (`at`, `id`). */
export const messageSchema = z.object({
  id: idSchema,
  at: hybridTimeSchema,
  from: nameSchema,
  to: nameSchema,
  text: textSchema,
})
export type Message = z.infer<typeof messageSchema>

/** A message as clients receive it; `forwarded` tells that it came over a link. */
export const deliveredMessageSchema = messageSchema.extend({ forwarded: z.boolean() })
export type DeliveredMessage = z.infer<typeof deliveredMessageSchema>

/** Protocol 2: who I am and what I speak. The name's own rules are `parseUserName`'s. */
export const identifyRequestSchema = z.object({
  user: z.string(),
  client: z.string().max(100),
  protocol: z.literal(PROTOCOL_VERSION),
  /** Whether to be told how many connections everybody has, too. */
  connections: z.boolean().optional(),
  /** Whether long rosters and deltas may come packed: see `PackedRoster`. */
  packed: z.boolean().optional(),
  /** What the operator has signed (a JWT, RFC 7519), where the mesh knows its users by that. */
  token: z.string().max(MAX_TOKEN_LENGTH).optional(),
  /** The user's public key, and what it has made of the challenge. */
  key: keySchema.optional(),
  proof: z.string().max(100).optional(),
})
export type IdentifyRequest = z.infer<typeof identifyRequestSchema>

/** Protocol 2: a message as its sender composed it. */
export const composedMessageSchema = z.object({ id: idSchema, at: hybridTimeSchema, to: z.string(), text: textSchema })
export type ComposedMessage = z.infer<typeof composedMessageSchema>

/** An original client's message. Its `from` and `forwarded` are read by nobody. */
export const legacyMessageSchema = z.object({ to: z.string(), text: textSchema })
export type LegacyMessage = z.infer<typeof legacyMessageSchema>

/** Protocol 2: how many messages this connection has received since it identified. */
export const receivedCountSchema = z.int().min(0)

/** Some connection of the user came or went elsewhere; there are now so many. */
export const siblingsSchema = z.object({ connections: countSchema })

/** The server shuts down; these are the others. */
export const moveSchema = z.object({ servers: serversSchema })

/**
 * What the clients of one user tell each other: for servers, opaque. On the wire it is a text (of JSON), so that
 * whatever it holds, its depth and its length, escaped once more, are known here.
 */
export const relayBodySchema = z.unknown().refine(body => typeof body === 'string' && fitsPacket(body))

/** A client's words to its user's other clients, or to the one at address `to`. */
export const relayRequestSchema = z.object({ to: connectionAddressSchema.optional(), body: relayBodySchema })

function fitsPacket(body: string): boolean {
  // Three bytes a unit at most, six where it is escaped: only a long one has to be measured.
  return body.length * 6 < MAX_PACKET_BYTES || utf8Length(JSON.stringify(body)) < MAX_PACKET_BYTES - 10_000
}

function isSorted(names: readonly string[]): boolean {
  return names.every((name, at) => at === 0 || compareNames(names[at - 1] ?? '', name) < 0)
}
