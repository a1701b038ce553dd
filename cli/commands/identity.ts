import { createPublicKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { EXIT, fail, readErrorReason } from '../../src/programs/command-line/fail.ts'
import { print, printLine } from '../../src/programs/command-line/print.ts'
import { withoutByteOrderMark } from '../../src/programs/json-text.ts'
import { readInput } from '../io/stdin.ts'
import { fingerprint } from '../keys/fingerprint.ts'
import { KeyError, KeyFiles } from '../keys/key-files.ts'
import { parseNameOption } from '../options.ts'
import { reportSettings, SettingsFile } from '../settings.ts'

interface IdentityArguments {
  user?: string
  replace?: boolean
}

/** Shows, exports or imports a user's key. */
export async function identity(
  action: 'show' | 'export' | 'import',
  file: string | undefined,
  args: IdentityArguments,
): Promise<void> {
  const settings = new SettingsFile()
  reportSettings(settings)
  const given = args.user ?? settings.settings.user ?? fail(EXIT.usage, 'no user name given; add --user NAME')
  const user = parseNameOption('--user', given)
  const files = new KeyFiles(user)
  try {
    if (action !== 'import' && !files.hasKey) {
      fail(
        EXIT.general,
        `${user} has no key on this machine; connect to a mesh in key mode to create one, or use: mesh-chat identity import`,
      )
    }
    if (action === 'export') print(files.load().export({ format: 'pem', type: 'pkcs8' }).toString())
    else {
      const pem = action === 'import' ? await readExportedKey(file) : undefined
      const key = pem === undefined ? files.load() : files.import(pem, args.replace === true)
      const { x = '' } = createPublicKey(key).export({ format: 'jwk' })
      printLine(`${user}\n${fingerprint(x)}\n${x}`)
    }
  } catch (error) {
    const { message } = error as Error
    fail(EXIT.general, error instanceof KeyError ? message : `cannot ${action} the key: ${message}`)
  }
}

/** The exported key in a file. `-` or undefined: stdin. */
async function readExportedKey(file = '-'): Promise<string> {
  const remedy = 'give the file that "mesh-chat identity export" wrote'
  if (file === '-') return readInput().catch((error: Error) => fail(EXIT.usage, `${error.message}; ${remedy}`))
  try {
    return withoutByteOrderMark(readFileSync(file, 'utf8'))
  } catch (error) {
    return fail(EXIT.usage, `cannot read ${file}: ${readErrorReason(error)}; ${remedy}`)
  }
}
