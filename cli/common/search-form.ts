/** How texts are compared in a search: without case, and with accents composed (NFC), whatever form they were written in. */

/** Characters of scripts that put no spaces between words, for a class of a regular expression. */
export const SPACELESS = '\\p{scx=Han}\\p{scx=Hira}\\p{scx=Kana}\\p{sc=Thai}\\p{sc=Lao}\\p{sc=Khmer}\\p{sc=Mymr}'

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' })
const ASCII = /^[\u0000-\u007f]*$/

export function searchForm(text: string): string {
  return ASCII.test(text) ? text.toLowerCase() : text.normalize('NFC').toLowerCase().normalize('NFC')
}

/** The ranges of a text, in UTF-16 units, whose search form is `needle`, which is in that form. */
export function findAll(text: string, needle: string): { start: number; end: number }[] {
  if (needle === '') return []
  const { form, starts } = mapForm(text)
  const ranges: { start: number; end: number }[] = []
  for (let at = form.indexOf(needle); at >= 0; at = form.indexOf(needle, at + needle.length)) {
    const start = starts?.[at] ?? at
    // A match within a character, such as a part of a ligature, marks the whole character.
    const end = starts === undefined ? at + needle.length : (starts[at + needle.length] ?? text.length)
    ranges.push({ start, end: Math.max(end, start) })
  }
  return ranges
}

/** The search form, and for each of its units the start of its character in the text; undefined: the same position. */
function mapForm(text: string): { form: string; starts: number[] | undefined } {
  if (ASCII.test(text)) return { form: text.toLowerCase(), starts: undefined }
  let form = ''
  const starts: number[] = []
  for (const { segment, index } of graphemes.segment(text)) {
    const part = searchForm(segment)
    form += part
    for (let unit = 0; unit < part.length; unit++) starts.push(index)
  }
  return { form, starts }
}
