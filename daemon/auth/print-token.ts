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
 * Prints a token for a user, signed with the key of the mesh.
 * @throws ConfigError
 */
export async function printToken(args: TokenArguments): Promise<void> {
  const file = args.key ?? readConfig(args.config).tokenKeyFile
  if (file === undefined)
    throw new ConfigError('no key to sign with is set; set tokenKeyFile in the config, or give --key FILE')
  const name = parseUserName(args.user)
  if (!name.ok) throw new ConfigError(`--user: ${name.reason}`)
  if (!/^\d+[smhdwy]$/.test(args.expires)) {
    throw new ConfigError(`--expires ${args.expires} is not a duration; give one such as 12h or 30d`)
  }
  const { signKey, algorithm } = readTokenKey(file)
  if (signKey === undefined) {
    throw new ConfigError(`${file} is a public key, which cannot sign tokens; give the private key with --key FILE`)
  }
  console.log(await makeToken(signKey, algorithm, name.value, args.expires))
}
