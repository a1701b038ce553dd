/** JSON from files that people edit: a byte order mark is skipped, and an error says where it is. */

const BYTE_ORDER_MARK = '\ufeff'

/** A text without the byte order mark that some editors and shells put at its start. */
export function withoutByteOrderMark(text: string): string {
  return text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text
}

/** A syntax error, with its place in the file; both count from 1. */
export class JsonSyntaxError extends Error {
  readonly line: number
  readonly column: number

  constructor(text: string, position: number) {
    const before = text.slice(0, position).split('\n')
    const line = before.length
    const column = (before.at(-1)?.length ?? 0) + 1
    const character = String.fromCodePoint(text.codePointAt(position) ?? 0)
    const found = position >= text.length ? 'the file ends too early' : `unexpected ${JSON.stringify(character)}`
    super(`${found} (line ${line}, column ${column})`)
    this.line = line
    this.column = column
  }
}

/** @throws JsonSyntaxError if the text is not JSON */
export function parseJson(content: string): unknown {
  const text = withoutByteOrderMark(content)
  try {
    return JSON.parse(text)
  } catch {
    throw new JsonSyntaxError(text, errorPosition(text))
  }
}

const SPACE = /[ \t\n\r]*/y
const SCALAR =
  /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y

/** The position of the first character that cannot be part of JSON. Messages of JSON.parse do not always tell it. */
function errorPosition(text: string): number {
  let at = 0
  /** The closing brackets of the open objects and arrays. */
  const open: string[] = []
  const skip = (pattern: RegExp): boolean => {
    pattern.lastIndex = at
    const length = pattern.exec(text)?.[0].length
    at += length ?? 0
    return length !== undefined
  }
  const take = (character: string): boolean => {
    skip(SPACE)
    if (text[at] !== character) return false
    at++
    return true
  }
  const takeKey = (): boolean => {
    skip(SPACE)
    return text[at] === '"' && skip(SCALAR) && take(':')
  }
  for (;;) {
    // A value.
    if (take('{')) {
      if (!take('}')) {
        open.push('}')
        if (takeKey()) continue
        return at
      }
    } else if (take('[')) {
      if (!take(']')) {
        open.push(']')
        continue
      }
    } else if (!skip(SCALAR)) return at
    // What may follow a value.
    skip(SPACE)
    let closing = open.at(-1)
    while (closing !== undefined && take(closing)) {
      open.pop()
      closing = open.at(-1)
    }
    if (closing === undefined || !take(',')) return at
    if (closing === '}' && !takeKey()) return at
  }
}
