import { printLine } from '../../src/programs/command-line/print.ts'
import { type Config, ConfigError, readConfig, readLocalConfig } from '../../src/programs/config.ts'
import { parseUserName } from '../../src/protocol/names.ts'
import { MAX_TOKEN_LENGTH } from '../../src/protocol/proofs/credentials.ts'
import { parseRoomName } from '../../src/protocol/rooms.ts'
import { makeToken, readTokenKey } from './tokens.ts'

export interface TokenArguments {
  user: string
  expires: string
  key?: string
  config?: string
  /** `aud` and `iss` of the token; default: those that the config requires. */
  audience?: string
  issuer?: string
  /** The rooms that the user may join; default: any. */
  room?: string[]
}

/**
 * Prints a token for a user, signed with the key of the mesh.
 * @throws ConfigError
 */
export async function printToken(args: TokenArguments): Promise<void> {
  const config = readTokenConfig(args)
  const file = args.key ?? config?.tokenKeyFile
  if (file === undefined)
    throw new ConfigError('no key to sign with is set; set tokenKeyFile in the config, or give --key FILE')
  const name = parseUserName(args.user)
  if (!name.ok) throw new ConfigError(`--user: ${name.reason}`)
  if (!/^\d+[smhdwy]$/.test(args.expires)) {
    throw new ConfigError(`--expires ${args.expires} is not a duration; give one such as 12h or 30d`)
  }
  const rooms = args.room?.map(parseRoomOption)
  const claims = {
    audience: args.audience ?? config?.tokenAudience,
    issuer: args.issuer ?? config?.tokenIssuer,
  }
  const key = readTokenKey(file, claims)
  const { signKey } = key
  if (signKey === undefined) {
    throw new ConfigError(`${file} is a public key, which cannot sign tokens; give the private key with --key FILE`)
  }
  const token = await makeToken(signKey, key, name.value, args.expires, rooms)
  if (token.length > MAX_TOKEN_LENGTH) {
    throw new ConfigError(`the token would have more than ${MAX_TOKEN_LENGTH} characters; give fewer rooms`)
  }
  printLine(token)
}

/** @throws ConfigError */
function parseRoomOption(given: string): string {
  const parsed = parseRoomName(given)
  if (parsed.ok) return parsed.value
  throw new ConfigError(`--room ${given} is not a room name: ${parsed.reason}`)
}

/** The config; with `--key` it is optional, because a machine that signs tokens may have none. */
function readTokenConfig({ key, config }: TokenArguments): Config | undefined {
  return key !== undefined && config === undefined ? readLocalConfig() : readConfig(config)
}
