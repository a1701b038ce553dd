/** Takes messages back that wait. */
import { actionOf, parseContent } from '../../../src/protocol/message-kinds.ts'
import type { Message } from '../../../src/protocol/messages.ts'
import { cancelledText } from '../../common/waiting-messages.ts'
import type { Model, ScreenRequest } from './model.ts'
import type { Thread } from './threads/thread.ts'

/** `/cancel`: takes back the selected message of the open thread, or the last one that waits; `/cancel all`: all of them. */
export function cancelWaiting(model: Model, args: string): ScreenRequest[] {
  if (model.current === undefined) return fail(model, 'no thread is open')
  if (args !== '' && args !== 'all') return fail(model, 'usage: /cancel [all]')
  if (args === '' && model.current.selection !== undefined) return cancelSelected(model, model.current)
  const { name } = model.current
  const last = model.waiting.lastTo(name)
  if (last === undefined) return fail(model, 'no message of yours waits in this thread')
  return (args === 'all' ? model.waiting.idsTo(name) : [last]).map(id => ({ type: 'cancel', id }))
}

/** Takes back the message that is selected, or that the details or the search show, else the last one that waits. */
export function cancelShown(model: Model): ScreenRequest[] {
  const { current, detailsId, overlay, waiting } = model
  const shown = overlay === 'details' ? detailsId : current?.searchMatch?.id
  if (overlay !== 'details' && current?.selection !== undefined) return cancelSelected(model, current)
  if (current !== undefined && shown !== undefined && waiting.idsTo(current.name).includes(shown))
    return [{ type: 'cancel', id: shown }]
  return overlay === 'details' ? fail(model, 'this message does not wait') : cancelWaiting(model, '')
}

function cancelSelected(model: Model, thread: Thread): ScreenRequest[] {
  const { id = '', from = '' } = thread.selection ?? {}
  if (from !== model.user || !model.waiting.has(id)) return fail(model, 'this message does not wait')
  thread.selection = undefined
  return [{ type: 'cancel', id }]
}

function fail(model: Model, reason: string): ScreenRequest[] {
  model.showNotice(reason, 'error')
  return []
}

/** A message that waited when the user deleted it does not wait any more: it is deleted like any other. */
export function deleteDiscarded(model: Model, id: string): ScreenRequest[] {
  model.discarded.delete(id)
  const target = { id, from: model.user }
  const thread = [...model.threads.values()].find(one => one.messageOf(target) !== undefined)
  return thread === undefined ? [] : [{ type: 'change', to: thread.name, change: { kind: 'delete', target } }]
}

/**
 * A message is taken back: it leaves its thread, and its text returns to the input line if that is empty.
 * @param isDeleted whether it is deleted for everyone, because others may have it: then its place remains
 */
export function handleCancelled(model: Model, { id, from, to, text }: Message, isDeleted = false): void {
  const thread = model.threads.get(to)
  if (thread === undefined) return
  const content = parseContent(text, from)
  if (content.kind !== 'text') {
    thread.takeBackChange(id)
    return model.showNotice(content.kind === 'react' ? 'the reaction is cancelled' : `the ${content.kind} is cancelled`)
  }
  if (isDeleted) thread.forgetProgress(id)
  else thread.removeMessage(id)
  if (model.discarded.delete(id)) return model.showNotice('deleted')
  const { editor } = thread
  const isCommand = content.text.startsWith('/') && actionOf(content.text) === undefined
  const input = isCommand ? `/${content.text}` : content.text
  // The texts of several messages are restored together.
  const isRestoring = editor.text === '' || editor.text === thread.restoredText
  if (isRestoring) {
    if (editor.text === '' && content.reply !== undefined)
      thread.draftTarget ??= { kind: 'reply', target: content.reply, previousDraft: '' }
    editor.set(editor.text === '' ? input : `${editor.text}\n${input}`)
  }
  thread.restoredText = isRestoring ? editor.text : undefined
  const outcome = cancelledText(isDeleted)
  model.showNotice(isRestoring ? `${outcome}; the text is in the input line` : outcome)
}
