import { EXIT } from '../../src/programs/command-line/fail.ts'
import { isRoom } from '../../src/protocol/rooms.ts'
import { sanitizeLine } from '../../src/protocol/text.ts'
import type { ClientEvent } from '../common/client-events.ts'
import { threadName } from '../common/thread-name.ts'
import { exitAfterOutput } from '../io/exit.ts'
import { Stdout } from '../io/stdout.ts'
import { JsonMode } from '../modes/json/json-mode.ts'
import { LineMode } from '../modes/line/line-mode.ts'
import { NO_SERVICES } from '../modes/line/services.ts'
import { connectionTarget, parseThreadOption, type ServerArguments } from '../options.ts'
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
  const other = args.with === undefined ? undefined : parseThreadOption('--with', args.with)
  const room = other !== undefined && isRoom(other) ? other : undefined
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
    // In a room that is named, only as long as this runs.
    { history: true, ownRooms: room !== undefined },
    event => {
      if (other === undefined || involves(event, other, target.user)) mode.handleEvent(event)
      else if (event.type === 'roster') mode.observeRoster(event)
      if (event.type === 'room' && event.room === room && event.state.state === 'refused')
        end(EXIT.general, sanitizeLine(`cannot join ${room}: ${event.state.message}`))
    },
    end,
  )
  const correspondents = session.history?.threads().map(({ name }) => name) ?? []
  const mode = args.json
    ? new JsonMode(target.user, correspondents, text => stdout.write(text))
    : new LineMode(target.user, correspondents, stdout.asConsole(), undefined, undefined, {
        ...NO_SERVICES,
        history: () => session.history,
        preferences: () => settings.preferencesOf(target.user),
      })
  session.start()
  if (room !== undefined) session.request({ type: 'join', room })
}

function involves(event: ClientEvent, other: string, user: string): boolean {
  if (event.type === 'message') return threadName(event.message, user) === other
  if (event.type === 'room') return event.room === other && event.state.state !== 'refused'
  return event.type === 'connection' || event.type === 'notice'
}
