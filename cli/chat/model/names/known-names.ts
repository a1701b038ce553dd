/** Which users this client has seen. */
import { closestWord } from '../../../../src/programs/command-line/suggestion.ts'
import type { ReadonlyModel } from '../readonly-model.ts'
import { recentSpeakers } from '../rooms/members.ts'

/** Whether a user is online, in a room with this user, in the history, or has a known key. */
export function isSeen(model: ReadonlyModel, name: string): boolean {
  return isKnownToExist(model, name) || model.threads.get(name)?.hasMessages === true
}

/** The same without the messages of this user to them. */
export function isKnownToExist(model: ReadonlyModel, name: string): boolean {
  if (name === model.user || model.isOnline(name) || model.userKeys.has(name)) return true
  if (model.threads.get(name)?.entries.some(({ from }) => from === name)) return true
  for (const { members } of model.rooms.values()) if (members.has(name)) return true
  return speakers(model).includes(name)
}

/** Whether a name may be meant by a command: that of a user who was seen, or of an open thread. */
export function isKnownName(model: ReadonlyModel, name: string): boolean {
  return model.threads.has(name) || isSeen(model, name)
}

/** The users that {@link isSeen} holds for, those online first. */
export function seenUsers(model: ReadonlyModel): Set<string> {
  const names = new Set<string>([...model.online, ...model.userKeys.keys()])
  for (const { name, isRoom, hasMessages } of model.threads.values()) if (!isRoom && hasMessages) names.add(name)
  for (const { members } of model.rooms.values()) for (const name of members) names.add(name)
  for (const name of speakers(model)) names.add(name)
  return names
}

/** The user that a name which was never seen most likely means; undefined: none is similar. */
export function similarUser(model: ReadonlyModel, name: string): string | undefined {
  return closestWord(
    name,
    [...seenUsers(model)].filter(seen => seen !== model.user && seen !== name),
  )
}

function speakers(model: ReadonlyModel): string[] {
  return [...model.threads.values()].filter(({ isRoom }) => isRoom).flatMap(room => recentSpeakers(room, model.user))
}
