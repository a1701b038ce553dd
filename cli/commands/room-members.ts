import type { SessionEvent } from '../../src/client/events.ts'
import { EXIT } from '../../src/programs/command-line/fail.ts'
import { printLine } from '../../src/programs/command-line/print.ts'
import { didYouMean } from '../../src/programs/command-line/suggestion.ts'
import { sanitizedJson } from '../../src/protocol/text.ts'
import { lookAlikes } from '../modes/json/format.ts'
import { connectionTarget, parseThreadOption } from '../options.ts'
import { reportSettings, SettingsFile } from '../settings.ts'
import { connectBriefly } from './connect-briefly.ts'
import { confusablesAmong, printNames, type WhoArguments } from './who.ts'

/**
 * Prints the members of a room. Servers tell them to members only: the command joins as another client of the user, for a
 * moment. If the user is not in the room, others would see that, so it must be asked for.
 */
export function roomMembers(given: string, args: WhoArguments): void {
  const room = parseThreadOption('room', given)
  const settings = new SettingsFile()
  reportSettings(settings)
  const target = connectionTarget(args, settings)
  connectBriefly(target, (event, { session, end }) => {
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
  })
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
