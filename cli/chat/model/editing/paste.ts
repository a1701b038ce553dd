/** Text from the terminal: typed, or pasted. A long paste is inserted only after the user confirms it. */
import type { Key } from '../../../terminal/key-decoder.ts'
import type { Model } from '../model.ts'

/** A paste with more characters or lines than this needs a confirmation. */
const LONG_PASTE_CHARACTERS = 4_000
const LONG_PASTE_LINES = 20

/** Normalizes line breaks to `\n`, and removes control characters other than tabs. */
export function sanitizeInput(text: string): string {
  return text.replace(/\r\n?/g, '\n').replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '')
}

export function isLongPaste(text: string): boolean {
  return text.length > LONG_PASTE_CHARACTERS || text.split(/\r\n?|\n/, LONG_PASTE_LINES + 1).length > LONG_PASTE_LINES
}

/** Keeps the paste and asks for a confirmation. */
export function requestPasteConfirmation(model: Model, text: string, isCut: boolean): void {
  model.pendingPaste = sanitizeInput(text)
  const lines = model.pendingPaste.split('\n').length
  const size = lines > 1 ? `${lines} lines` : `${model.pendingPaste.length} characters`
  const cut = isCut ? 'the paste is too long; ' : ''
  model.showNotice(`${cut}paste ${isCut ? 'the first ' : ''}${size}? Enter to insert, other keys cancel`)
}

/** Inserts the pending paste on Enter or `y`, and drops it on any other key. */
export function handlePasteConfirmation(model: Model, key: Key): void {
  const text = model.pendingPaste ?? ''
  model.pendingPaste = undefined
  const confirmed = key.type === 'key' ? key.name === 'enter' : key.type === 'text' && key.text.toLowerCase() === 'y'
  if (confirmed) insertPaste(model, text)
}

/**
 * Inserts a pasted text. It is never a command: a slash at its start is doubled, as for a typed message that starts with
 * one. @param text sanitized
 */
export function insertPaste(model: Model, text: string): void {
  const editor = model.focusedEditor
  // The search and the finder have one line.
  if (model.search !== undefined || model.finder !== undefined) return editor.insert(text.replace(/[\n\t]/g, ' '))
  const isAtStart = editor.cursor === 0 && text.startsWith('/')
  editor.insert(isAtStart ? `/${text}` : text)
  if (isAtStart) model.showNotice('the pasted text starts with / and is sent as text; delete one / for a command')
}
