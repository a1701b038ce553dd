import fullStringWidth from 'string-width'

const ESCAPE = 0x1b
const LEFT_BRACKET = 0x5b
const LOWERCASE_M = 0x6d
/** Symbols of the screen; each is one column wide. */
const NARROW_SYMBOLS = new Set(Array.from('…→›●○◌◐◑✓✗↓↑↪≈·', char => char.charCodeAt(0)))

/**
 * A faster replacement for the `string-width` package, which the bundle also gives to Ink. Ink measures every line of
 * every frame, and the package segments text into graphemes; that was a fifth of the time until the first frame. Here,
 * Latin letters, the symbols of the screen and ANSI styles are measured directly; other text goes to the package.
 */
export default function stringWidth(text: string, options?: Parameters<typeof fullStringWidth>[1]): number {
  if (options !== undefined || typeof text !== 'string') return fullStringWidth(text, options)
  let width = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code >= 0x20 && code <= 0x7e) width++
    else if (code === ESCAPE) {
      const end = endOfStyle(text, at)
      if (end < 0) return fullStringWidth(text)
      at = end
    } else if (isNarrow(code)) width++
    else return fullStringWidth(text)
  }
  return width
}

/**
 * Latin-1 without controls, soft hyphen, © and ®; Latin Extended; Greek; Cyrillic without combining marks; dashes and quotes; box
 * drawing, blocks and braille, for graphs; symbols of the screen.
 */
function isNarrow(code: number): boolean {
  if (code >= 0xa1 && code <= 0x2ff) return code !== 0xad && code !== 0xa9 && code !== 0xae
  if (code >= 0x370 && code <= 0x52f) return code < 0x483 || code > 0x489
  if (code >= 0x2010 && code <= 0x2027) return true
  if (code >= 0x2500 && code <= 0x259f) return true
  return (code >= 0x2800 && code <= 0x28ff) || NARROW_SYMBOLS.has(code)
}

/** The index of the end of a style sequence (`ESC [ … m`) that starts at `at`; -1 if there is none. */
function endOfStyle(text: string, at: number): number {
  if (text.charCodeAt(at + 1) !== LEFT_BRACKET) return -1
  for (let end = at + 2; end < text.length; end++) {
    const code = text.charCodeAt(end)
    if (code === LOWERCASE_M) return end
    const isParameter = (code >= 0x30 && code <= 0x39) || code === 0x3b
    if (!isParameter) return -1
  }
  return -1
}
