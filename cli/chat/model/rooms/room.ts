/** The rooms that the user is in, and which thread a message belongs to. */
import type { RoomState, SessionEvent } from '../../../../src/client/events.ts'
import type { NameList } from '../../../../src/common/sorted-names.ts'
import type { Message, RoomInfo } from '../../../../src/protocol/messages.ts'
import { isRoom } from '../../../../src/protocol/rooms.ts'
import type { MembershipChanges } from './membership.ts'

/** A room that the user is in. The thread with its name has its messages. */
export interface Room {
  readonly name: string
  readonly state: Extract<RoomState, { state: 'waiting' | 'joined' | 'rejected' }>
  /** The users in the room, sorted; the session's own live list. */
  readonly members: NameList
  readonly info: RoomInfo
  /** Who joined and left with the last event, if the thread shows that. */
  readonly announced?: MembershipChanges
}

/** The rooms of the mesh that are not hidden, those with the most members first. */
export type RoomList = Omit<Extract<SessionEvent, { type: 'room-list' }>, 'type'>

/** The name of the thread that a message belongs to: the room, or the other user. */
export function threadName({ from, to }: Pick<Message, 'from' | 'to'>, user: string): string {
  return isRoom(to) || from === user ? to : from
}

/** Why the user cannot write in a room; undefined: they can. @param room undefined: the user is not in it */
export function writeFault(name: string, room: Room | undefined, user: string): string | undefined {
  if (room === undefined) return `you are not in ${name}; /join ${name} to write there`
  if (room.info.write === 'operators' && room.info.operators?.includes(user) !== true)
    return `only operators may write in ${name}`
  return undefined
}
