/** Commands that send a text to a user or a room. */
import { parseNameArgument, parseSoleName, quoteName } from '../../../name-argument.ts'
import { isKnownName } from '../known-names.ts'
import type { Model, ScreenRequest } from '../model.ts'
import { writeFault } from '../rooms/room.ts'
import { lengthFault } from '../text-length.ts'
import { asksAboutRecipient } from '../unseen-recipient.ts'
import { notify } from './command.ts'

/** Runs a command on the user or room that is its only argument. */
export function withName(model: Model, args: string, run: (name: string) => ScreenRequest[]): ScreenRequest[] {
  const isKnown = (name: string) => isKnownName(model, name)
  const start = parseNameArgument(args, isKnown)
  if (start.ok && !args.startsWith('"') && start.value.rest !== '' && isKnown(start.value.name))
    return notify(model, `never seen "${args}"; write only ${start.value.name}, or the whole name in quotes`, 'error')
  const name = parseSoleName(args)
  return name.ok ? run(name.value) : notify(model, name.reason, 'error')
}

/** `/msg NAME [TEXT]`: opens the thread with the user or room, and sends the text. */
export function sendMessage(model: Model, args: string): ScreenRequest[] {
  const parsed = parseNameArgument(args, name => isKnownName(model, name))
  if (!parsed.ok) return notify(model, parsed.reason, 'error')
  const { name, rest, alternative } = parsed.value
  model.openThread(name)
  if (rest === '') return [{ type: 'save' }]
  const requests = sendOrKeep(model, rest)
  if (alternative !== undefined && model.notice === undefined)
    model.showNotice(`sent to ${quoteName(name)}; for ${alternative} write /msg "${alternative}" …`)
  return requests
}

/** Sends a text to the open thread. If that is not possible, the text becomes the draft. */
export function sendOrKeep(model: Model, text: string): ScreenRequest[] {
  const { current } = model
  if (current === undefined) return []
  const fault =
    lengthFault(model, text) ??
    (current.isRoom ? writeFault(current.name, model.rooms.get(current.name), model.user) : undefined)
  if (fault !== undefined) model.showNotice(fault, 'error')
  else if (current.isRoom || !asksAboutRecipient(model, current.name))
    return [{ type: 'send', to: current.name, text }, { type: 'save' }]
  const input = text.startsWith('/') ? `/${text}` : text
  current.editor.set(current.editor.text === '' ? input : `${current.editor.text}\n${input}`)
  return [{ type: 'save' }]
}
