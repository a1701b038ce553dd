/** The sorted set of names, compared with a sorted array. */
import { expect, test } from 'vitest'
import { SortedNames } from '../../../src/common/sorted-names.ts'
import { Random } from '../../support/random.ts'

function filled(count: number): SortedNames {
  const names = new SortedNames()
  for (let n = 0; n < count; n++) names.add(`user ${n}`)
  return names
}

test('add and delete report whether the set changed', () => {
  const names = new SortedNames()
  expect(names.add('Anna')).toBe(true)
  expect(names.add('Anna')).toBe(false)
  expect(names.size).toBe(1)
  expect(names.delete('Billy')).toBe(false)
  expect(names.delete('Anna')).toBe(true)
  expect(names.delete('Anna')).toBe(false)
  expect(names.size).toBe(0)
})

test('an empty set has no names', () => {
  const names = new SortedNames()
  expect(names.has('')).toBe(false)
  expect(names.delete('Anna')).toBe(false)
  expect(names.slice(0, 10)).toEqual([])
  expect([...names]).toEqual([])
})

test('names are sorted by UTF-16 code units', () => {
  const names = new SortedNames()
  for (const name of ['b', 'a', 'B', 'ä', '\ud83d\ude42', '\uffff']) names.add(name)
  expect(names.toArray()).toEqual(['B', 'a', 'b', 'ä', '\ud83d\ude42', '\uffff'])
})

test('random changes leave what a sorted array would hold', () => {
  const random = new Random(1)
  const names = new SortedNames()
  const model = new Set<string>()
  for (let step = 0; step < 20_000; step++) {
    const name = random.below(3_000).toString(36)
    const isLeaving = random.chance(Math.floor(step / 5_000) % 2 === 0 ? 0.2 : 0.8)
    const changed = isLeaving ? names.delete(name) : names.add(name)
    if (changed !== (isLeaving ? model.delete(name) : !model.has(name))) throw new Error(`wrong result for ${name}`)
    if (!isLeaving) model.add(name)
    if (step % 1_000 === 999) {
      const sorted = [...model].sort()
      expect(names.toArray()).toEqual(sorted)
      expect([...names]).toEqual(sorted)
      expect(names.size).toBe(model.size)
      expect(sorted.every(name => names.has(name))).toBe(true)
    }
  }
})

test('names after a block that became empty are still found', () => {
  const names = new SortedNames()
  const sorted = Array.from({ length: 2_000 }, (_, n) => String(n).padStart(4, '0'))
  names.reset(sorted)
  for (const name of sorted.slice(200, 1_500)) names.delete(name)
  expect(sorted.slice(1_500).every(name => names.has(name))).toBe(true)
  expect(names.add('0700')).toBe(true)
  expect(names.toArray()).toEqual([...sorted.slice(0, 200), '0700', ...sorted.slice(1_500)])
})

test('slice returns the names from start up to end, across blocks', () => {
  const names = filled(2_000)
  const all = names.toArray()
  for (const [start, end] of [
    [0, 5],
    [500, 520],
    [250, 1_800],
    [1_990, 3_000],
    [5, 5],
  ] as const) {
    expect(names.slice(start, end)).toEqual(all.slice(start, end))
  }
})

test('reset replaces all names', () => {
  const names = filled(100)
  const sorted = Array.from({ length: 1_500 }, (_, n) => String(n).padStart(5, '0'))
  names.reset(sorted)
  expect(names.size).toBe(1_500)
  expect(names.toArray()).toEqual(sorted)
  expect(names.add('00000x')).toBe(true)
  expect(names.has('user 1')).toBe(false)
  names.reset([])
  expect([names.size, names.toArray()]).toEqual([0, []])
})
