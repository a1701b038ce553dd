/** Suggestions for names that were misspelt. */
import { closestWord } from '../../../../src/programs/command-line/suggestion.ts'
import { isRoom } from '../../../../src/protocol/rooms.ts'
import type { ReadonlyModel } from '../readonly-model.ts'

/** The known user, or for a text with `#` the known room, that a misspelt name most likely means; undefined: none is similar. */
export function nearestName(model: ReadonlyModel, typed: string): string | undefined {
  const rooms = () => new Set([...model.rooms.keys(), ...(model.roomList?.rooms ?? []).map(({ room }) => room)])
  const users = () => new Set([...model.threads.keys(), ...model.online])
  const names = isRoom(typed) ? rooms() : users()
  return closestWord(
    typed.trim(),
    [...names].filter(name => isRoom(name) === isRoom(typed)),
  )
}
