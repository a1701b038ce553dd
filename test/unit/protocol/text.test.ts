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

test.each([
  ['ZWNJ in a Persian word', '\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645'],
  ['ZWNJ after a vowel sign of Arabic', '\u0645\u064e\u200c\u062e'],
  ['ZWJ in a Hindi word', '\u0915\u094d\u200d\u0937'],
  ['ZWNJ in a Hindi word', '\u0915\u094d\u200c\u0937'],
  ['ZWJ before a vowel sign of Bengali', '\u09b0\u200d\u09cd\u09af'],
  ['ZWJ at the end of a Malayalam word', '\u0d05\u0d35\u0d28\u0d4d\u200d '],
  ['ZWJ in a Sinhala word', '\u0dc1\u0dca\u200d\u0dbb\u0dd3'],
  ['a soft hyphen in a word', 'Donau\u00addampf'],
  ['a soft hyphen after a combining mark', 'cafe\u0301\u00adbar'],
  ['ZWJ between emoji', '\u{1f468}\u200d\u{1f469}'],
  ['ZWJ after a skin tone', '\u{1f469}\u{1f3fd}\u200d\u{1f4bb}'],
  ['ZWJ after a variation selector', '\u2764\ufe0f\u200d\u{1f525}'],
  ['a flag', '\u{1f1e9}\u{1f1ea}'],
  ['eight combining marks', `a${'\u0301'.repeat(8)}b`],
])('sanitizeText and sanitizeLine keep %s', (_, text) => {
  expect(sanitizeText(text)).toBe(text)
  expect(sanitizeLine(text)).toBe(text)
})

test.each([
  ['ZWJ between Latin letters', 'a\u200db', 'a\\u{200d}b'],
  ['ZWNJ between Latin letters', 'a\u200cb', 'a\\u{200c}b'],
  ['ZWNJ at the start', '\u200c\u0645', '\\u{200c}\u0645'],
  ['ZWNJ at the end of a Persian word', '\u0645\u200c', '\u0645\\u{200c}'],
  ['ZWNJ between an Arabic and a Latin letter', '\u0645\u200cb', '\u0645\\u{200c}b'],
  ['the second of two ZWNJ', '\u0915\u094d\u200c\u200c\u0937', '\u0915\u094d\u200c\\u{200c}\u0937'],
  ['ZWJ after an emoji and before a letter', '\u{1f468}\u200da', '\u{1f468}\\u{200d}a'],
  ['a soft hyphen outside of a word', 'a \u00ad b', 'a \\u{ad} b'],
  ['a zero-width space in an Arabic word', '\u0645\u200b\u062e', '\u0645\\u{200b}\u062e'],
  ['bidi isolates and overrides', '\u2066a\u2069\u202eb', '\\u{2066}a\\u{2069}\\u{202e}b'],
])('sanitizeText and sanitizeLine escape %s', (_, text, escaped) => {
  expect(sanitizeText(text)).toBe(escaped)
  expect(sanitizeLine(text)).toBe(escaped)
})

test('too many combining marks are cut', () => {
  expect(sanitizeText(`a${'\u0301'.repeat(100_000)}b`)).toBe(`a${'\u0301'.repeat(8)}…b`)
  expect(sanitizeLine(`${'\u0301'.repeat(9)}`)).toBe(`${'\u0301'.repeat(8)}…`)
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
