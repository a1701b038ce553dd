/** A line editor with the actions of GNU Readline; the cursor moves by grapheme. */

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' })
/** Most undo steps. */
const MAX_UNDO_STEPS = 200

/** Characters of a word, for actions that move or cut by words. */
const WORD_CHARACTER = /[\p{L}\p{N}\p{M}_]/u

const EDIT_ACTIONS = [
  'line-start',
  'line-end',
  'left',
  'right',
  'word-left',
  'word-right',
  'delete-left',
  'delete-right',
  'cut-word-left',
  'cut-to-space',
  'cut-word-right',
  'cut-line-left',
  'cut-line-right',
  'paste-cut',
  'transpose',
  'undo',
] as const
export type EditAction = (typeof EDIT_ACTIONS)[number]

const editActions = new Set<string>(EDIT_ACTIONS)

function isEditAction(action: string): action is EditAction {
  return editActions.has(action)
}

export class Editor {
  #text = ''
  #cursor = 0
  #undoStack: { text: string; cursor: number }[] = []
  /** The last cut text; shared by all editors, so that text can be moved between threads. */
  static #clipboard = ''

  get text(): string {
    return this.#text
  }

  /** Position in UTF-16 code units, always between two graphemes. */
  get cursor(): number {
    return this.#cursor
  }

  /** Replaces the text and puts the cursor at its end. */
  set(text: string): void {
    this.#change(text, text.length)
  }

  insert(text: string): void {
    this.#change(this.#text.slice(0, this.#cursor) + text + this.#text.slice(this.#cursor), this.#cursor + text.length)
  }

  /** Returns the text and clears the editor, undo steps included. */
  takeText(): string {
    const text = this.#text
    this.#change('', 0)
    this.#undoStack = []
    return text
  }

  /** Cuts the whole text: the actions `paste-cut` and `undo` bring it back. */
  cutText(): void {
    if (this.#text !== '') this.#remove(0, this.#text.length, true)
  }

  /** Replaces the text between `start` and the cursor, for completion. */
  replace(start: number, text: string): void {
    this.#change(this.#text.slice(0, start) + text + this.#text.slice(this.#cursor), start + text.length)
  }

  /** Applies an action if it edits, in a field of one line. Returns whether the text has changed. */
  applyToField(action: string): boolean {
    const { text } = this
    if (isEditAction(action)) this.apply(action)
    return this.text !== text
  }

  apply(action: EditAction): void {
    const text = this.#text
    const at = this.#cursor
    switch (action) {
      case 'line-start':
        this.#cursor = lineStart(text, at)
        return
      case 'line-end':
        this.#cursor = lineEnd(text, at)
        return
      case 'left':
        this.#cursor = previousBoundary(text, at)
        return
      case 'right':
        this.#cursor = nextBoundary(text, at)
        return
      case 'word-left':
        this.#cursor = wordLeft(text, at)
        return
      case 'word-right':
        this.#cursor = wordRight(text, at)
        return
      case 'delete-left':
        return this.#remove(previousBoundary(text, at), at, false)
      case 'delete-right':
        return this.#remove(at, nextBoundary(text, at), false)
      case 'cut-word-left':
        return this.#remove(wordLeft(text, at), at, true)
      case 'cut-to-space':
        return this.#remove(at - (/\S*\s*$/.exec(text.slice(0, at))?.[0].length ?? 0), at, true)
      case 'cut-word-right':
        return this.#remove(at, wordRight(text, at), true)
      case 'cut-line-left':
        return this.#remove(lineStart(text, at), at, true)
      case 'cut-line-right': {
        const end = lineEnd(text, at)
        return this.#remove(at, end === at ? nextBoundary(text, at) : end, true)
      }
      case 'paste-cut':
        return this.insert(Editor.#clipboard)
      case 'transpose':
        return this.#transpose()
      case 'undo': {
        const last = this.#undoStack.pop()
        if (last === undefined) return
        this.#text = last.text
        this.#cursor = last.cursor
      }
    }
  }

  #transpose(): void {
    const end = this.#cursor === this.#text.length ? this.#cursor : nextBoundary(this.#text, this.#cursor)
    const middle = previousBoundary(this.#text, end)
    const start = previousBoundary(this.#text, middle)
    if (start === middle) return
    const swapped = this.#text.slice(middle, end) + this.#text.slice(start, middle)
    this.#change(this.#text.slice(0, start) + swapped + this.#text.slice(end), end)
  }

  #remove(start: number, end: number, cut: boolean): void {
    if (start === end) return
    if (cut) Editor.#clipboard = this.#text.slice(start, end)
    this.#change(this.#text.slice(0, start) + this.#text.slice(end), start)
  }

  #change(text: string, cursor: number): void {
    this.#undoStack.push({ text: this.#text, cursor: this.#cursor })
    if (this.#undoStack.length > MAX_UNDO_STEPS) this.#undoStack.shift()
    this.#text = text
    this.#cursor = cursor
  }
}

/** The grapheme boundary before `at`. Segments only the current line, so that the cost does not grow with the text. */
function previousBoundary(text: string, at: number): number {
  if (at === 0) return 0
  const start = lineStart(text, at)
  if (start === at) return at - 1
  let last = start
  for (const { index } of graphemes.segment(text.slice(start, at))) last = start + index
  return last
}

function nextBoundary(text: string, at: number): number {
  for (const { segment } of graphemes.segment(text.slice(at, at + 64))) return at + segment.length
  return at
}

function lineStart(text: string, at: number): number {
  return at === 0 ? 0 : text.lastIndexOf('\n', at - 1) + 1
}

function lineEnd(text: string, at: number): number {
  const end = text.indexOf('\n', at)
  return end < 0 ? text.length : end
}

function wordLeft(text: string, at: number): number {
  let position = at
  while (position > 0 && !WORD_CHARACTER.test(text[position - 1] ?? '')) position--
  while (position > 0 && WORD_CHARACTER.test(text[position - 1] ?? '')) position--
  return position
}

function wordRight(text: string, at: number): number {
  let position = at
  while (position < text.length && !WORD_CHARACTER.test(text[position] ?? '')) position++
  while (position < text.length && WORD_CHARACTER.test(text[position] ?? '')) position++
  return position
}
