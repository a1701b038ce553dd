import type { Message } from '../../../../src/protocol/messages.ts'
import { isRoom } from '../../../../src/protocol/rooms.ts'

/** What an unread message does besides being counted. */
export interface Alert {
  readonly rings: boolean
  /** Whether it is announced on the desktop. */
  readonly isAnnounced: boolean
}

/**
 * Decides what a new message of another user does. A mention counts in muted rooms, too.
 * @param thread the user or room that the message is listed under
 * @param isMention see `mentionsUser`
 * @param muted the users and rooms that are muted
 */
export function alertFor(
  { from }: Pick<Message, 'from'>,
  thread: string,
  isMention: boolean,
  muted: readonly string[],
): Alert {
  const rings = isMention || !(muted.includes(thread) || muted.includes(from))
  return { rings, isAnnounced: rings && (isMention || !isRoom(thread)) }
}
