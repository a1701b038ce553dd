/** Asks once before something is sent to a user who was never seen: the name may be misspelt. */
import type { Key } from '../../../terminal/key-decoder.ts'
import type { Model } from '../model.ts'
import { isKnownToExist, isSeen, seenUsers, similarUser } from './known-names.ts'

/** Most names remembered that were asked about. */
const MAX_ASKED_NAMES = 1_000

/** The answer to a question that Tab gives: another recipient. */
export interface Suggestion {
  name: string
  /** The input to try again with this recipient; undefined: the draft of the open thread. */
  input: string | undefined
}

/**
 * Whether to ask before something is sent to a user: then the question is in the status row, and the caller leaves the
 * input where it is, so that Enter sends it. While the client connects, it is not known who is online: then the recipient is
 * checked later. Without a server, the history decides, unless it has no users.
 * @param inputFor the input with another recipient; absent: the input is the draft of the open thread
 */
export function asksAboutRecipient(model: Model, to: string, inputFor?: (name: string) => string): boolean {
  if (model.askedNames.has(to) || isSeen(model, to)) return false
  if (!model.hasRoster && (!isOffline(model) || seenUsers(model).size === 0)) {
    if (model.uncheckedNames.size < MAX_ASKED_NAMES) model.uncheckedNames.add(to)
    return false
  }
  const { rosterView } = model
  if (rosterView.isPartial && !rosterView.wasAskedAbout(to)) {
    // The answer of the server is there before the next key.
    rosterView.watch(to)
    model.showQuestion(`looking for "${to}"; Enter sends`, 'info')
    return true
  }
  const similar = similarUser(model, to)
  noteAsked(model, to)
  if (similar === undefined) model.showQuestion(`never seen "${to}"; Enter sends anyway`)
  else {
    model.suggestion = { name: similar, input: inputFor?.(similar) }
    model.showQuestion(`never seen "${to}"; did you mean ${similar}? Enter sends anyway, Tab takes ${similar}`)
  }
  return true
}

/**
 * It is known now who is online: says which recipient of a message that waits was never seen. Only in their thread does
 * `/cancel` take back that message.
 * @param wall ms since 1970
 */
export function checkRecipients(model: Model, wall: number): void {
  for (const to of model.uncheckedNames) {
    if (isKnownToExist(model, to) || model.waiting.idsTo(to).length === 0) continue
    noteAsked(model, to)
    const similar = similarUser(model, to)
    const question = similar === undefined ? '' : ` Did you mean ${similar}?`
    const warning = `never seen "${to}"; /cancel takes the message back.${question}`
    if (model.current?.name !== to) model.threads.get(to)?.addWarning(warning, wall)
    const notice =
      model.current?.name === to ? warning : `never seen "${to}"; a message waits in their thread.${question}`
    model.showQuestion(notice)
  }
  model.uncheckedNames.clear()
}

/** Notes that the user was asked about a name. */
export function noteAsked(model: Model, name: string): void {
  if (model.askedNames.size >= MAX_ASKED_NAMES) model.askedNames.clear()
  model.askedNames.add(name)
}

/** Whether no server has answered the last attempt to connect. */
function isOffline({ connection }: Model): boolean {
  return connection.phase === 'waiting' || (connection.phase === 'connecting' && connection.attempt > 1)
}

/** Handles the key after the question. Returns whether it was the answer. */
export function handleSuggestionKey(model: Model, { name, input }: Suggestion, key: Key): boolean {
  model.suggestion = undefined
  if (key.type !== 'key' || model.bindings.get(key.name) !== 'complete') return false
  if (input !== undefined) {
    model.focusedEditor.set(input)
    return true
  }
  const text = model.current?.editor.takeText() ?? ''
  model.openThread(name)
  const editor = model.current?.editor
  editor?.set(editor.text === '' ? text : `${editor.text}\n${text}`)
  return true
}
