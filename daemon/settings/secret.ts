import { readFileSync, statSync } from 'node:fs'
import { deflateRawSync } from 'node:zlib'
import { ConfigError } from '../../src/programs/config.ts'

/** Characters. A shorter secret could be guessed offline from a recorded handshake. */
const MIN_SECRET_LENGTH = 16
/** Bytes. A secret that compresses to less is easy to guess; 16 random hexadecimal digits take at least 14. */
const MIN_COMPRESSED_SECRET_BYTES = 12
/** The order of keys on keyboards: rows (QWERTY, QWERTZ, AZERTY), columns, and the digits mixed with the first row. */
const KEY_ORDERS = [
  '1234567890-=qwertyuiop[]asdfghjkl;zxcvbnm,./',
  'qwertzuiopasdfghjklyxcvbnm',
  'azertyuiopqsdfghjklmwxcvbn',
  '1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/',
  '1q2w3e4r5t6y7u8i9o0p',
]
const KEY_SEQUENCES = Buffer.from(
  KEY_ORDERS.flatMap(keys => [keys, [...keys].reverse().join('')])
    .flatMap(keys => [keys, keys.toUpperCase()])
    .join('\n'),
)

export const EASY_SECRET = 'the secret repeats characters or is a sequence of them, and is easy to guess'
export const NEW_SECRET_HINT = 'make one with: openssl rand -base64 32'

/**
 * Returns the secret that all servers of a mesh share: `MESH_CHAT_SECRET`, else the content of `file`, else ''.
 * @throws ConfigError if it is too short, or the file is readable by other users
 */
export function readSecret(file: string | undefined, env: NodeJS.ProcessEnv = process.env): string {
  const given = env.MESH_CHAT_SECRET
  if (given) return checkSecretLength(given, 'MESH_CHAT_SECRET')
  if (file === undefined) return ''
  return checkSecretLength(readPrivateFile('secretFile', file).trim(), file)
}

/**
 * Returns the secret before a rotation: `MESH_CHAT_PREVIOUS_SECRET`, else the content of `file`, else undefined. The text
 * `none` means that the mesh had no secret: ''.
 * @throws ConfigError if it is too short, or the file is readable by other users
 */
export function readPreviousSecret(file: string | undefined, env: NodeJS.ProcessEnv = process.env): string | undefined {
  const given = env.MESH_CHAT_PREVIOUS_SECRET
  const check = (secret: string, where: string) => (secret === 'none' ? '' : checkSecretLength(secret, where))
  if (given) return check(given, 'MESH_CHAT_PREVIOUS_SECRET')
  return file === undefined ? undefined : check(readPrivateFile('previousSecretFile', file).trim(), file)
}

/**
 * Checks the secrets of a rotation.
 * @throws ConfigError if there is a previous secret but no current one, or both are the same
 */
export function checkRotation(secret: string, previousSecret: string | undefined): void {
  if (previousSecret === undefined) return
  if (secret === '')
    throw new ConfigError('a previous secret is set, but no secret; set both, or unset the previous one')
  if (secret === previousSecret)
    throw new ConfigError(
      'the secret and the previous secret are the same; make a new secret, or unset the previous one',
    )
}

/**
 * Reads a file that only its owner may read.
 * @param field the config field, for the error
 * @param isSecret whether this content must be private; by default all content
 * @throws ConfigError
 */
export function readPrivateFile(field: string, file: string, isSecret: (text: string) => boolean = () => true): string {
  try {
    const text = readFileSync(file, 'utf8')
    if (!isSecret(text) || (statSync(file).mode & 0o077) === 0) return text
  } catch (error) {
    throw new ConfigError(
      `${field}: cannot read ${file} (${(error as Error).message}); correct the path or the permissions`,
    )
  }
  throw new ConfigError(`${file} is readable by other users; fix it with: chmod 600 ${file}`)
}

/**
 * @param where the secret comes from, for the error
 * @throws ConfigError
 */
export function checkSecretLength(secret: string, where: string): string {
  if (secret.length < MIN_SECRET_LENGTH) {
    throw new ConfigError(`${where}: the secret has fewer than ${MIN_SECRET_LENGTH} characters; ${NEW_SECRET_HINT}`)
  }
  if (compressedBytes(secret) >= MIN_COMPRESSED_SECRET_BYTES) return secret
  throw new ConfigError(`${where}: ${EASY_SECRET}; ${NEW_SECRET_HINT}`)
}

/**
 * The length of a text after compression (deflate, RFC 1951), bytes: an upper bound of its randomness. Repeated
 * characters and words add next to nothing, nor do sequences: keys in the order of the keyboard, or characters with equal
 * or repeated distances (`abcd`, `9876`, `a1b2c3`).
 */
export function compressedBytes(text: string | Buffer): number {
  const bytes = Buffer.from(text)
  const distances = bytes.map((byte, at) => (at === 0 ? byte : byte - (bytes[at - 1] ?? 0)))
  const compressed = [
    deflateRawSync(bytes, { level: 9 }),
    deflateRawSync(bytes, { level: 9, dictionary: KEY_SEQUENCES }),
    deflateRawSync(distances, { level: 9 }),
  ]
  return Math.min(...compressed.map(({ length }) => length))
}

/** Whether an address means all addresses of the machine. */
export function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}
