import { expect, test } from 'vitest'
import { findAll, searchForm } from '../../../../cli/common/search-form.ts'

const marked = (text: string, needle: string) =>
  findAll(text, searchForm(needle)).map(({ start, end }) => text.slice(start, end))

test.each([
  ['Hello', 'hELLO'],
  ['caf\u00e9', 'cafe\u0301'],
  ['CAFE\u0301', 'caf\u00e9'],
  ['\uac00', '\u1100\u1161'],
  ['\u01d5', 'u\u0308\u0304'],
  ['\u212b', 'a\u030a'],
])('%j and %j are the same', (one, other) => {
  expect(searchForm(one)).toBe(searchForm(other))
})

test('a letter with an accent is another letter', () => {
  expect(searchForm('cafe\u0301').includes(searchForm('cafe'))).toBe(false)
})

test.each([
  ['abcABC', 'bc', ['bc', 'BC']],
  ['le cafe\u0301, le caf\u00e9', 'CAF\u00c9', ['cafe\u0301', 'caf\u00e9']],
  ['\u0130stanbul ve \u0130zmir', 'zm', ['zm']],
  ['👩‍👩‍👧 x 👩‍👩‍👧', 'x', ['x']],
  ['aaa', 'aa', ['aa']],
  ['abc', '', []],
])('in %j, %j marks %j', (text, needle, parts) => {
  expect(marked(text, needle)).toEqual(parts)
})
