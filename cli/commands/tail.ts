import type { ClientEvent } from '../client-events.ts'
import { exitAfterOutput } from '../io/exit.ts'
import { Stdout } from '../io/stdout.ts'
import { JsonMode } from '../modes/json-mode.ts'
import { LineMode } from '../modes/line-mode.ts'
import { connectionTarget, parseNameOption, type ServerArguments } from '../options.ts'
import { goOnline } from '../session/go-online.ts'
import { reportSettings, SettingsFile } from '../settings.ts'

interface TailArguments extends ServerArguments {
  user?: string
  with?: string
  json?: boolean
}

/** Prints a user's messages as they arrive, until a signal. */
export function tail(args: TailArguments): void {
  const settings = new SettingsFile()
  reportSettings(settings)
  const target = connectionTarget(args, settings)
  const other = args.with === undefined ? undefined : parseNameOption('--with', args.with)
  const end = (code: number, message?: string) => {
    if (hasEnded) return
    hasEnded = true
    session.request({ type: 'close' })
    session.closeFiles()
    void exitAfterOutput(stdout, code, message)
  }
  const stdout = new Stdout(end)
  let hasEnded = false
  const session = goOnline(
    target,
    { history: true },
    event => {
      if (other === undefined || involves(event, other)) mode.handleEvent(event)
      else if (event.type === 'roster') mode.observeRoster(event)
    },
    end,
  )
  const correspondents = session.history?.threads().map(({ name }) => name) ?? []
  const mode = args.json
    ? new JsonMode(target.user, correspondents, text => stdout.write(text))
    : new LineMode(target.user, correspondents, stdout.asConsole())
  session.start()
}

function involves(event: ClientEvent, other: string): boolean {
  if (event.type === 'message') return event.message.from === other || event.message.to === other
  return event.type === 'connection' || event.type === 'notice'
}
