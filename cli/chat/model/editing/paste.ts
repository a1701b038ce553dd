/** Text from the terminal: typed, or pasted. A long paste is inserted only after the user confirms it. */
import type { Key } from '../../../terminal/key-decoder.ts'
import type { Model } from '../model.ts'

/** A paste with more characters or lines than this needs a confirmation. */
const LONG_PASTE_CHARACTERS = 4_000
const LONG_PASTE_LINES = 20

/** Normalizes line breaks to `\n`, expands tabs, and removes other control characters. */
export function sanitizeInput(text: string): string {
  return text
    .replace(/\r\n?/g, '\n')
    .replaceAll('\t', '    ')
    .replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g, '')
}

export function isLongPaste(text: string): boolean {
  return text.length > LONG_PASTE_CHARACTERS || text.split(/\r\n?|\n/, LONG_PASTE_LINES + 1).length > LONG_PASTE_LINES
}

/** Keeps the paste and asks for a confirmation. */
export function requestPasteConfirmation(model: Model, text: string): void {
  model.pendingPaste = sanitizeInput(text)
  const lines = model.pendingPaste.split('\n').length
  const size = lines > 1 ? `${lines} lines` : `${model.pendingPaste.length} characters`
  model.showNotice(`paste ${size}? Enter to insert, other keys cancel`)
}

/** Inserts the pending paste on Enter or `y`, and drops it on any other key. */
export function handlePasteConfirmation(model: Model, key: Key): void {
  const text = model.pendingPaste ?? ''
  model.pendingPaste = undefined
  const confirmed = key.type === 'key' ? key.name === 'enter' : key.type === 'text' && key.text.toLowerCase() === 'y'
  if (confirmed) model.focusedEditor.insert(text)
}
