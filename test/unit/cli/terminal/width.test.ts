import { describe, expect, test } from 'vitest'
import { fitToColumns, width, wrap } from '../../../../cli/terminal/width.ts'

describe('fitToColumns', () => {
  test.each([
    ['abc', 5, 'abc  '],
    ['abc', 3, 'abc'],
    ['abcd', 3, 'ab…'],
    ['abc', 1, '…'],
    ['abc', 0, ''],
    ['', 2, '  '],
    ['中文字', 4, '中… '],
    ['中文', 4, '中文'],
    ['👩‍👩‍👧x', 2, '… '],
  ])('%j in %i columns is %j', (text, columns, fitted) => {
    expect(fitToColumns(text, columns)).toBe(fitted)
    expect(width(fitted)).toBe(columns)
  })
})

describe('wrap', () => {
  test.each<[text: string, columns: number, rows: string[]]>([
    ['', 5, ['']],
    ['one two', 7, ['one two']],
    ['one two', 6, ['one ', 'two']],
    ['one two', 4, ['one ', 'two']],
    ['one two', 3, ['one', ' ', 'two']],
    ['abcdef', 4, ['abcd', 'ef']],
    ['a bcdefgh', 4, ['a ', 'bcde', 'fgh']],
    ['one\n\ntwo', 9, ['one', '', 'two']],
    ['中文字', 4, ['中文', '字']],
    ['中文', 1, ['中', '文']],
    ['e\u0301e\u0301', 1, ['e\u0301', 'e\u0301']],
    ['abc', 0, ['a', 'b', 'c']],
    // Some terminals draw soft hyphens, each emoji of a sequence, and each half of a flag with two columns.
    ['ab\u00adcd', 4, ['ab\u00adc', 'd']],
    ['👩‍👩‍👧a', 6, ['👩‍👩‍👧', 'a']],
    ['👩‍👩‍👧a', 7, ['👩‍👩‍👧a']],
    ['🇩🇪a', 4, ['🇩🇪', 'a']],
    ['👋🏿a', 4, ['👋🏿', 'a']],
    ['❤️a', 2, ['❤️', 'a']],
    ['का', 1, ['का']],
  ])('%j in %i columns', (text, columns, rows) => {
    expect(wrap(text, columns).map(row => row.text)).toEqual(rows)
  })

  test('keeps every character and its position, and makes no row too wide', () => {
    const text = 'The quick 棕色狐狸 jumps over\nthe lazy 👩‍👩‍👧 dog withaverylongwordthatfitsnowhere'
    for (let columns = 2; columns < 40; columns++) {
      const rows = wrap(text, columns)
      expect(rows.map(row => row.text).join('')).toBe(text.replaceAll('\n', ''))
      for (const row of rows) {
        expect(width(row.text)).toBeLessThanOrEqual(columns)
        expect(text.slice(row.start, row.start + row.text.length)).toBe(row.text)
      }
    }
  })
})
