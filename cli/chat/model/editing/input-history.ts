/** The lines entered before, which Up and Down bring back. The draft and changed lines are kept meanwhile. */
import type { Model } from '../model.ts'
import type { Editor } from './editor.ts'

const MAX_INPUT_HISTORY = 500

export function addToInputHistory(model: Model, text: string): void {
  if (model.inputHistory.at(-1) !== text) model.inputHistory.push(text)
  if (model.inputHistory.length > MAX_INPUT_HISTORY) model.inputHistory.shift()
  forgetPosition(model)
}

function forgetPosition(model: Model): void {
  model.inputHistoryIndex = undefined
  model.inputEdits.clear()
}

/** Moves to the previous or next line of a multi-line input first, then through the input history. */
export function recallInput(model: Model, by: -1 | 1): void {
  const editor = model.focusedEditor
  const { text, cursor } = editor
  const hasLineBreak = by < 0 ? text.slice(0, cursor).includes('\n') : text.slice(cursor).includes('\n')
  if (hasLineBreak && model.inputHistoryIndex === undefined) {
    editor.apply(by < 0 ? 'line-start' : 'line-end')
    editor.apply(by < 0 ? 'left' : 'right')
    return
  }
  const { length } = model.inputHistory
  const present = model.inputHistoryIndex ?? length
  const index = present + by
  if (index < 0 || index > length || (by > 0 && model.inputHistoryIndex === undefined)) return
  if (text !== (model.inputHistory[present] ?? '')) model.inputEdits.set(present, text)
  else model.inputEdits.delete(present)
  model.inputHistoryIndex = index === length ? undefined : index
  editor.set(model.inputEdits.get(index) ?? model.inputHistory[index] ?? '')
}

/** The draft while an earlier line is shown in its place; undefined: there is none. */
export function draftBehindHistory(model: Model): string | undefined {
  return model.inputHistoryIndex === undefined ? undefined : model.inputEdits.get(model.inputHistory.length)
}

/** Another thread is opened while an earlier line is shown: the draft comes back, unless the line was changed. */
export function leaveInputHistory(model: Model, editor: Editor): void {
  const { inputHistoryIndex: index } = model
  const draft = draftBehindHistory(model) ?? ''
  if (index !== undefined && (draft !== '' || editor.text === model.inputHistory[index])) editor.set(draft)
  forgetPosition(model)
}
