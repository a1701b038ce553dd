/** Takes messages back that wait. */
import type { Message } from '../../../src/protocol/messages.ts'
import type { Model, ScreenRequest } from './model.ts'

/** `/cancel`: takes back the last message of the open thread that waits; `/cancel all`: all of them. */
export function cancelWaiting(model: Model, args: string): ScreenRequest[] {
  if (model.current === undefined) return fail(model, 'no thread is open')
  if (args !== '' && args !== 'all') return fail(model, 'usage: /cancel [all]')
  const ids = model.waiting.idsTo(model.current.name)
  if (ids.length === 0) return fail(model, 'no message of yours waits in this thread')
  return (args === 'all' ? ids : ids.slice(-1)).map(id => ({ type: 'cancel', id }))
}

/** Takes back the message that the details or the search show, else the last one that waits. */
export function cancelShown(model: Model): ScreenRequest[] {
  const { current, detailsId, overlay, waiting } = model
  const shown = overlay === 'details' ? detailsId : current?.searchMatch?.id
  if (current !== undefined && shown !== undefined && waiting.idsTo(current.name).includes(shown))
    return [{ type: 'cancel', id: shown }]
  return overlay === 'details' ? fail(model, 'this message does not wait') : cancelWaiting(model, '')
}

function fail(model: Model, reason: string): ScreenRequest[] {
  model.showNotice(reason, 'error')
  return []
}

/** A message is taken back: it leaves its thread, and its text returns to the input line if that is empty. */
export function handleCancelled(model: Model, { id, to, text }: Message): void {
  const thread = model.threads.get(to)
  if (thread === undefined) return
  thread.removeMessage(id)
  const { editor } = thread
  const input = text.startsWith('/') ? `/${text}` : text
  // The texts of several messages are restored together.
  const isRestoring = editor.text === '' || editor.text === thread.restoredText
  if (isRestoring) editor.set(editor.text === '' ? input : `${editor.text}\n${input}`)
  thread.restoredText = isRestoring ? editor.text : undefined
  model.showNotice(isRestoring ? 'cancelled; the text is in the input line' : 'cancelled')
}
