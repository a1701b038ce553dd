import { createPublicKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { EXIT, fail, readErrorReason } from '../../src/programs/fail.ts'
import { fingerprint } from '../keys/fingerprint.ts'
import { KeyError, KeyFiles } from '../keys/key-files.ts'
import { parseNameOption } from '../options.ts'
import { SettingsFile } from '../settings.ts'

interface IdentityArguments {
  user?: string
  replace?: boolean
}

/** Shows, exports or imports a user's key. */
export function identity(
  action: 'show' | 'export' | 'import',
  file: string | undefined,
  args: IdentityArguments,
): void {
  const given = args.user ?? new SettingsFile().settings.user ?? fail(EXIT.usage, 'no user name given; add --user NAME')
  const user = parseNameOption('--user', given)
  const files = new KeyFiles(user)
  try {
    if (action !== 'import' && !files.hasKey) {
      fail(
        EXIT.general,
        `${user} has no key on this machine; connect to a mesh in key mode to create one, or use: mesh-chat identity import`,
      )
    }
    if (action === 'export') process.stdout.write(files.load().export({ format: 'pem', type: 'pkcs8' }))
    else {
      const pem = action === 'import' ? readExportedKey(file) : undefined
      const key = pem === undefined ? files.load() : files.import(pem, args.replace === true)
      const { x = '' } = createPublicKey(key).export({ format: 'jwk' })
      console.log(`${user}\n${fingerprint(x)}\n${x}`)
    }
  } catch (error) {
    const { message } = error as Error
    fail(EXIT.general, error instanceof KeyError ? message : `cannot ${action} the key: ${message}`)
  }
}

/** The exported key in a file. `-` or undefined: stdin. */
function readExportedKey(file = '-'): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8')
  } catch (error) {
    const source = file === '-' ? 'stdin' : file
    return fail(
      EXIT.usage,
      `cannot read ${source}: ${readErrorReason(error)}; give the file that "mesh-chat identity export" wrote`,
    )
  }
}
