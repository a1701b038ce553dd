import { readFileSync, statSync } from 'node:fs'
import { ConfigError } from '../../src/programs/config.ts'

/** A secret shorter than this, in characters, could be guessed by one who recorded a handshake. */
const MIN_SECRET_LENGTH = 16

/**
 * The secret that all servers of a mesh share: `MESH_CHAT_SECRET`, else the file that the config names. Empty where
 * there is none.
 * @throws ConfigError for one that is too short, or a file that others can read
 */
export function readSecret(file: string | undefined, env: NodeJS.ProcessEnv = process.env): string {
  const given = env.MESH_CHAT_SECRET
  if (given) return checkSecretLength(given, 'MESH_CHAT_SECRET')
  if (file === undefined) return ''
  return checkSecretLength(readPrivateFile('secretFile', file).trim(), file)
}

/**
 * Reads a file that nobody but its owner may read.
 * @param field of the config, for the error
 * @param isSecret whether this text needs that; all do, unless told otherwise
 * @throws ConfigError
 */
export function readPrivateFile(field: string, file: string, isSecret: (text: string) => boolean = () => true): string {
  try {
    const text = readFileSync(file, 'utf8')
    if (!isSecret(text) || (statSync(file).mode & 0o077) === 0) return text
  } catch (error) {
    throw new ConfigError(`${field}: cannot read ${file}: ${(error as Error).message}`)
  }
  throw new ConfigError(`${file}: others can read this secret; mend it with: chmod 600 ${file}`)
}

/**
 * @param where the secret stands, for the error
 * @throws ConfigError
 */
export function checkSecretLength(secret: string, where: string): string {
  if (secret.length >= MIN_SECRET_LENGTH) return secret
  throw new ConfigError(
    `${where}: a secret has ${MIN_SECRET_LENGTH} characters or more; make one with: openssl rand -base64 32`,
  )
}

/** Whether an address stands for all addresses of a machine. */
export function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}
