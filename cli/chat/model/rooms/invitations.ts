/** Invitations to rooms: messages that any client can read, and that this one offers to accept with a key. */
import { isRoomName } from '../../../../src/protocol/rooms.ts'
import type { ReadonlyModel } from '../readonly-model.ts'

export function invitationText(room: string): string {
  return `Join ${room}: /join ${room}`
}

/** The room that a message invites to; undefined: it is no invitation. */
export function invitedRoom(text: string): string | undefined {
  const [, room] = /^Join (#\S+): \/join \1$/.exec(text) ?? []
  return isRoomName(room) ? room : undefined
}

/**
 * The room that the newest message of the open thread, or the message that the search has found, invites to; undefined:
 * none, or the user is in that room.
 */
export function openInvitation({ current, rooms, user }: ReadonlyModel): string | undefined {
  if (current === undefined) return undefined
  const { searchMatch, entries } = current
  const entry =
    searchMatch === undefined ? entries.findLast(({ kind }) => kind === 'message') : current.entryById(searchMatch.id)
  if (entry === undefined || entry.from === user) return undefined
  const room = invitedRoom(entry.text)
  return room === undefined || rooms.has(room) ? undefined : room
}
