/** Names of rooms: their canonical form, and that no user name is one. */
import { describe, expect, test } from 'vitest'
import { isUserName, parseUserName } from '../../../src/protocol/names.ts'
import { isRoom, isRoomName, parseRoomName, roomNameSchema } from '../../../src/protocol/rooms.ts'
import { Random } from '../../support/random.ts'

const parsed = (raw: unknown) => {
  const result = parseRoomName(raw)
  return result.ok ? result.value : undefined
}
const RULE = 'a room name has # and then 1 to 63 letters, digits or any of - _ .'

describe('a room name is brought into its canonical form', () => {
  test.each([
    ['lower case ASCII is unchanged', '#ops-1_a.b', '#ops-1_a.b'],
    ['capital letters are folded', '#Ops', '#ops'],
    ['white space at the ends is removed', ' \t#ops\n', '#ops'],
    ['a decomposed letter becomes NFC', '#cafe\u0301', '#caf\u00e9'],
    ['a decomposed capital letter becomes NFC in lower case', '#CAFE\u0301', '#caf\u00e9'],
    ['the Kelvin sign is a k', '#\u212a', '#k'],
    ['a capital sharp s is folded', '#STRA\u1e9eE', '#stra\u00dfe'],
    ['a dotted capital I keeps its dot', '#\u0130', '#i\u0307'],
    ['a sigma at the end is that of the middle', '#ΟΔΟΣ', '#οδοσ'],
    ['a final sigma that was typed is the same', '#οδος', '#οδοσ'],
    ['a sigma before a full stop is the same', '#ΟΔΟΣ.ΟΔΟΣ', '#οδοσ.οδοσ'],
    ['other scripts are kept', '#林さん', '#林さん'],
    ['digits of other scripts are kept', '#٣', '#٣'],
    ['marks follow a letter', '#कि', '#कि'],
  ])('%s', (_, raw, name) => {
    expect(parsed(raw)).toBe(name)
  })

  test('two spellings of one name are one room', () => {
    expect(new Set(['#Ops', '#OPS', ' #ops '].map(parsed))).toEqual(new Set(['#ops']))
  })
})

describe('a room name has # and 1 to 63 more characters', () => {
  test('characters are code points, after normalising', () => {
    expect(parsed(`#${'x'.repeat(63)}`)).toBe(`#${'x'.repeat(63)}`)
    expect(parsed(`#${'x'.repeat(64)}`)).toBeUndefined()
    expect(parsed(`#${'𐐷'.repeat(63)}`)).toBe(`#${'𐐷'.repeat(63)}`)
    expect(parsed(`#${'𐐷'.repeat(64)}`)).toBeUndefined()
    expect(parsed(`#${'e\u0301'.repeat(63)}`)).toBe(`#${'é'.repeat(63)}`)
  })

  test.each([
    '#',
    '',
    'ops',
    '##',
    '##ops',
    '#ops#',
    '# ops',
    '#o ps',
    '#a/b',
    '#a:b',
    '#a,b',
    '#\u0301a',
    '\uff03ops',
  ])('%j is not a room name', raw => {
    expect(parseRoomName(raw)).toEqual({ ok: false, reason: RULE })
  })

  test.each([
    ['an emoji', '#🙂'],
    ['a control character', '#a\u0007'],
    ['a line break inside', '#a\nb'],
    ['a bidi override', '#a\u202eb'],
    ['a zero-width space', '#a\u200bb'],
    ['a zero-width joiner', '#a\u200db'],
    ['a lone surrogate', '#a\ud83d'],
    ['a private-use character', '#a\ue000'],
    ['a superscript that is no letter', '#a\u207a'],
    ['an apostrophe', "#o'neill"],
  ])('%s is refused', (_, raw) => {
    expect(parseRoomName(raw)).toEqual({ ok: false, reason: RULE })
  })

  test.each([undefined, null, 7, ['#ops'], {}])('a room name must be a string, not %j', raw => {
    expect(parseRoomName(raw)).toEqual({ ok: false, reason: 'a room name must be a string' })
    expect(isRoomName(raw)).toBe(false)
  })

  test('a huge text is refused without being normalised', () => {
    expect(parseRoomName(`#${'\u0130'.repeat(10_000_000)}`)).toEqual({ ok: false, reason: RULE })
  })
})

const ALPHABET = [
  ...'aAzZ09._-#',
  'é',
  'E\u0301',
  'Σ',
  'ς',
  'σ',
  'İ',
  'ı',
  'ẞ',
  'ß',
  'Ǆ',
  'ǅ',
  '\u212b',
  'ﬀ',
  'Ⅷ',
  '林',
  '\u0345',
]

describe('parsing again changes nothing', () => {
  test('for random names, and the parsed name is accepted from other programs', () => {
    const random = new Random(5)
    let valid = 0
    for (let n = 0; n < 20_000; n++) {
      const raw = `#${Array.from({ length: 1 + random.below(6) }, () => random.pick(ALPHABET)).join('')}`
      const name = parsed(raw)
      if (name === undefined) continue
      valid++
      expect([raw, parsed(name)]).toEqual([raw, name])
      expect([raw, isRoomName(name), roomNameSchema.safeParse(name).success]).toEqual([raw, true, true])
    }
    expect(valid).toBeGreaterThan(5_000)
  })

  test('for each letter, mark and digit, alone and next to another letter', () => {
    for (let code = 0x21; code < 0x2_0000; code++) {
      const character = String.fromCodePoint(code)
      if (!/[\p{L}\p{M}\p{N}]/u.test(character)) continue
      for (const raw of [`#${character}`, `#a${character}`, `#${character}a`]) {
        const name = parsed(raw)
        if (name !== undefined && parsed(name) !== name) expect([raw, parsed(name)]).toEqual([raw, name])
      }
    }
  })
})

describe('a name that another program passes on', () => {
  test.each(['#ops', '#caf\u00e9', '#οδοσ', `#${'𐐷'.repeat(63)}`])('is accepted in canonical form: %j', name => {
    expect(isRoomName(name)).toBe(true)
  })

  test.each(['#Ops', ' #ops', '#cafe\u0301', '#οδος', 'ops', '#', `#${'x'.repeat(64)}`, `#${'𐐷'.repeat(64)}`])(
    'is refused in any other form: %j',
    name => {
      expect(isRoomName(name)).toBe(false)
      expect(roomNameSchema.safeParse(name).success).toBe(false)
    },
  )

  test.each(['#ops', '#caf\u00e9', '#οδοσ', `#${'𐐷'.repeat(63)}`])('may be the recipient of a message: %j', name => {
    expect(isUserName(name)).toBe(true)
  })

  test.each([
    ['a Hangul filler', '#ops\u3164'],
    ['a combining grapheme joiner', '#ops\u034f'],
    ['a variation selector', '#ops\ufe0f'],
    ['a Mongolian variation selector', '#ops\u180b'],
    ['a Khmer inherent vowel', '#ops\u17b4'],
  ])('no room name has an invisible character: %s', (_, raw) => {
    const name = parsed(raw)
    expect(name === undefined || name === '#ops').toBe(true)
  })
})

describe('rooms and users have different names', () => {
  test('a recipient that starts with # is a room', () => {
    expect(['#ops', '#', '##'].map(isRoom)).toEqual([true, true, true])
    expect(['Anna', '', 'a#', ' #ops', '\uff03ops'].map(isRoom)).toEqual([false, false, false, false, false])
  })

  test.each(['#', '#ops', ' #ops', '\t#Anna', '#\u0301'])('a user name cannot start with #: %j', raw => {
    expect(parseUserName(raw)).toEqual({ ok: false, reason: 'a user name cannot start with #, which marks rooms' })
  })

  test('a user name may have # in it', () => {
    expect(parseUserName('Anna #2')).toEqual({ ok: true, value: 'Anna #2' })
  })

  test.each(['\ufe0f#ops', '\ufe0e #ops', ' \ufe0f#'])(
    'a user name cannot start with # after a variation selector: %j',
    raw => {
      const result = parseUserName(raw)
      expect(result.ok && isRoom(result.value)).toBe(false)
    },
  )
})
