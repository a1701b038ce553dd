/** Asks once before something is sent to a user who was never seen: the name may be misspelt. */
import type { Key } from '../../terminal/key-decoder.ts'
import { isSeen, similarUser } from './known-names.ts'
import type { Model } from './model.ts'

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
 * input where it is, so that Enter sends it. Before the first roster, only a similar name is a reason to ask.
 * @param inputFor the input with another recipient; absent: the input is the draft of the open thread
 */
export function asksAboutRecipient(model: Model, to: string, inputFor?: (name: string) => string): boolean {
  if (model.askedNames.has(to) || isSeen(model, to)) return false
  const similar = similarUser(model, to)
  if (similar === undefined && !model.hasRoster) return false
  if (model.askedNames.size >= MAX_ASKED_NAMES) model.askedNames.clear()
  model.askedNames.add(to)
  if (similar === undefined) model.showNotice(`never seen "${to}"; Enter sends anyway`, 'error')
  else {
    model.suggestion = { name: similar, input: inputFor?.(similar) }
    model.showNotice(`never seen "${to}"; did you mean ${similar}? Enter sends anyway, Tab takes ${similar}`, 'error')
  }
  return true
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
