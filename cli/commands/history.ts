import { EXIT, fail } from '../../src/programs/fail.ts'
import { sanitizedJson, sanitizeText } from '../../src/protocol/text.ts'
import { formatUtcTime } from '../format-time.ts'
import { History } from '../history/history.ts'
import { parseNameOption } from '../options.ts'
import { SettingsFile } from '../settings.ts'

interface HistoryArguments {
  user?: string
  with?: string
  json?: boolean
}

/** Prints a user's messages stored on this machine, oldest first. */
export function printHistory(args: HistoryArguments): void {
  const given = args.user ?? new SettingsFile().settings.user ?? fail(EXIT.usage, 'no user name given; add --user NAME')
  const user = parseNameOption('--user', given)
  const other = args.with === undefined ? undefined : parseNameOption('--with', args.with)
  // The reader closed the pipe.
  process.stdout.on('error', () => process.exit(0))
  const history = new History(user)
  for (const message of history.all(other)) {
    if (args.json) console.log(sanitizedJson(message))
    else {
      const { at, from, to, text } = message
      const time = formatUtcTime(at)
      console.log(sanitizeText(`${time} ${from} → ${to}: ${text}`))
    }
  }
  history.close()
}
