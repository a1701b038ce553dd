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
const ALL_INVISIBLE = new RegExp(INVISIBLE, 'gu')

/** Most combining marks of one character. Real writing has up to six; more of them cover the lines above and below. */
const MAX_MARKS = 8

/** Scripts in which a joiner between two letters chooses their shape: Arabic and its relatives, Mongolian, the Indic ones. */
const JOINING_SCRIPTS = [
  ...['Arabic', 'Syriac', 'Nko', 'Mandaic', 'Mongolian', 'Phags_Pa', 'Adlam', 'Hanifi_Rohingya'],
  ...['Devanagari', 'Bengali', 'Gurmukhi', 'Gujarati', 'Oriya', 'Tamil', 'Telugu', 'Kannada', 'Malayalam', 'Sinhala'],
  ...['Tibetan', 'Myanmar', 'Khmer', 'Balinese', 'Javanese', 'Sundanese', 'Meetei_Mayek', 'Chakma', 'Newa', 'Grantha'],
].map(script => `\\p{Script_Extensions=${script}}`)
const JOINING_LETTER = `(?=[${JOINING_SCRIPTS.join('')}])[\\p{L}\\p{M}]`
/** The sign of an Indic consonant without a vowel: a joiner after it counts at the end of a word, too. */
const VIRAMA = '[\\u094d\\u09cd\\u0a4d\\u0acd\\u0b4d\\u0bcd\\u0c4d\\u0ccd\\u0d4d\\u0dca]'
const JOINER = '[\\u200c\\u200d]'
const PICTOGRAPH = '\\p{Extended_Pictographic}'

/** Characters that are invisible elsewhere, in a place where writing needs them. */
const LEGITIMATE = [
  `(?<=(?:${JOINING_LETTER}))${JOINER}(?=${JOINING_LETTER})`,
  `(?<=${VIRAMA})${JOINER}`,
  // A sequence of emoji that is shown as one.
  `(?<=[${PICTOGRAPH}\\p{Emoji_Modifier}\\ufe0f])\\u200d(?=${PICTOGRAPH})`,
  // A soft hyphen inside a word.
  '(?<=[\\p{L}\\p{M}])\\u00ad(?=\\p{L})',
].join('|')

const NEEDS_SANITIZING = new RegExp(`[\\p{C}\\p{Zl}\\p{Zp}]|\\p{M}{${MAX_MARKS + 1}}`, 'u')
const EXCESS_MARKS = new RegExp(`(\\p{M}{${MAX_MARKS}})\\p{M}+`, 'gu')
const UNSAFE_IN_LINE = new RegExp(`(?!${LEGITIMATE})[\\p{C}\\p{Zl}\\p{Zp}]`, 'gu')
const UNSAFE_IN_TEXT = new RegExp(`(?!${LEGITIMATE})(?!\\n)[\\p{C}\\p{Zl}\\p{Zp}]`, 'gu')

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

/**
 * A line that is safe to print to a terminal: invisible characters are replaced by `\u{…}`, except for joiners and soft
 * hyphens where writing needs them. Of too many combining marks, the rest is replaced by an ellipsis.
 */
export function sanitizeLine(text: string): string {
  return NEEDS_SANITIZING.test(text) ? escapeUnsafe(text, UNSAFE_IN_LINE) : text
}

/** The same for a text of many lines: `\n` and `\r\n` break lines, and a tab becomes four spaces. */
export function sanitizeText(text: string): string {
  if (!NEEDS_SANITIZING.test(text)) return text
  return escapeUnsafe(text.replaceAll('\r\n', '\n').replaceAll('\t', '    '), UNSAFE_IN_TEXT)
}

function escapeUnsafe(text: string, unsafe: RegExp): string {
  return text.replace(EXCESS_MARKS, '$1…').replace(unsafe, escapeCodePoint)
}
