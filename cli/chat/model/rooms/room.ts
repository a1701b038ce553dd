/** The rooms that the user is in. */
import type { RoomState, SessionEvent } from '../../../../src/client/events.ts'
import type { NameList } from '../../../../src/common/sorted-names.ts'
import type { RoomInfo } from '../../../../src/protocol/messages.ts'
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

/** Whether a user is an operator of a room. @param room undefined: the user of this client is not in it */
export function isOperator(room: Pick<Room, 'info'> | undefined, user: string): boolean {
  return room?.info.operators?.includes(user) === true
}

/** Why the user cannot write in a room; undefined: they can. @param room undefined: the user is not in it */
export function writeFault(name: string, room: Room | undefined, user: string): string | undefined {
  if (room === undefined) return `you are not in ${name}; /join ${name} to write there`
  if (room.info.write === 'operators' && !isOperator(room, user)) return `only operators may write in ${name}`
  return undefined
}
