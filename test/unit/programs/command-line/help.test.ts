import { expect, test } from 'vitest'
import { helpText } from '../../../../src/programs/command-line/help.ts'

test('terms and meanings are aligned within a section', () => {
  const sections = {
    Keys: [
      ['a', 'one'],
      ['long', 'two'],
    ],
    Codes: [['0', 'fine']],
  } as const
  expect(helpText(sections)).toBe(['', 'Keys:', '  a     one', '  long  two', '', 'Codes:', '  0  fine'].join('\n'))
})

test('a term of more than 34 characters has its own line and does not widen the column', () => {
  const term = 'x'.repeat(35)
  const rows = [
    ['short', 'one'],
    [term, 'two'],
  ] as const
  expect(helpText({ Keys: rows })).toBe(['', 'Keys:', '  short  one', `  ${term}`, '         two'].join('\n'))
})

test('a term of 34 characters is in the column', () => {
  const term = 'x'.repeat(34)
  expect(helpText({ Keys: [[term, 'one']] })).toBe(['', 'Keys:', `  ${term}  one`].join('\n'))
})
