/** How users prove their names: the parts of authentication that cross the wire. */
import * as z from 'zod'
import { base64urlLength } from '../encodings/base64url.ts'
import { isPublicKey } from './public-key.ts'

/**
 * `open`: names are not verified. `key`: a name belongs to the key that claimed it, while it is online. `token`: the
 * operator signs a token for each user.
 */
export const AUTH_MODES = ['open', 'key', 'token'] as const
export type AuthMode = (typeof AUTH_MODES)[number]

/** Longest token, in characters. */
export const MAX_TOKEN_LENGTH = 8_192

/** Characters of 32 bytes in base64url (RFC 4648, without padding). */
const KEY_CHARACTERS = base64urlLength(32)
/** A user's public key, see `isPublicKey`. */
export const keySchema = z.string().refine(isPublicKey, 'is not a public key')

/** The challenge that a key signs. It is fresh and bound to one connection, so a signature cannot be replayed. */
export const challengeSchema = z.object({
  server: z.string().max(64),
  connection: z.string().max(200),
  nonce: z.string().max(64),
})
export type Challenge = z.infer<typeof challengeSchema>

/** The text that a client of 0.1 signs to prove an identification; others sign `boundIdentificationText`. */
export function identificationText(user: string, { server, connection, nonce }: Challenge): string {
  return JSON.stringify(['mesh-chat identify 1', user, server, connection, nonce])
}

/** The verified credential of an identification. */
export type Credential =
  /** The operator vouches for `user` until `expires`, ms since 1970. `rooms`: those that the user may join; absent: any. */
  | { kind: 'token'; user: string; expires: number; rooms?: readonly string[] }
  /** The client holds this key. `ticket`: the mesh has signed at `issued` that the key holds the name since `at`. */
  | { kind: 'key'; key: string; ticket?: { at: number; issued: number } }
  /** A credential that failed verification. */
  | { kind: 'invalid'; reason: string }

/** A claim on a name that is online: the key that took it, and when, by the mesh's hybrid clock. */
export interface Claim {
  key: string
  at: number
}

/** Orders claims on one name: the oldest wins; ties are broken by key, the same way on every server. */
export function compareClaims(a: Claim, b: Claim): number {
  return a.at - b.at || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)
}

const SEALED_PREFIX = 'sealed1.'
const SEALED_BODY_OFFSET = SEALED_PREFIX.length + 2 * (KEY_CHARACTERS + 1)
/** Bytes that sealing adds to a text: salt, authentication tag and signature. */
const SEAL_OVERHEAD_BYTES = 24 + 16 + 64

/** Formats a sealed text: both keys, so that servers can route it, then the encrypted body. */
export function formatSealedText(from: string, to: string, body: string): string {
  return `${SEALED_PREFIX}${from}.${to}.${body}`
}

/** Parses a sealed text; undefined for any other text, and if one of its keys is not a key. */
export function parseSealedText(text: string): { from: string; to: string; body: string } | undefined {
  if (!text.startsWith(SEALED_PREFIX) || text.length < SEALED_BODY_OFFSET || text[SEALED_BODY_OFFSET - 1] !== '.')
    return undefined
  const from = text.slice(SEALED_PREFIX.length, SEALED_PREFIX.length + KEY_CHARACTERS)
  const to = text.slice(SEALED_BODY_OFFSET - 1 - KEY_CHARACTERS, SEALED_BODY_OFFSET - 1)
  if (text[SEALED_PREFIX.length + KEY_CHARACTERS] !== '.' || !isPublicKey(from) || !isPublicKey(to)) return undefined
  return { from, to, body: text.slice(SEALED_BODY_OFFSET) }
}

/** The length of a sealed text whose plain text has `bytes` bytes. */
export function sealedLength(bytes: number): number {
  return SEALED_BODY_OFFSET + base64urlLength(bytes + SEAL_OVERHEAD_BYTES)
}
