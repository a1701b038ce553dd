/** A line editor as readline's, by grapheme: what is typed, where the cursor stands, what was cut, what can be undone. */

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' })
/** Steps that can be undone. */
const MAX_UNDO_STEPS = 200

/** A word's character, for moving and cutting by words. */
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
  'cut-white-left',
  'cut-word-right',
  'cut-line-left',
  'cut-line-right',
  'paste-cut',
  'transpose',
  'undo',
] as const
export type EditAction = (typeof EDIT_ACTIONS)[number]

const editActions = new Set<string>(EDIT_ACTIONS)

export function isEditAction(action: string): action is EditAction {
  return editActions.has(action)
}

export class Editor {
  #text = ''
  #cursor = 0
  #undoStack: { text: string; cursor: number }[] = []
  /** What was cut last; shared by all editors, as one pair of hands is. */
  static #clipboard = ''

  get text(): string {
    return this.#text
  }

  /** In UTF-16 units; always between two graphemes. */
  get cursor(): number {
    return this.#cursor
  }

  /** Replaces everything; the cursor goes to the end. */
  set(text: string): void {
    this.#change(text, text.length)
  }

  insert(text: string): void {
    this.#change(this.#text.slice(0, this.#cursor) + text + this.#text.slice(this.#cursor), this.#cursor + text.length)
  }

  /** Takes the text out: what was composed is sent. */
  takeText(): string {
    const text = this.#text
    this.#change('', 0)
    this.#undoStack = []
    return text
  }

  /** Replaces what lies between `start` and the cursor, as completion does. */
  replace(start: number, text: string): void {
    this.#change(this.#text.slice(0, start) + text + this.#text.slice(this.#cursor), start + text.length)
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
      case 'cut-white-left':
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

/** The boundary before a place; looks at its own line only, so that a long text costs no more than its line. */
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
  let place = at
  while (place > 0 && !WORD_CHARACTER.test(text[place - 1] ?? '')) place--
  while (place > 0 && WORD_CHARACTER.test(text[place - 1] ?? '')) place--
  return place
}

function wordRight(text: string, at: number): number {
  let place = at
  while (place < text.length && !WORD_CHARACTER.test(text[place] ?? '')) place++
  while (place < text.length && WORD_CHARACTER.test(text[place] ?? '')) place++
  return place
}
