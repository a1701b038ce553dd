import type { SessionEvent } from '../../src/client/events.ts'
import { EXIT, fail } from '../../src/programs/fail.ts'
import { printLine } from '../../src/programs/print.ts'
import { didYouMean } from '../../src/programs/suggestion.ts'
import { sanitizedJson, sanitizeLine } from '../../src/protocol/text.ts'
import { lookAlikes } from '../modes/json-format.ts'
import { connectionTarget, parseThreadOption, type ServerArguments } from '../options.ts'
import { goOnline } from '../session/go-online.ts'
import { reportSettings, SettingsFile } from '../settings.ts'
import { confusablesAmong, printNames } from './who.ts'

/** How long to wait for a connection and the answer, ms. */
const ANSWER_TIMEOUT_MS = 10_000

export interface WhoArguments extends ServerArguments {
  user?: string
  join?: boolean
  json?: boolean
}

/**
 * Prints the members of a room. Servers tell them to members only: the command joins as another client of the user, for a
 * moment. If the user is not in the room, others would see that, so it must be asked for.
 */
export function roomMembers(given: string, args: WhoArguments): void {
  if (!given.startsWith('#'))
    fail(EXIT.usage, `${sanitizeLine(given)} is not a room; give one such as '#ops', or no name`)
  const room = parseThreadOption('room', given)
  const settings = new SettingsFile()
  reportSettings(settings)
  const target = connectionTarget(args, settings)
  const end = (code: number, line?: string): never => {
    session.request({ type: 'close' })
    session.closeFiles()
    if (line !== undefined) fail(code, sanitizeLine(line))
    process.exit(code)
  }
  const session = goOnline(
    target,
    // A message that comes meanwhile is stored.
    { history: true, ownOutbox: true, ownRooms: true, roomHistoryDays: 0 },
    event => {
      if (event.type === 'notice') console.error(sanitizeLine(`mesh-chat: ${event.text}`))
      if (event.type === 'connection' && event.state.phase === 'online') {
        const mayJoin = args.join || session.hasJoined(room)
        session.request(mayJoin ? { type: 'join', room } : { type: 'list-rooms' })
      }
      if (event.type === 'room-list') end(EXIT.general, describeRoom(room, event))
      if (event.type !== 'room' || event.room !== room) return
      const { state } = event
      if (state.state === 'refused' || state.state === 'rejected') {
        end(EXIT.general, `cannot join ${room}: ${state.message}`)
      }
      if (state.state !== 'joined') return
      printMembers(event, target.user, args.json === true)
      end(0)
    },
    end,
  )
  session.start()
  setTimeout(() => end(EXIT.unavailable, `no answer within ${ANSWER_TIMEOUT_MS / 1_000} s`), ANSWER_TIMEOUT_MS)
}

/** What the list of rooms says about a room, and how to learn more. */
function describeRoom(room: string, { rooms }: Extract<SessionEvent, { type: 'room-list' }>): string {
  const found = rooms.find(one => one.room === room)
  if (found === undefined) {
    const names = rooms.map(({ room }) => room)
    return `there is no room ${room}, or it is hidden${didYouMean(room, names)}`
  }
  const count = found.members === 1 ? '1 member' : `${found.members} members`
  return `${room} has ${count}, and only members are told who: add --join to join it for a moment, which they see`
}

function printMembers(
  { room, members, info }: Extract<SessionEvent, { type: 'room' }>,
  user: string,
  json: boolean,
): void {
  // A server may list the user a moment later.
  const names = members.has(user) ? [...members] : [...members, user].sort()
  if (!json) return printNames(names)
  const { topic } = info
  const described = { room, ...(topic === undefined ? {} : { topic }), members: names }
  printLine(sanitizedJson({ ...described, ...lookAlikes(members, confusablesAmong(names)) }))
}
