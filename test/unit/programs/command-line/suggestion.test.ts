import { describe, expect, test } from 'vitest'
import { closestWord, didYouMean } from '../../../../src/programs/command-line/suggestion.ts'

const COMMANDS = ['send', 'tail', 'history', 'identity', 'who', 'top', 'lab']

describe('closestWord', () => {
  test.each([
    ['sned', 'send'],
    ['tial', 'tail'],
    ['hstory', 'history'],
    ['identitty', 'identity'],
    ['SEND', 'send'],
    ['woh', 'who'],
  ])('%s suggests %s', (word, candidate) => {
    expect(closestWord(word, COMMANDS)).toBe(candidate)
  })

  test.each(['foo', 'nonsense', 'x', ''])('%j suggests nothing', word => {
    expect(closestWord(word, COMMANDS)).toBeUndefined()
  })

  test('the candidate with the fewest edits wins, and the first of equals', () => {
    expect(closestWord('tls', ['tlas', 'tlss', 'tls'])).toBe('tls')
    expect(closestWord('abcd', ['abce', 'abcf'])).toBe('abce')
  })
})

test('didYouMean is empty without a candidate', () => {
  expect(didYouMean('sned', COMMANDS)).toBe('; did you mean send?')
  expect(didYouMean('foo', COMMANDS)).toBe('')
})
