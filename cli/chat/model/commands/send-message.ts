/** Commands that send a text to a user or a room. */
import { parseNameArgument, parseSoleName, quoteName } from '../../../common/name-argument.ts'
import type { Model, ScreenRequest } from '../model.ts'
import { isKnownName } from '../names/known-names.ts'
import { asksAboutRecipient, noteAsked } from '../names/unseen-recipient.ts'
import { writeFault } from '../rooms/room.ts'
import { lengthFault } from '../text-length.ts'
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
  if (alternative !== undefined && asksWhichName(model, name, alternative)) return keepText(model, rest)
  return sendOrKeep(model, rest)
}

/** Asks once for each two names which of them is meant: the arguments start with both. */
function asksWhichName(model: Model, name: string, { name: other, rest }: { name: string; rest: string }): boolean {
  // Names contain no line breaks.
  const key = `${name}\n${other}`
  if (other === model.user || model.askedNames.has(key)) return false
  noteAsked(model, key)
  const canTake = model.current?.editor.text === ''
  if (canTake) model.suggestion = { name: other, input: `/msg "${other.replace(/["\\]/g, '\\$&')}" ${rest}` }
  const way = canTake ? `Tab takes ${quoteName(other)}` : `for ${other} write /msg "${other}" …`
  model.showQuestion(`to ${quoteName(name)}, or to ${quoteName(other)}? Enter sends to ${quoteName(name)}, ${way}`)
  return true
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
  return keepText(model, text)
}

/** Adds a text to the draft of the open thread. */
function keepText({ current }: Model, text: string): ScreenRequest[] {
  if (current === undefined) return []
  const input = text.startsWith('/') ? `/${text}` : text
  current.editor.set(current.editor.text === '' ? input : `${current.editor.text}\n${input}`)
  return [{ type: 'save' }]
}
