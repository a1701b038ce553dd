/** The length of a text in bytes of UTF-8, computed without encoding it. A lone surrogate has three, like U+FFFD. */
export function utf8Length(text: string): number {
  let bytes = text.length
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    if (unit < 0x80) continue
    bytes += unit < 0x800 ? 1 : 2
    // A surrogate pair has four bytes: skip its second half.
    if (unit >= 0xd800 && unit < 0xdc00 && isLowSurrogate(text.charCodeAt(at + 1))) at++
  }
  return bytes
}

/** Whether a text has more than `bytes` bytes of UTF-8. Usually its length alone decides. */
export function exceedsUtf8Length(text: string, bytes: number): boolean {
  return text.length * 3 > bytes && utf8Length(text) > bytes
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit < 0xe000
}

/** Controls, formats such as bidi overrides and zero-width characters, unassigned, private, line separators. */
const INVISIBLE = /[\p{C}\p{Zl}\p{Zp}]/u
/** The same except for what texts need: line breaks, and the joiner inside an emoji or a ligature. */
const INVISIBLE_IN_TEXT =
  /(?<![\p{Extended_Pictographic}\p{Emoji_Modifier}\p{M}])\u200d|[^\P{C}\n\u200d]|[\p{Zl}\p{Zp}]/gu
const ALL_INVISIBLE = new RegExp(INVISIBLE, 'gu')

function escapeCodePoint(character: string): string {
  return `\\u{${character.codePointAt(0)?.toString(16)}}`
}

/** JSON that is safe to print to a terminal: invisible characters are escaped, which changes no value. */
export function sanitizedJson(value: unknown): string {
  const json = JSON.stringify(value)
  return INVISIBLE.test(json) ? json.replace(ALL_INVISIBLE, escapeUtf16Units) : json
}

function escapeUtf16Units(character: string): string {
  return character
    .split('')
    .map(unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('')
}

/** A line that is safe to print to a terminal: invisible characters are replaced by `\u{…}`. */
export function sanitizeLine(text: string): string {
  return INVISIBLE.test(text) ? text.replace(ALL_INVISIBLE, escapeCodePoint) : text
}

/** The same for a text of many lines: `\n` and `\r\n` break lines, and a tab becomes four spaces. */
export function sanitizeText(text: string): string {
  return INVISIBLE.test(text)
    ? text.replaceAll('\r\n', '\n').replaceAll('\t', '    ').replace(INVISIBLE_IN_TEXT, escapeCodePoint)
    : text
}
