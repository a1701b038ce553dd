import { createPrivateKey, createPublicKey, createSecretKey, type KeyObject } from 'node:crypto'
import { jwtVerify, SignJWT } from 'jose'
import { ConfigError } from '../../src/programs/config.ts'
import { isBase64url } from '../../src/protocol/encodings/base64url.ts'
import type { Credential } from '../../src/protocol/proofs/credentials.ts'
import { parseRoomName } from '../../src/protocol/rooms.ts'
import { compressedBytes, EASY_SECRET, NEW_SECRET_HINT, readPrivateFile } from '../settings/secret.ts'

/** The shortest HS256 key, bytes (RFC 7518, section 3.2). */
const MIN_SECRET_BYTES = 32
/** An HS256 key that compresses to fewer bytes is easy to guess; 32 random digits take at least 27. */
const MIN_COMPRESSED_SECRET_BYTES = 24
/** Accepted difference between the clocks of signer and server, s. */
const CLOCK_TOLERANCE_S = 5
const NEW_KEY_HINT = 'make one with: openssl genpkey -algorithm ed25519'

/** The claims that a token must have, and that `mesh-chatd token` adds; undefined: not required. */
export interface TokenClaims {
  /** `aud` (RFC 7519, section 4.1.3): this mesh. */
  audience?: string | undefined
  /** `iss` (RFC 7519, section 4.1.1): who signs the tokens. */
  issuer?: string | undefined
}

/** A key for tokens: a shared secret (HS256), an Ed25519 key pair (EdDSA), or only its public key. */
export interface TokenKey extends TokenClaims {
  algorithm: 'HS256' | 'EdDSA'
  verifyKey: KeyObject
  /** Undefined for a public key. */
  signKey: KeyObject | undefined
}

/**
 * Reads a key file: PEM is an EdDSA key, anything else is the HS256 secret itself.
 * @throws ConfigError if the key is readable by other users, too short, easy to guess, or not a valid key
 */
export function readTokenKey(file: string, claims: TokenClaims): TokenKey {
  const text = readPrivateFile('tokenKeyFile', file, text => !isPublicKey(text))
  return parseTokenKey(text.trim(), `tokenKeyFile: ${file}`, claims)
}

/**
 * Parses a key: PEM is an EdDSA key, anything else is the HS256 secret itself.
 * @param where the key comes from, for the error
 * @throws ConfigError
 */
export function parseTokenKey(text: string, where: string, { audience, issuer }: TokenClaims = {}): TokenKey {
  if (!text.startsWith('-----BEGIN')) {
    const secret = Buffer.from(text)
    if (secret.length < MIN_SECRET_BYTES) {
      throw new ConfigError(`${where}: the secret has fewer than ${MIN_SECRET_BYTES} characters; ${NEW_SECRET_HINT}`)
    }
    if (compressedBytes(secret) < MIN_COMPRESSED_SECRET_BYTES) {
      throw new ConfigError(`${where}: ${EASY_SECRET}; ${NEW_SECRET_HINT}`)
    }
    const key = createSecretKey(secret)
    return { algorithm: 'HS256', verifyKey: key, signKey: key, audience, issuer }
  }
  try {
    const signKey = text.includes('PRIVATE KEY') ? createPrivateKey(text) : undefined
    const verifyKey = createPublicKey(signKey ?? text)
    if (verifyKey.asymmetricKeyType === 'ed25519') return { algorithm: 'EdDSA', verifyKey, signKey, audience, issuer }
  } catch (error) {
    throw new ConfigError(`${where} is not a valid key (${(error as Error).message}); ${NEW_KEY_HINT}`)
  }
  throw new ConfigError(`${where} is not an Ed25519 key; ${NEW_KEY_HINT}`)
}

/** Whether a file contains only a public key, so that other users may read it. */
function isPublicKey(text: string): boolean {
  return text.trimStart().startsWith('-----BEGIN PUBLIC KEY-----') && !text.includes('PRIVATE KEY')
}

/** A token whose claim `rooms` is invalid. */
class RoomsClaimError extends Error {}

/**
 * Verifies a token (JWT, RFC 7519): `sub` is the user name, `exp` the expiry time; `aud` and `iss` if the key requires
 * them; `rooms`, if present, the rooms that the user may join.
 */
export async function checkToken(key: TokenKey, token: string): Promise<Credential> {
  try {
    // The decoder accepts other spellings of the same token. Only a line break at the end is common.
    const text = token.trim()
    if (!text.split('.').every(isBase64url)) throw new Error('not base64url')
    const { payload } = await jwtVerify(text, key.verifyKey, {
      algorithms: [key.algorithm],
      requiredClaims: ['sub', 'exp'],
      clockTolerance: CLOCK_TOLERANCE_S,
      ...(key.audience === undefined ? {} : { audience: key.audience }),
      ...(key.issuer === undefined ? {} : { issuer: key.issuer }),
    })
    if (typeof payload.sub !== 'string') throw new Error('sub is not a string')
    // A connection ends when the token is no longer accepted: before that, its client would come back at once, again and again.
    const expires = ((payload.exp ?? 0) + CLOCK_TOLERANCE_S) * 1_000
    const rooms = payload.rooms === undefined ? {} : { rooms: parseRoomsClaim(payload.rooms) }
    return { kind: 'token', user: payload.sub, expires, ...rooms }
  } catch (error) {
    // The library's message names the invalid claim. Why a signature is invalid is not disclosed.
    const { code, message } = error as { code?: string; message: string }
    const isClaimError = error instanceof RoomsClaimError || code?.startsWith('ERR_JWT_CLAIM') === true
    const why = code === 'ERR_JWT_EXPIRED' ? 'it has expired' : isClaimError ? message : 'it is not valid'
    return { kind: 'invalid', reason: `the token is rejected: ${why}; get a new one` }
  }
}

/** @throws RoomsClaimError */
function parseRoomsClaim(claim: unknown): string[] {
  if (!Array.isArray(claim)) throw new RoomsClaimError('its claim "rooms" is not a list of room names')
  const rooms = claim.map(raw => {
    const parsed = parseRoomName(raw)
    if (parsed.ok) return parsed.value
    throw new RoomsClaimError(`its claim "rooms" has an invalid name: ${parsed.reason}`)
  })
  return [...new Set(rooms)]
}

/**
 * Signs a token.
 * @param expires lifetime, such as `30d`, `12h` or `15m`
 * @param rooms those that the user may join, in canonical form; undefined: any
 */
export function makeToken(
  key: KeyObject,
  { algorithm, audience, issuer }: Pick<TokenKey, 'algorithm' | 'audience' | 'issuer'>,
  user: string,
  expires: string,
  rooms?: readonly string[],
): Promise<string> {
  const token = new SignJWT(rooms === undefined ? {} : { rooms })
    .setProtectedHeader({ alg: algorithm })
    .setSubject(user)
    .setIssuedAt()
    .setExpirationTime(expires)
  if (audience !== undefined) token.setAudience(audience)
  if (issuer !== undefined) token.setIssuer(issuer)
  return token.sign(key)
}
