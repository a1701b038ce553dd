import { createPrivateKey, createPublicKey, createSecretKey, type KeyObject } from 'node:crypto'
import { jwtVerify, SignJWT } from 'jose'
import { ConfigError } from '../../src/programs/config.ts'
import type { Credential } from '../../src/protocol/credentials.ts'
import { readPrivateFile } from '../settings/secret.ts'

/** A secret shorter than this, in bytes, is no key for HS256 (RFC 7518, section 3.2). */
const MIN_SECRET_BYTES = 32
/** Clocks of who signs and who checks may differ by this, s. */
const CLOCK_TOLERANCE_S = 5

/** The key of tokens: one secret that signs and checks (HS256), or an Ed25519 pair (EdDSA) or its public half. */
export interface TokenKey {
  algorithm: 'HS256' | 'EdDSA'
  verifyKey: KeyObject
  /** Absent where the file holds a public key only. */
  signKey: KeyObject | undefined
}

/**
 * Reads the key from a file: PEM for EdDSA, anything else is the secret itself.
 * @throws ConfigError for a key that others can read, is too short, or none
 */
export function readTokenKey(file: string): TokenKey {
  const text = readPrivateFile('tokenKeyFile', file, it => !isPublic(it))
  return parseTokenKey(text.trim(), `tokenKeyFile: ${file}`)
}

/**
 * The key of a text: PEM for EdDSA, anything else is the secret itself.
 * @param where it stands, for the error
 * @throws ConfigError
 */
export function parseTokenKey(text: string, where: string): TokenKey {
  if (!text.startsWith('-----BEGIN')) {
    const secret = Buffer.from(text)
    if (secret.length < MIN_SECRET_BYTES) {
      const hint = 'make one with: openssl rand -base64 32'
      throw new ConfigError(`${where}: a secret has ${MIN_SECRET_BYTES} characters or more; ${hint}`)
    }
    const key = createSecretKey(secret)
    return { algorithm: 'HS256', verifyKey: key, signKey: key }
  }
  try {
    const signKey = text.includes('PRIVATE KEY') ? createPrivateKey(text) : undefined
    const verifyKey = createPublicKey(signKey ?? text)
    if (verifyKey.asymmetricKeyType === 'ed25519') return { algorithm: 'EdDSA', verifyKey, signKey }
  } catch (error) {
    throw new ConfigError(`${where}: ${(error as Error).message}`)
  }
  const hint = 'make one with: openssl genpkey -algorithm ed25519'
  throw new ConfigError(`${where} holds no Ed25519 key; ${hint}`)
}

/** Whether a file holds nothing that is to be kept from others. */
function isPublic(text: string): boolean {
  return text.trimStart().startsWith('-----BEGIN PUBLIC KEY-----') && !text.includes('PRIVATE KEY')
}

/** What a token (JWT, RFC 7519) proves: `sub` is the user's name, `exp` when it ends. */
export async function checkToken(key: TokenKey, token: string): Promise<Credential> {
  try {
    const { payload } = await jwtVerify(token, key.verifyKey, {
      algorithms: [key.algorithm],
      requiredClaims: ['sub', 'exp'],
      clockTolerance: CLOCK_TOLERANCE_S,
    })
    return { kind: 'token', user: payload.sub ?? '', expires: (payload.exp ?? 0) * 1_000 }
  } catch (error) {
    // The library's words name the claim that is wrong; why a signature fails is nobody's business.
    const { code, message } = error as { code?: string; message: string }
    const why =
      code === 'ERR_JWT_EXPIRED' ? 'it has expired' : code?.startsWith('ERR_JWT_CLAIM') ? message : 'it is not valid'
    return { kind: 'invalid', reason: `the token is refused: ${why}; get a new one` }
  }
}

/**
 * Makes a token.
 * @param expires how long it is good for, as `30d`, `12h`, `15m`
 */
export function makeToken(
  key: KeyObject,
  algorithm: TokenKey['algorithm'],
  user: string,
  expires: string,
): Promise<string> {
  return new SignJWT()
    .setProtectedHeader({ alg: algorithm })
    .setSubject(user)
    .setIssuedAt()
    .setExpirationTime(expires)
    .sign(key)
}
