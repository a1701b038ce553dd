/** Joins and leaves rooms. */
import { SortedNames } from '../../../../src/common/sorted-names.ts'
import type { Model, ScreenRequest } from '../model.ts'

/** Opens a room, and joins it if the user is not in it. */
export function joinRoom(model: Model, name: string): ScreenRequest[] {
  const isNew = !model.rooms.has(name)
  // A message can be typed at once; it waits until the server has put the user into the room.
  if (isNew) model.rooms.set(name, { name, state: { state: 'waiting' }, members: new SortedNames(), info: {} })
  model.openThread(name)
  return isNew ? [{ type: 'join', room: name }, { type: 'save' }] : [{ type: 'save' }]
}

/** Leaves a room. If it is open, opens another thread. */
export function leaveRoom(model: Model, name: string): ScreenRequest[] {
  model.rooms.delete(name)
  if (model.current?.name === name) {
    model.current = undefined
    const next = model.threadsByActivity()[0]
    if (next !== undefined) model.openThread(next.name)
  }
  model.showNotice(`left ${name}`)
  return [{ type: 'part', room: name }, { type: 'save' }]
}
