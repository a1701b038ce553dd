import { describe, expect, test } from 'vitest'
import { type EditAction, Editor } from '../../../../../cli/chat/model/editing/editor.ts'

/** The text after some edits, with the cursor as a bar. */
function edited(text: string, ...edits: (EditAction | `+${string}`)[]): string {
  const editor = new Editor()
  editor.insert(text)
  for (const edit of edits) {
    if (edit.startsWith('+')) editor.insert(edit.slice(1))
    else editor.apply(edit as EditAction)
  }
  return `${editor.text.slice(0, editor.cursor)}|${editor.text.slice(editor.cursor)}`
}

describe('the line editor: text, edits, result', () => {
  const table: [text: string, edits: (EditAction | `+${string}`)[], result: string][] = [
    ['hello', ['line-start', '+oh '], 'oh |hello'],
    ['one two', ['word-left', 'word-left', 'word-right'], 'one| two'],
    ['one two-three', ['cut-to-space'], 'one |'],
    ['one two-three', ['cut-word-left'], 'one two-|'],
    ['one two', ['cut-line-left', '+x', 'paste-cut'], 'xone two|'],
    ['one two', ['line-start', 'cut-word-right', 'cut-line-right', 'paste-cut'], ' two|'],
    ['ab', ['transpose'], 'ba|'],
    ['a👩‍👩‍👧', ['delete-left'], 'a|'],
    ['e\u0301x', ['left', 'left', 'delete-right'], '|x'],
    ['two\nlines', ['line-start', 'left', 'line-start'], '|two\nlines'],
    ['gone', ['cut-line-left', 'undo'], 'gone|'],
    ['', ['left', 'delete-left', 'right', 'undo', 'undo', 'undo'], '|'],
  ]
  test.each(table)('%j %j %j', (text, edits, result) => {
    expect(edited(text, ...edits)).toBe(result)
  })

  test('undoes at most 200 steps', () => {
    const editor = new Editor()
    for (let n = 0; n < 210; n++) editor.insert('x')
    for (let n = 0; n < 300; n++) editor.apply('undo')
    expect(editor.text).toBe('x'.repeat(10))
  })

  test('forgets the undo steps when the text is taken', () => {
    const editor = new Editor()
    editor.insert('sent')
    expect(editor.takeText()).toBe('sent')
    editor.apply('undo')
    expect([editor.text, editor.cursor]).toEqual(['', 0])
  })

  test('pastes text that was cut in another editor', () => {
    const [one, two] = [new Editor(), new Editor()]
    one.insert('moved')
    one.apply('cut-line-left')
    two.apply('paste-cut')
    expect(two.text).toBe('moved')
  })
})
