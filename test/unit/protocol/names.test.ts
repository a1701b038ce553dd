import { describe, expect, test } from 'vitest'
import { compareNames, isUserName, parseServerId, parseUserName } from '../../../src/protocol/names.ts'

const parsed = (raw: unknown) => {
  const result = parseUserName(raw)
  return result.ok ? result.value : undefined
}
const reason = (raw: unknown) => {
  const result = parseUserName(raw)
  return result.ok ? undefined : result.reason
}

describe('N1: a user name is normalised', () => {
  test.each([
    ['visible ASCII is unchanged', "O'Neill <anna@x>", "O'Neill <anna@x>"],
    ['white space at the ends is removed', ' \t Anna \n', 'Anna'],
    ['a decomposed letter becomes NFC', 'Zoe\u0308', 'Zo\u00eb'],
    ['variation selectors are removed', '\u2615\ufe0f', '\u2615'],
    ['spaces inside are kept', 'Anna  Bell', 'Anna  Bell'],
    ['other scripts are kept', '\u6797\u3055\u3093', '\u6797\u3055\u3093'],
  ])('%s', (_, raw, name) => {
    expect(parsed(raw)).toBe(name)
  })
})

describe('N2: length', () => {
  test('a name has at most 64 code points after normalisation', () => {
    expect(parsed('x'.repeat(64))).toBe('x'.repeat(64))
    expect(reason('x'.repeat(65))).toBe('a user name can have at most 64 characters')
    expect(parsed('\u{1f642}'.repeat(64))).toBe('\u{1f642}'.repeat(64))
    expect(reason('\u{1f642}'.repeat(65))).toBe('a user name can have at most 64 characters')
    expect(parsed(`${'e\u0301'.repeat(64)}  `)).toBe('\u00e9'.repeat(64))
  })

  test('a huge text is rejected without being normalised', () => {
    expect(reason('x'.repeat(10_000_000))).toBe('a user name can have at most 64 characters')
  })

  test.each(['', '   ', '\ufe0f'])('an empty name is rejected: %j', raw => {
    expect(reason(raw)).toBe('a user name cannot be empty')
  })

  test.each([undefined, null, 7, ['Anna'], {}])('a name must be a string, not %j', raw => {
    expect(reason(raw)).toBe('a user name must be a string')
  })
})

const HIDDEN: [string, string][] = [
  ['a control character', 'An\u0007na'],
  ['an escape sequence', '\u001b[31mAnna'],
  ['a line break inside', 'An\nna'],
  ['a bidi override', 'An\u202ena'],
  ['a zero-width space', 'An\u200bna'],
  ['a zero-width joiner', 'An\u200dna'],
  ['a lone surrogate', 'An\ud83dna'],
  ['a line separator', 'An\u2028na'],
  ['a no-break space', 'An\u00a0na'],
  ['an ideographic space', 'An\u3000na'],
  ['a Hangul filler', 'An\u3164na'],
  ['a blank braille pattern', 'An\u2800na'],
  ['a tag character', 'Anna\u{e0041}'],
  ['a leading combining mark', '\u0301Anna'],
]
const UNASSIGNED: [string, string][] = [
  ['an unassigned character', 'Anna\u0378'],
  ['a private-use character', 'Anna\ue000'],
]

test.each([...HIDDEN, ...UNASSIGNED])('N3: %s is rejected', (_, raw) => {
  expect(reason(raw)).toBe('a user name cannot contain control or invisible characters')
})

test.each(HIDDEN)('N4: %s is rejected in a name that another program passes on', (_, raw) => {
  expect(isUserName(raw)).toBe(false)
})

test.each(UNASSIGNED)('N4: %s is accepted in a name that another program passes on', (_, raw) => {
  expect(isUserName(raw)).toBe(true)
})

test('N4: a name that another program passes on has 1 to 200 units', () => {
  expect(isUserName('')).toBe(false)
  expect(isUserName('x'.repeat(200))).toBe(true)
  expect(isUserName('x'.repeat(201))).toBe(false)
  expect(isUserName(7)).toBe(false)
})

test('every parsed name is accepted by other programs', () => {
  for (const raw of ['Anna', ' Zoe\u0308 ', '\u{1f642}'.repeat(64), 'x']) expect(isUserName(parsed(raw))).toBe(true)
})

test('N5: names are ordered by UTF-16 code units', () => {
  const names = ['b', 'a', 'B', '\u{1f642}', '\uffee', 'ab', 'a']
  expect([...names].sort(compareNames)).toEqual(['B', 'a', 'a', 'ab', 'b', '\u{1f642}', '\uffee'])
  expect([...names].sort(compareNames)).toEqual([...names].sort())
})

test.each(['server-1', 'a', '7', 'eu/web.1_x', 'x'.repeat(64)])('N6: %s is a server id', id => {
  expect(parseServerId(id)).toEqual({ ok: true, value: id })
})

test.each(['', '-a', '.a', '/a', 'a b', 'a:1', 'sérver', 'x'.repeat(65), 7, undefined])(
  'N6: %j is not a server id',
  id => {
    expect(parseServerId(id).ok).toBe(false)
  },
)
