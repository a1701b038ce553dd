/** How the names of users are proven, and what of it crosses the wire. */
import * as z from 'zod'

/**
 * `open`: names are taken on trust. `key`: a name that is online belongs to whoever holds its key. `token`: the
 * operator's word, signed, says who somebody is.
 */
export const AUTH_MODES = ['open', 'key', 'token'] as const
export type AuthMode = (typeof AUTH_MODES)[number]

/** Longest token, in characters. */
export const MAX_TOKEN_LENGTH = 8_192

/** Characters of 32 bytes in base64url (RFC 4648, without padding). */
const KEY_CHARACTERS = 43
/** A user's public key: 32 bytes of Ed25519 (RFC 8032) in base64url. */
export const keySchema = z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'is no public key')

/** What a key signs to prove that its holder is here: fresh for each connection, and of use on no other. */
export const challengeSchema = z.object({
  server: z.string().max(64),
  connection: z.string().max(200),
  nonce: z.string().max(64),
})
export type Challenge = z.infer<typeof challengeSchema>

/** The text that the proof of an identification signs. */
export function identificationText(user: string, { server, connection, nonce }: Challenge): string {
  return JSON.stringify(['mesh-chat identify 1', user, server, connection, nonce])
}

/** What the gate found proven of one who identifies. */
export type Credential =
  /** The operator says that this is `user`, until `expires`, ms since 1970. */
  | { kind: 'token'; user: string; expires: number }
  /** The connection is one of the holder of this key. */
  | { kind: 'key'; key: string }
  /** Something was shown that proves nothing. */
  | { kind: 'invalid'; reason: string }

/** Whose a name is while it is online: the key that took it, and when by the mesh's hybrid clock. */
export interface Claim {
  key: string
  at: number
}

/** The order of claims on one name: the older wins; of two of one time, the same everywhere. */
export function compareClaims(a: Claim, b: Claim): number {
  return a.at - b.at || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)
}

const SEALED_PREFIX = 'sealed1.'
const SEALED_BODY_OFFSET = SEALED_PREFIX.length + 2 * (KEY_CHARACTERS + 1)
/** Bytes that sealing adds to a text: salt, tag and signature. */
const SEAL_OVERHEAD_BYTES = 24 + 16 + 64

/**
 * A text that only two keys can read, as it stands in a message: both keys, so that servers can tell for whom it is,
 * and the rest.
 */
export function formatSealedText(from: string, to: string, body: string): string {
  return `${SEALED_PREFIX}${from}.${to}.${body}`
}

/** Takes a sealed text apart; undefined for any other. */
export function parseSealedText(text: string): { from: string; to: string; body: string } | undefined {
  if (!text.startsWith(SEALED_PREFIX) || text.length < SEALED_BODY_OFFSET || text[SEALED_BODY_OFFSET - 1] !== '.')
    return undefined
  const from = text.slice(SEALED_PREFIX.length, SEALED_PREFIX.length + KEY_CHARACTERS)
  const to = text.slice(SEALED_BODY_OFFSET - 1 - KEY_CHARACTERS, SEALED_BODY_OFFSET - 1)
  if (text[SEALED_PREFIX.length + KEY_CHARACTERS] !== '.') return undefined
  return { from, to, body: text.slice(SEALED_BODY_OFFSET) }
}

/** The length of a sealed text whose plain one has so many bytes. */
export function sealedLength(bytes: number): number {
  return SEALED_BODY_OFFSET + Math.ceil(((bytes + SEAL_OVERHEAD_BYTES) * 4) / 3)
}
