/** The lines entered before, which Up and Down bring back. */
import type { Model } from '../model.ts'

const MAX_INPUT_HISTORY = 500

export function addToInputHistory(model: Model, text: string): void {
  if (model.inputHistory.at(-1) !== text) model.inputHistory.push(text)
  if (model.inputHistory.length > MAX_INPUT_HISTORY) model.inputHistory.shift()
  model.inputHistoryIndex = undefined
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
  const index = (model.inputHistoryIndex ?? model.inputHistory.length) + by
  if (index < 0 || index > model.inputHistory.length || (by > 0 && model.inputHistoryIndex === undefined)) return
  model.inputHistoryIndex = index === model.inputHistory.length ? undefined : index
  editor.set(model.inputHistory[index] ?? '')
}
