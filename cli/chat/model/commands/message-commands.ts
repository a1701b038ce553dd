/** The slash commands that act on a message. */
import { parseChoice } from '../../../common/message-choice.ts'
import type { Model, ScreenRequest } from '../model.ts'
import { isKnownName } from '../names/known-names.ts'
import { writeFault } from '../rooms/room.ts'
import { askToDelete, editMessage, reactToMessage, sendText, startEdit } from '../threads/message-selection.ts'
import type { Thread } from '../threads/thread.ts'
import { type Command, notify } from './command.ts'

export const MESSAGE_COMMANDS: readonly Command[] = [
  {
    name: 'edit',
    usage: '[-N] [TEXT]',
    help: 'edit the selected message, or your last one',
    run: (model, args) =>
      inThread(model, thread => {
        const { choice, rest } = choose(model, args, 'self')
        return rest === '' ? startEdit(model, thread, choice) : editMessage(model, thread, rest, choice)
      }),
  },
  {
    name: 'delete',
    usage: '[-N]',
    help: 'delete the selected message, or your last one',
    run: (model, args) =>
      inThread(model, () => {
        const { choice, rest } = choose(model, args, 'self')
        return rest === '' ? askToDelete(model, choice) : notify(model, 'usage: /delete [-N]', 'error')
      }),
  },
  {
    name: 'react',
    usage: '[-N|@NAME] EMOJI',
    help: 'react to the selected message, or the last one',
    takesMessage: true,
    run: (model, args) =>
      inThread(model, thread => {
        const { choice, rest } = choose(model, args, 'others')
        return reactToMessage(model, thread, rest, choice)
      }),
  },
  {
    name: 'me',
    usage: 'TEXT',
    help: 'say what you do: /me waves',
    run: (model, args) => inThread(model, thread => sendText(thread, `/me ${args}`)),
  },
]

/** The message that the arguments name, if they do, and the rest of them. */
export function choose(model: Model, args: string, by: 'self' | 'others') {
  return parseChoice(args, by, name => isKnownName(model, name)) ?? { choice: undefined, rest: args }
}

/** Runs a command on the open thread. Says so if there is none, or if the user may not write in it. */
function inThread(model: Model, run: (thread: Thread) => ScreenRequest[]): ScreenRequest[] {
  const { current, rooms, user } = model
  if (current === undefined) return notify(model, 'no thread is open', 'error')
  const fault = current.isRoom ? writeFault(current.name, rooms.get(current.name), user) : undefined
  return fault === undefined ? run(current) : notify(model, fault, 'error')
}
