/** Names of a peer in little memory, compared with a plain `Map`. */
import { describe, expect, test } from 'vitest'
import { CompactNames } from '../../../src/presence/compact-names.ts'
import { Random } from '../../support/random.ts'

const UNITS = [
  'a',
  'b',
  'z',
  '0',
  ' ',
  '\u0000',
  '\u007f',
  '\u0080',
  'é',
  '\u07ff',
  '\u0800',
  '中',
  '\ud83d',
  '\ude42',
  '\uffff',
]
const COUNTS = [1, 1, 1, 2, 127, 128, 100_000, 2 ** 31, 2 ** 53 - 1]

/** Names with common prefixes, random and long names, all scripts, and halves of surrogate pairs. */
function nameOf(random: Random, crowd: number): string {
  const kind = random.below(10)
  if (kind < 5) return `user-${random.below(crowd)}`
  if (kind < 7) return random.below(36 ** 6).toString(36)
  const length = kind === 9 ? random.below(301) : random.below(12)
  let name = ''
  for (let at = 0; at < length; at++) name += random.chance(0.7) ? 'a' : random.pick(UNITS)
  return name
}

function sorted(model: Map<string, number>): [string, number][] {
  return [...model].sort(([one], [other]) => (one < other ? -1 : 1))
}

describe('compared with a Map', () => {
  for (const [seed, crowd] of [
    [1, 30],
    [2, 1_000],
    [3, 50_000],
  ] as const) {
    test(`random joins and leaves of ${crowd} users give the same names and counts`, () => {
      const random = new Random(seed)
      const names = new CompactNames()
      const model = new Map<string, number>()
      const known: string[] = []
      /** Called 64,000 times; `expect` would take most of the time. */
      const check = (isEqual: boolean) => isEqual || expect.fail(`differs from the Map with seed ${seed}`)
      for (let step = 0; step < 16_000; step++) {
        // The set grows, shrinks until it is empty, and grows again.
        const leaving = random.chance(Math.floor(step / 4_000) % 2 === 0 ? 0.2 : 0.95)
        const name =
          leaving && known.length > 0 ? (known.splice(random.below(known.length), 1)[0] ?? '') : nameOf(random, crowd)
        const count = leaving ? 0 : random.pick(COUNTS)
        check(names.set(name, count) === (model.get(name) ?? 0))
        if (count === 0) model.delete(name)
        else model.set(name, count)
        if (count !== 0) known.push(name)
        const other = nameOf(random, crowd)
        check(names.get(other) === (model.get(other) ?? 0))
        check(names.get(name) === count)
        check(names.size === model.size)
        if (step % 1_000 === 0) expect([...names]).toEqual(sorted(model))
      }
      expect([...names]).toEqual(sorted(model))
      for (const [name, count] of model) check(names.set(name, 0) === count)
      expect([...names]).toEqual([])
      expect(names.bytes).toBe(0)
    })
  }
})

describe('memory', () => {
  const crowd = Array.from({ length: 100_000 }, (_, n) => `u${String((n * 7_919) % 100_000).padStart(8, '0')}`)

  test('100,000 names of 9 characters take less than a megabyte', () => {
    const random = new Random(4)
    const scattered = Array.from({ length: 100_000 }, () => (36 ** 8 + random.below(35 * 36 ** 8)).toString(36))
    for (const list of [crowd, [...crowd].sort(), [...crowd].sort().reverse(), scattered]) {
      const names = new CompactNames()
      for (const name of list) names.set(name, 1)
      expect(names.size).toBe(new Set(list).size)
      expect(names.bytes).toBeLessThan(1_000_000)
    }
  })

  test('removed names release their memory', () => {
    const names = new CompactNames()
    for (const name of crowd) names.set(name, 1)
    const full = names.bytes
    // One name in a hundred stays, so that no block becomes empty.
    for (const name of crowd) if (!name.endsWith('00')) names.set(name, 0)
    expect(names.size).toBe(1_000)
    expect(names.bytes).toBeLessThan(full / 3)
  })

  test('a few names take a few bytes', () => {
    const names = new CompactNames()
    for (const name of crowd.slice(0, 10)) names.set(name, 1)
    expect(names.bytes).toBeLessThan(2_000)
  })
})

test('a name that is too long throws, and changes nothing', () => {
  const names = new CompactNames()
  names.set('x'.repeat(300), 3)
  expect(() => names.set('x'.repeat(301), 1)).toThrow(RangeError)
  expect(names.get('x'.repeat(301))).toBe(0)
  expect([...names]).toEqual([['x'.repeat(300), 3]])
})

test('names after any name, in the set or not, are found in order', () => {
  const random = new Random(7)
  const names = new CompactNames()
  const model = new Map<string, number>()
  expect(names.after('', 5)).toEqual([])
  for (let n = 0; n < 5_000; n++) {
    const name = nameOf(random, 3_000)
    names.set(name, 1)
    model.set(name, 1)
  }
  const all = sorted(model).map(([name]) => name)
  for (let n = 0; n < 200; n++) {
    const [name, count] = [random.chance(0.5) ? random.pick(all) : nameOf(random, 3_000), random.below(300)]
    const expected = all.filter(one => one > name).slice(0, count)
    expect(names.after(name, count)).toEqual(expected)
  }
})
