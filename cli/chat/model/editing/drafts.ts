/** What is written and not sent, by thread. */
import type { Draft } from '../../../common/draft.ts'
import type { Model } from '../model.ts'
import { draftBehindHistory } from './input-history.ts'
import { sanitizeInput } from './paste.ts'

/** Most drafts of closed threads that are kept. */
const MAX_CLOSED_DRAFTS = 200

/** The drafts of all threads, those of closed ones too. */
export function collectDrafts(model: Model): Map<string, Draft> {
  const drafts = new Map(model.closedDrafts)
  for (const { name, draft } of model.threads.values()) if (draft !== undefined) drafts.set(name, draft)
  const { current } = model
  if (current !== undefined && model.inputHistoryIndex !== undefined) {
    const text = draftBehindHistory(model) ?? changedLine(model, current.editor.text)
    if (text === undefined) drafts.delete(current.name)
    else drafts.set(current.name, { ...current.draft, text })
  }
  return drafts
}

/** A line of the input history that the user has changed. */
function changedLine({ inputHistory, inputHistoryIndex = -1 }: Model, text: string): string | undefined {
  return text === inputHistory[inputHistoryIndex] ? undefined : text
}

/** Puts drafts into the threads that have none. */
export function restoreDrafts(model: Model, drafts: ReadonlyMap<string, Draft>): void {
  for (const [name, draft] of drafts) {
    const thread = model.ensureThread(name)
    if (thread.editor.text !== '') continue
    const { target } = draft
    const text = sanitizeInput(draft.text)
    thread.draft =
      target === undefined
        ? { text }
        : { text, target: { ...target, previousDraft: sanitizeInput(target.previousDraft) } }
  }
}

/** Keeps the draft of a thread that is closed, for when it is opened again. Returns whether it has one. */
export function keepClosedDraft(model: Model, name: string): boolean {
  const draft = model.threads.get(name)?.draft
  if (draft === undefined) return false
  const [oldest] = model.closedDrafts.keys()
  if (model.closedDrafts.size >= MAX_CLOSED_DRAFTS && oldest !== undefined) model.closedDrafts.delete(oldest)
  model.closedDrafts.set(name, draft)
  return true
}
