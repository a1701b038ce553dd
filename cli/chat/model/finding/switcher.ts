/** What the switcher lists: all threads, rooms and users. */
import { isRoom } from '../../../../src/protocol/rooms.ts'
import { seenUsers } from '../names/known-names.ts'
import type { ReadonlyModel, ReadonlyThread } from '../readonly-model.ts'

/**
 * The names in the order in which the switcher lists them: threads with mentions, with unread messages, and then those with
 * the latest messages; the open thread after them, so that Enter switches; the other rooms, the other users online, and those who
 * were seen.
 */
export function* switcherNames(model: ReadonlyModel): Generator<string> {
  const { current } = model
  const threads = [...model.threads.values()].filter(thread => thread !== current)
  const lastAt = new Map(threads.map(thread => [thread, thread.lastAt]))
  const activity = (thread: ReadonlyThread) => lastAt.get(thread) ?? 0
  threads.sort((one, other) => attention(other) - attention(one) || activity(other) - activity(one))
  const names = new Set(threads.map(({ name }) => name))
  if (current !== undefined) names.add(current.name)
  for (const { room } of model.roomList?.rooms ?? []) names.add(room)
  yield* names
  for (const name of new Set([...seenUsers(model), ...usersOnline(model)])) if (!names.has(name)) yield name
}

/** The users online that this client knows of: those of the roster, and those that the server has found. */
export function* usersOnline({ online, rosterView }: ReadonlyModel): Generator<string> {
  yield* online
  for (const name of rosterView.found?.users ?? []) if (!online.has(name)) yield name
}

function attention({ mentionCount, unreadCount }: ReadonlyThread): number {
  if (mentionCount > 0) return 2
  return unreadCount > 0 ? 1 : 0
}

/** Whether choosing a name in the switcher joins a room. */
export function joinsRoom({ rooms }: ReadonlyModel, name: string): boolean {
  return isRoom(name) && !rooms.has(name)
}
