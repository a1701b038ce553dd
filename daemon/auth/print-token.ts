import { ConfigError, readConfig } from '../../src/programs/config.ts'
import { parseUserName } from '../../src/protocol/names.ts'
import { makeToken, readTokenKey } from './tokens.ts'

export interface TokenArguments {
  user: string
  expires: string
  key?: string
  config?: string
}

/**
 * Prints a token for a user, signed with the mesh's key.
 * @throws ConfigError
 */
export async function printToken(args: TokenArguments): Promise<void> {
  const file = args.key ?? readConfig(args.config).tokenKeyFile
  if (file === undefined)
    throw new ConfigError('which key signs it? Set tokenKeyFile in the config, or give --key FILE')
  const name = parseUserName(args.user)
  if (!name.ok) throw new ConfigError(`--user: ${name.reason}`)
  if (!/^\d+[smhdwy]$/.test(args.expires)) {
    throw new ConfigError(`--expires ${args.expires}: give a time such as 12h or 30d`)
  }
  const { signKey, algorithm } = readTokenKey(file)
  if (signKey === undefined) {
    throw new ConfigError(`${file} holds a public key, which only checks; give the private one with --key FILE`)
  }
  console.log(await makeToken(signKey, algorithm, name.value, args.expires))
}
