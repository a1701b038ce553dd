import { expect, test } from 'vitest'
import { frontDecode, frontEncode } from '../../../../src/protocol/encodings/front-coding.ts'
import { seeded } from '../../../support/random.ts'

test('R8: a name is coded by the units that it shares with the previous one, and the rest', () => {
  expect(frontEncode(['Anna', 'Anne', 'Annette', 'Billy'])).toEqual(['0Anna', '3e', '4tte', '0Billy'])
})

test('R8: at most 35 units are shared', () => {
  const name = 'x'.repeat(40)
  expect(frontEncode([name, `${name}y`])).toEqual([`0${name}`, `z${'x'.repeat(5)}y`])
})

test('R8: a coded list decodes to its names, in any order', () => {
  const random = seeded(2)
  const letters = ['a', 'b', '\u00e9', '\u{1f642}']
  const nameOf = () => Array.from({ length: 1 + random() * 50 }, () => letters[Math.floor(random() * 4)]).join('')
  for (let n = 0; n < 100; n++) {
    const names = Array.from({ length: random() * 30 }, nameOf)
    expect(frontDecode(frontEncode(names))).toEqual(names)
    const sorted = [...names].sort()
    expect(frontDecode(frontEncode(sorted))).toEqual(sorted)
  }
})

test.each([[['1Anna']], [['0Anna', '5e']], [['-Anna']], [['']]])('invalid coding throws: %j', coded => {
  expect(() => frontDecode(coded)).toThrow('invalid front coding')
})
