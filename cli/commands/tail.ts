import type { SessionEvent } from '../../src/client/events.ts'
import { fail } from '../../src/programs/fail.ts'
import { History } from '../history/history.ts'
import { JsonMode } from '../modes/json-mode.ts'
import { LineMode } from '../modes/line-mode.ts'
import { checkedName, type ServerArguments, whereabouts } from '../options.ts'
import { goOnline } from '../session/go-online.ts'
import { SettingsFile } from '../settings.ts'

interface TailArguments extends ServerArguments {
  user?: string
  with?: string
  json?: boolean
}

/** Prints a user's messages as they come, until a signal. */
export function tail(args: TailArguments): void {
  const where = whereabouts(args, new SettingsFile())
  const other = args.with === undefined ? undefined : checkedName('--with', args.with)
  const mode = args.json ? new JsonMode() : new LineMode(where.user)
  goOnline(
    where,
    new History(where.user),
    event => {
      if (other === undefined || concerns(event, other)) mode.take(event)
    },
    fail,
  )
}

function concerns(event: SessionEvent, other: string): boolean {
  if (event.type === 'message') return event.message.from === other || event.message.to === other
  return event.type === 'connection'
}
