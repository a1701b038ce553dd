/** The commands of the line mode about rooms. */
import { invitationText } from '../../../chat/model/rooms/invitations.ts'
import { parseInvitation } from '../../../common/name-argument.ts'
import { isNewTopic, TOPIC_ORIGIN } from '../../../common/room-topic.ts'
import type { LineState, Send } from '../line-state.ts'
import type { LineCommand } from './command.ts'

export function roomCommands(state: LineState): readonly LineCommand[] {
  return [
    {
      name: 'join',
      usage: '#ROOM',
      help: 'join a room, and send lines to it',
      run: (args, send) => join(state, args, send),
    },
    { name: 'part', usage: '[#ROOM]', help: 'leave a room', run: (args, send) => part(state, args, send) },
    {
      name: 'rooms',
      usage: '[PART]',
      help: 'list rooms whose name or topic contains PART',
      run: (args, send) => {
        state.rooms.listedPart = args
        state.request({ type: 'list-rooms' }, send)
      },
    },
    {
      name: 'names',
      usage: '[#ROOM]',
      help: 'list the members of a room',
      run: args => state.withRoom(args, room => state.print(state.rooms.names(room))),
    },
    {
      name: 'topic',
      usage: '[#ROOM]',
      help: 'show the topic of a room',
      run: args => {
        if (isNewTopic(args, () => false)) state.print(TOPIC_ORIGIN)
        else state.withRoom(args, room => state.print(state.rooms.topic(room)))
      },
    },
    {
      name: 'invite',
      usage: 'NAME [#ROOM]',
      help: 'send NAME an invitation to a room',
      run: (args, send) => invite(state, args, send),
    },
  ]
}

function join(state: LineState, name: string, send: Send): void {
  state.withRoom(name.startsWith('#') ? name : `#${name}`, room => {
    state.recipient = room
    state.rooms.noteJoin(room)
    state.request({ type: 'join', room }, send)
  })
}

function part(state: LineState, name: string, send: Send): void {
  state.withRoom(name, room => {
    const fault = state.rooms.partFault(room)
    if (fault !== undefined) return state.print(fault)
    if (state.recipient === room) state.recipient = undefined
    state.request({ type: 'part', room }, send)
  })
}

function invite(state: LineState, args: string, send: Send): void {
  const invitation = parseInvitation(args)
  if (!invitation.ok) return state.print(invitation.reason)
  const { user } = invitation.value
  state.withRoom(invitation.value.room, room => {
    state.compose(user, invitationText(room), send)
    state.print(`* invited ${state.shown(user)} to ${room}`)
  })
}
