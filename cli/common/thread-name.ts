import type { Message } from '../../src/protocol/messages.ts'
import { isRoom } from '../../src/protocol/rooms.ts'

/** The thread of a message: its room, or the other user. */
export function threadName({ from, to }: Pick<Message, 'from' | 'to'>, user: string): string {
  return isRoom(to) || from === user ? to : from
}
