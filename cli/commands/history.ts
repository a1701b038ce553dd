import { ConfusableNames } from '../../src/common/confusables.ts'
import { EXIT, fail } from '../../src/programs/fail.ts'
import { sanitizedJson } from '../../src/protocol/text.ts'
import { History } from '../history/history.ts'
import { messageLine, nameText } from '../modes/message-line.ts'
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
  const columns = process.stdout.isTTY ? process.stdout.columns : undefined
  const confusables = new ConfusableNames()
  confusables.keep([user, ...history.threads().map(({ name }) => name)])
  for (const message of history.all(other)) {
    const looksLike = confusables.find(message.from === user ? message.to : message.from)
    if (args.json) console.log(sanitizedJson(looksLike === undefined ? message : { ...message, looksLike }))
    else {
      const { at, from, to, text } = message
      const time = new Date(at).toISOString().slice(0, 16).replace('T', ' ')
      console.log(messageLine(`${time} ${nameText(from, confusables)} → ${nameText(to, confusables)}`, text, columns))
    }
  }
  history.close()
}
