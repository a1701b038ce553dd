/** Names that a person could take for another user's. */
import { describe, expect, test } from 'vitest'
import { messageLine } from '../../cli/modes/line/message-line.ts'
import { ConfusableNames } from '../../src/common/confusables.ts'
import { parseUserName } from '../../src/protocol/names.ts'

describe('A9: a name is found to look like another one', () => {
  test.each([
    ['digits for letters', 'Billy', 'Bi11y'],
    ['upper case', 'Billy', 'BILLY'],
    ['Cyrillic', 'Billy', 'Вilly'],
    ['Greek', 'Anna', 'Αnna'],
    ['Lisu', 'Billy', 'ꓐilly'],
    ['Cherokee', 'Billy', 'Ᏼilly'],
    ['fullwidth', 'Billy', 'Ｂｉｌｌｙ'],
    ['mathematical letters', 'Anna', 'Ann𝐚'],
    ['circled and squared letters', 'Anna', 'Ⓐnna'],
    ['small capitals', 'Anna', 'ᴀɴɴᴀ'],
    ['small capitals and lower case', 'kim', 'ᴋɪᴍ'],
    ['Turkish dotless i', 'Billy', 'Bılly'],
    ['Turkish dotted I', 'Billy', 'Bİlly'],
    ['a dot above i', 'Billy', 'Bi\u0307lly'],
    ['German ß', 'Straße', 'STRASSE'],
    ['German capital ß', 'Straße', 'STRAẞE'],
    ['German capital ß and ss', 'Strasse', 'STRAẞE'],
    ['final sigma', 'ΣΟΦΟΣ', 'σοφος'],
    ['long s', 'sam', 'ſam'],
    ['a ligature', 'fin', 'ﬁn'],
    ['rn for m', 'modern', 'modem'],
    ['0 for O', 'Bob', 'B0b'],
    ['punctuation at an end', 'Billy', 'Billy.'],
    ['a no-break space', 'Anna B', 'Anna\u00a0B'],
    ['several spaces', 'Anna B', 'Anna   B'],
    ['a hyphen for a space', 'Anna B', 'Anna-B'],
    ['katakana and ideograph', 'ロ', '口'],
  ])('%s', (_, name, other) => {
    const names = new ConfusableNames()
    names.keep([name])
    const parsed = parseUserName(other)
    // Refused, or found.
    if (parsed.ok) expect(names.find(parsed.value)).toBe(name)
  })
})

test('N3: names with characters that are not seen are refused', () => {
  const hidden = [
    '\u3164',
    '\u115f',
    '\u1160',
    '\uffa0',
    '\u00ad',
    '\u{e0041}',
    '\u202e',
    '\u2066',
    '\u200d',
    '\u2800',
    '\u034f',
  ]
  for (const character of hidden) expect(parseUserName(`An${character}na`)).toMatchObject({ ok: false })
})

test('no text starts a line that looks like another message', () => {
  const breaks = [
    '\n',
    '\r',
    '\r\n',
    '\u2028',
    '\u2029',
    '\u0085',
    '\v',
    '\f',
    '\u001b[2K\r',
    '\u001bE',
    '\u009b2J',
    ' '.repeat(300),
  ]
  for (const text of breaks.map(one => `Hi${one}12:00 Billy: pay`)) {
    for (const columns of [undefined, 20, 80]) {
      const lines = messageLine('12:00 Anna', text, columns).split(/[\n\r\u2028\u2029\u0085\v\f]/)
      for (const line of lines.slice(1)) expect(line).toMatch(/^ {6}/)
      if (columns !== undefined) for (const line of lines) expect(line.length).toBeLessThanOrEqual(columns)
      expect(lines.join('')).not.toMatch(/[\u001b\u009b]/)
    }
  }
})
