/** The slash commands about rooms. */
import { didYouMean } from '../../../../src/programs/command-line/suggestion.ts'
import type { ParseResult } from '../../../../src/protocol/names.ts'
import { parseRoomName } from '../../../../src/protocol/rooms.ts'
import { parseInvitation, quoteName } from '../../../common/name-argument.ts'
import { isNewTopic, TOPIC_ORIGIN } from '../../../common/room-topic.ts'
import { openFinder } from '../finding/finder.ts'
import type { Model } from '../model.ts'
import { asksAboutRecipient } from '../names/unseen-recipient.ts'
import { invitationText } from '../rooms/invitations.ts'
import { joinRoom, leaveRoom } from '../rooms/join-room.ts'
import type { Room } from '../rooms/room.ts'
import { type Command, notify } from './command.ts'

export const ROOM_COMMANDS: readonly Command[] = [
  {
    name: 'join',
    usage: '#ROOM',
    help: 'join a room and open it',
    takesRoom: true,
    run: (model, args) => {
      const name = parseRoomArgument(args)
      return name.ok ? joinRoom(model, name.value) : notify(model, name.reason, 'error')
    },
  },
  {
    name: 'part',
    usage: '[#ROOM]',
    help: 'leave this room or #ROOM; its history is kept',
    takesRoom: true,
    run: (model, args) => withRoom(model, args, ({ name }) => leaveRoom(model, name)),
  },
  {
    name: 'rooms',
    usage: '[PART]',
    help: 'list rooms whose name or topic contains PART',
    run: (model, args) => {
      openFinder(model, 'rooms', args)
      return [{ type: 'list-rooms' }]
    },
  },
  {
    name: 'names',
    usage: '[#ROOM]',
    help: 'list the members of this room or #ROOM',
    takesRoom: true,
    run: (model, args) =>
      withRoom(model, args, ({ name }) => {
        openFinder(model, 'members', '', name)
        return []
      }),
  },
  {
    name: 'topic',
    usage: '[#ROOM]',
    help: 'show the topic of this room or #ROOM',
    takesRoom: true,
    run: (model, args) => {
      if (isNewTopic(args, room => model.rooms.has(room))) return notify(model, TOPIC_ORIGIN, 'error')
      return withRoom(model, args, ({ name, info: { topic } }) => {
        if (topic === undefined) return notify(model, `${name} has no topic`)
        // A topic may not fit into the status row.
        model.current?.addNote(`topic of ${name}: ${topic}`, 0)
        return model.current === undefined ? notify(model, `topic of ${name}: ${topic}`) : []
      })
    },
  },
  {
    name: 'invite',
    usage: 'NAME [#ROOM]',
    help: 'send NAME an invitation to this room or #ROOM',
    takesName: 'first',
    run: (model, args) => {
      const invitation = parseInvitation(args)
      if (!invitation.ok) return notify(model, invitation.reason, 'error')
      const { user, room: named } = invitation.value
      const room = named === '' ? openRoomName(model) : parseRoomArgument(named)
      if (!room.ok) return notify(model, room.reason, 'error')
      const inputFor = (name: string) => `/invite ${quoteName(name)} ${room.value}`
      if (asksAboutRecipient(model, user, inputFor)) {
        model.focusedEditor.set(inputFor(user))
        return []
      }
      const when = !model.knowsOnline
        ? '; the invitation is sent when you are connected'
        : model.isOnline(user)
          ? ''
          : '; they are offline and get the invitation when they connect'
      notify(model, `invited ${user} to ${room.value}${when}`)
      return [{ type: 'send', to: user, text: invitationText(room.value) }]
    },
  },
]

/** Parses the name of a room, also without its `#`. */
function parseRoomArgument(text: string): ParseResult<string> {
  return parseRoomName(text.startsWith('#') ? text : `#${text}`)
}

function openRoomName({ current }: Model): ParseResult<string> {
  if (current?.isRoom) return { ok: true, value: current.name }
  return { ok: false, reason: 'no room is open; name one with its #, such as #ops' }
}

/** Runs a command on the room that `args` names, or on the open one. Says so if the user is not in it. */
function withRoom(model: Model, args: string, run: (room: Room) => ReturnType<Command['run']>) {
  const name = args === '' ? openRoomName(model) : parseRoomArgument(args)
  if (!name.ok) return notify(model, name.reason, 'error')
  const room = model.rooms.get(name.value)
  if (room === undefined) {
    const suggestion = didYouMean(name.value, [...model.rooms.keys()])
    return notify(model, `you are not in ${name.value}${suggestion || `; /join ${name.value}`}`, 'error')
  }
  return run(room)
}
