import { EXIT, fail } from '../../src/programs/fail.ts'
import { visibleJson, visibleText } from '../../src/protocol/text.ts'
import { History } from '../history/history.ts'
import { checkedName } from '../options.ts'
import { SettingsFile } from '../settings.ts'

interface HistoryArguments {
  user?: string
  with?: string
  json?: boolean
}

/** Prints what this machine keeps of a user's messages, the oldest first. */
export function printHistory(args: HistoryArguments): void {
  const given =
    args.user ?? new SettingsFile().settings.user ?? fail(EXIT.usage, 'whose history? Say it with: --user NAME')
  const user = checkedName('--user', given)
  const other = args.with === undefined ? undefined : checkedName('--with', args.with)
  // Whoever read this has gone.
  process.stdout.on('error', () => process.exit(0))
  const history = new History(user)
  for (const message of history.all(other)) {
    if (args.json) console.log(visibleJson(message))
    else {
      const { at, from, to, text } = message
      const time = new Date(at).toISOString().slice(0, 16).replace('T', ' ')
      console.log(visibleText(`${time} ${from} → ${to}: ${text}`))
    }
  }
  history.close()
}
