/** The slash commands that act on a message. */
import { askToDelete, editMessage, reactToMessage, sendText, startEdit } from '../message-selection.ts'
import type { Model, ScreenRequest } from '../model.ts'
import { writeFault } from '../rooms/room.ts'
import type { Thread } from '../thread.ts'
import { type Command, notify } from './command.ts'

export const MESSAGE_COMMANDS: readonly Command[] = [
  {
    name: 'edit',
    usage: '[TEXT]',
    help: 'edit the selected message, or your last one',
    run: (model, args) =>
      inThread(model, thread => (args === '' ? startEdit(model, thread) : editMessage(model, thread, args))),
  },
  {
    name: 'delete',
    usage: '',
    help: 'delete the selected message, or your last one',
    run: model => inThread(model, () => askToDelete(model)),
  },
  {
    name: 'react',
    usage: 'EMOJI',
    help: 'react to the selected message, or the last one',
    run: (model, args) => inThread(model, thread => reactToMessage(model, thread, args)),
  },
  {
    name: 'me',
    usage: 'TEXT',
    help: 'say what you do: /me waves',
    run: (model, args) => inThread(model, thread => sendText(thread, `/me ${args}`)),
  },
]

/** Runs a command on the open thread. Says so if there is none, or if the user may not write in it. */
function inThread(model: Model, run: (thread: Thread) => ScreenRequest[]): ScreenRequest[] {
  const { current, rooms, user } = model
  if (current === undefined) return notify(model, 'no thread is open', 'error')
  const fault = current.isRoom ? writeFault(current.name, rooms.get(current.name), user) : undefined
  return fault === undefined ? run(current) : notify(model, fault, 'error')
}
