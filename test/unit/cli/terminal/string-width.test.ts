/** The fast `stringWidth` agrees with the `string-width` package. */
import general from 'string-width'
import { expect, test } from 'vitest'
import stringWidth from '../../../../cli/terminal/string-width.ts'
import { seeded } from '../../../support/random.ts'

const PIECES = [
  ...'abc XYZ 09~!éßøÿĀžǅʰ…→›●○✓✗↓↑·▌│─└┐Яά≈◌↪▁█⠿—“',
  '\u00ad',
  '\u00a0',
  '©',
  '®',
  '\u0301',
  '\ufe0f',
  '\u200d',
  '\u200b',
  '中',
  'ｱ',
  '👩‍👩‍👧',
  '🇫🇷',
  '☺',
  '한',
  '\ud800',
  '\u001b[1m',
  '\u001b[38;5;12m',
  '\u001b[0m',
  '\u001b[',
  '\u001b]8;;x\u0007',
  '\u001b',
  '\u009b31m',
  '\t',
  '\n',
  '\u007f',
  '\u0085',
] as const

test('agrees for each character, and for each pair of pieces', () => {
  for (let code = 0; code <= 0xffff; code++) {
    const char = String.fromCharCode(code)
    expect(stringWidth(char), `U+${code.toString(16)}`).toBe(general(char))
  }
  for (const one of PIECES) {
    for (const other of PIECES) expect(stringWidth(one + other), JSON.stringify(one + other)).toBe(general(one + other))
  }
})

test('agrees for random texts', () => {
  const random = seeded(7)
  for (let n = 0; n < 20_000; n++) {
    const length = Math.floor(random() * 12)
    const text = Array.from({ length }, () => PIECES[Math.floor(random() * PIECES.length)]).join('')
    expect(stringWidth(text), JSON.stringify(text)).toBe(general(text))
  }
})
