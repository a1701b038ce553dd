import { expect, test } from 'vitest'
import { JsonSyntaxError, parseJson } from '../../../src/programs/json-text.ts'

test('a byte order mark is skipped', () => {
  expect(parseJson('\ufeff{"a": [1, "x"]}')).toEqual({ a: [1, 'x'] })
})

test.each([
  ['{"a": 1,}', 'unexpected "}"', 1, 9],
  ['{\n  "a": yes\n}', 'unexpected "y"', 2, 8],
  ['[1 2]', 'unexpected "2"', 1, 4],
  ['{"a" 1}', 'unexpected "1"', 1, 6],
  ['{"a": [1, {"b": null}, {]}', 'unexpected "]"', 1, 25],
  ['{} x', 'unexpected "x"', 1, 4],
  ['{"a": "x\ny"}', 'unexpected "\\""', 1, 7],
  ['{"a": 1', 'the file ends too early', 1, 8],
  ['\ufeff', 'the file ends too early', 1, 1],
  ["{'a': 1}", 'unexpected "\'"', 1, 2],
  ['[01]', 'unexpected "1"', 1, 3],
])('%j: %s at line %i, column %i', (text, reason, line, column) => {
  let error: unknown
  try {
    parseJson(text)
  } catch (thrown) {
    error = thrown
  }
  expect(error).toBeInstanceOf(JsonSyntaxError)
  expect(error).toMatchObject({ line, column, message: `${reason} (line ${line}, column ${column})` })
})

test('the error of a deep or long text is found', () => {
  expect(() => parseJson(`${'['.repeat(20_000)}x`)).toThrow('column 20001')
  expect(() => parseJson(`[${'"text", '.repeat(20_000)}]`)).toThrow('unexpected "]"')
})
