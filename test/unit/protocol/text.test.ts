import { expect, test } from 'vitest'
import { exceedsUtf8Length, sanitizedJson, sanitizeLine, sanitizeText, utf8Length } from '../../../src/protocol/text.ts'

test.each(['', 'abc', 'Grüße', '中文', '🙂', '\ud83d', '\ud83d中', 'a\ude42b', '🙂\ud83d', '\u07ff\u0800\uffff'])(
  'utf8Length is the length of the encoded text: %j',
  text => {
    expect(utf8Length(text)).toBe(Buffer.byteLength(text))
  },
)

test('exceedsUtf8Length compares bytes, not characters', () => {
  expect(exceedsUtf8Length('abc', 3)).toBe(false)
  expect(exceedsUtf8Length('abcd', 3)).toBe(true)
  expect(exceedsUtf8Length('中', 3)).toBe(false)
  expect(exceedsUtf8Length('中', 2)).toBe(true)
  expect(exceedsUtf8Length('', 0)).toBe(false)
})

const INVISIBLE: [string, string][] = [
  ['\u0007', '\\u{7}'],
  ['\u001b', '\\u{1b}'],
  ['\u202e', '\\u{202e}'],
  ['\u200b', '\\u{200b}'],
  ['\ud83d', '\\u{d83d}'],
  ['\u2028', '\\u{2028}'],
  ['\u{e0041}', '\\u{e0041}'],
]

test.each(INVISIBLE)('sanitizeLine and sanitizeText escape %j', (character, escaped) => {
  expect(sanitizeLine(`a${character}b`)).toBe(`a${escaped}b`)
  expect(sanitizeText(`a${character}b`)).toBe(`a${escaped}b`)
})

test('sanitizeLine escapes line breaks and tabs', () => {
  expect(sanitizeLine('a\nb\tc')).toBe('a\\u{a}b\\u{9}c')
})

test('sanitizeText keeps line breaks and expands tabs', () => {
  expect(sanitizeText('a\nb\tc')).toBe('a\nb    c')
})

test('sanitizeText keeps a joiner inside an emoji and escapes any other', () => {
  const family = '\u{1f468}\u200d\u{1f469}'
  expect(sanitizeText(family)).toBe(family)
  expect(sanitizeText('a\u200db')).toBe('a\\u{200d}b')
})

test('visible text is unchanged', () => {
  for (const text of ['Hi', 'Grüße 中文 🙂', 'e\u0301']) {
    expect(sanitizeLine(text)).toBe(text)
    expect(sanitizeText(text)).toBe(text)
  }
})

test('sanitizedJson escapes invisible characters without changing the value', () => {
  const value = { text: 'a\u202eb\u{e0041}c\n🙂' }
  const json = sanitizedJson(value)
  expect(json).toBe('{"text":"a\\u202eb\\udb40\\udc41c\\n🙂"}')
  expect(JSON.parse(json)).toEqual(value)
})
