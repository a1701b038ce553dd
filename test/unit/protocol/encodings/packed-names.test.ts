/** Names packed into one text. */
import { describe, expect, test } from 'vitest'
import { packNames, unpackNames } from '../../../../src/protocol/encodings/packed-names.ts'
import { presenceSchema } from '../../../../src/protocol/frames.ts'
import { between, pick, seeded } from '../../../support/random.ts'

describe('packNames', () => {
  test('writes the shared and the other units of each name', () => {
    expect(packNames(['Anna', 'Annabel', 'Billy'])).toBe('04Anna43bel05Billy')
  })

  test('is undone by unpackNames, for any names in any order', () => {
    const random = seeded(3)
    const alphabet = ['a', 'b', 'z', '0', ' ', '"', '\\', 'ö', '\u{1f600}', '\u{1f601}', '\u5b57']
    for (let round = 0; round < 300; round++) {
      const names = Array.from({ length: between(random, 0, 20) }, () =>
        Array.from({ length: between(random, 1, pick(random, [3, 40, 90])) }, () => pick(random, alphabet)).join(''),
      )
      if (round % 2 === 0) names.sort()
      const packed = packNames(names)
      expect(unpackNames(packed, 20)).toEqual(names)
      expect(packed).not.toMatch(/\p{Cs}/u)
    }
  })

  test('shortens sorted names to a third', () => {
    const names = Array.from({ length: 1_000 }, (_, n) => `user-${`${n * 100}`.padStart(6, '0')}`)
    expect(packNames(names).length / names.length).toBeLessThan(6)
  })
})

test.each(['0', '05Ann', '14Anna', '04Anna53bel', '0-Anna', '0z0', '0zA9Anna', ' 4Anna', '04Anna0'])(
  'unpackNames refuses %j',
  packed => {
    expect(unpackNames(packed, 100)).toBeUndefined()
  },
)

test('unpackNames refuses more names than allowed', () => {
  expect(unpackNames('01a01b01c', 3)).toEqual(['a', 'b', 'c'])
  expect(unpackNames('01a01b01c', 2)).toBeUndefined()
})

describe('a snapshot with packed names', () => {
  const snapshot = (packed: string, users: unknown[] = []) =>
    presenceSchema.safeParse({ type: 'snapshot', incarnation: 'x', seq: 1, users, packed, more: false })

  test('has them as users with one connection', () => {
    const { data } = snapshot(packNames(['Anna', 'Billy']), [['Carla', 2]])
    const users = [
      ['Carla', 2],
      ['Anna', 1],
      ['Billy', 1],
    ]
    expect(data).toEqual({ type: 'snapshot', incarnation: 'x', seq: 1, users, more: false })
  })

  test('is refused if one is not a name, and leaves out those of rooms', () => {
    expect(snapshot(packNames(['Anna', 'a\u200bb'])).success).toBe(false)
    expect(snapshot('00').success).toBe(false)
    expect(snapshot('9').success).toBe(false)
    expect(snapshot(packNames(['#room', 'Anna'])).data).toMatchObject({ users: [['Anna', 1]] })
  })

  test('is refused if it has too many names', () => {
    const names = Array.from({ length: 4_096 }, (_, n) => `user ${n}`)
    expect(snapshot(packNames(names)).success).toBe(true)
    expect(snapshot(packNames(names), [['Anna', 1]]).success).toBe(false)
  })
})
