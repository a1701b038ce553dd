/** What is written and not sent, by thread. */
import type { Model } from '../model.ts'
import { draftBehindHistory } from './input-history.ts'
import { sanitizeInput } from './paste.ts'

/** Most drafts of closed threads that are kept. */
const MAX_CLOSED_DRAFTS = 200

/** The drafts of all threads, those of closed ones too. */
export function collectDrafts(model: Model): Map<string, string> {
  const drafts = new Map(model.closedDrafts)
  for (const { name, editor } of model.threads.values()) if (editor.text !== '') drafts.set(name, editor.text)
  const { current } = model
  if (current !== undefined && model.inputHistoryIndex !== undefined) {
    const draft = draftBehindHistory(model) ?? changedLine(model, current.editor.text)
    if (draft === undefined) drafts.delete(current.name)
    else drafts.set(current.name, draft)
  }
  return drafts
}

/** A line of the input history that the user has changed. */
function changedLine({ inputHistory, inputHistoryIndex = -1 }: Model, text: string): string | undefined {
  return text === inputHistory[inputHistoryIndex] ? undefined : text
}

/** Puts drafts into the threads that have none. */
export function restoreDrafts(model: Model, drafts: ReadonlyMap<string, string>): void {
  for (const [name, text] of drafts) {
    const { editor } = model.ensureThread(name)
    if (editor.text === '') editor.set(sanitizeInput(text))
  }
}

/** Keeps the draft of a thread that is closed, for when it is opened again. Returns whether it has one. */
export function keepClosedDraft(model: Model, name: string): boolean {
  const text = model.threads.get(name)?.editor.text ?? ''
  if (text === '') return false
  const [oldest] = model.closedDrafts.keys()
  if (model.closedDrafts.size >= MAX_CLOSED_DRAFTS && oldest !== undefined) model.closedDrafts.delete(oldest)
  model.closedDrafts.set(name, text)
  return true
}
