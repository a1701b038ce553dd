/** Who is in a room, and who spoke in it. */
import type { ReadonlyModel, ReadonlyThread } from '../readonly-model.ts'

/** Most names of users who spoke last. */
const MAX_SPEAKERS = 200

/** The other users with a message in the loaded part of a thread, those who spoke last first. */
export function recentSpeakers({ entries }: ReadonlyThread, user: string): string[] {
  const names = new Set<string>()
  for (let index = entries.length - 1; index >= 0 && names.size < MAX_SPEAKERS; index--) {
    const entry = entries[index]
    if (entry?.kind === 'message' && entry.from !== user) names.add(entry.from)
  }
  return [...names]
}

/** The members of a room who are online, by name, and then those who spoke last and are not there. */
export function* membersAndSpeakers(model: ReadonlyModel, room: string): Generator<string> {
  const members = model.rooms.get(room)?.members
  if (members !== undefined) yield* members
  const thread = model.threads.get(room)
  if (thread === undefined) return
  for (const name of recentSpeakers(thread, model.user)) if (members?.has(name) !== true) yield name
}
