/** The columns of the history index. */
import { expect, test } from 'vitest'
import {
  EMPTY_COLUMNS,
  type IndexColumns,
  type IndexEntry,
  indexOfEntry,
  mergeEntries,
  packColumns,
  rowsOfEntry,
  unpackColumns,
} from '../../../../cli/history/index-columns.ts'
import { Random } from '../../../support/random.ts'

/** Merges entries of which those with the same time and hash are one message. */
const merge = (columns: IndexColumns, added: IndexEntry[]) => mergeEntries(columns, added, () => 'one message')

test('merged columns hold each entry once, in the order of time, like a plain model', () => {
  const random = new Random(7)
  let columns: IndexColumns = EMPTY_COLUMNS
  const model = new Map<string, IndexEntry>()
  for (let round = 0; round < 300; round++) {
    const added = Array.from({ length: random.below(6) }, (): IndexEntry => {
      const [at, a, b] = [random.below(40), random.below(3), random.below(3)]
      return { at, a, b, peer: a, offset: at * 100 + a * 10 + b, length: at }
    })
    // Entries with the same time and hash are duplicates.
    for (const entry of added) model.set(`${entry.at} ${entry.a} ${entry.b}`, entry)
    columns = merge(columns, added)
    expect([...columns.at]).toEqual([...model.values()].map(({ at }) => at).sort((one, other) => one - other))
    for (const entry of model.values()) expect(columns.offset[indexOfEntry(columns, entry)]).toBe(entry.offset)
    expect(indexOfEntry(columns, { at: random.below(40), a: 5, b: 5 })).toBe(-1)
  }
})

const entry = (at: number, more: Partial<IndexEntry> = {}): IndexEntry => ({
  at,
  a: at,
  b: -at,
  peer: 1,
  offset: at * 10,
  length: 9,
  ...more,
})

test('a merge leaves the old columns unchanged, and returns them if nothing is new', () => {
  const columns = merge(EMPTY_COLUMNS, [entry(1), entry(3)])
  const merged = merge(columns, [entry(2)])
  expect([...columns.at]).toEqual([1, 3])
  expect([...merged.at]).toEqual([1, 2, 3])
  expect(merge(merged, [entry(2), entry(3)])).toBe(merged)
  expect(merge(EMPTY_COLUMNS, [])).toBe(EMPTY_COLUMNS)
})

test('appended rows share memory, and no columns change when others grow from the same ones', () => {
  const start = merge(EMPTY_COLUMNS, [entry(1), entry(2)])
  const steps = [start]
  for (let n = 3; n < 300; n++) steps.push(merge(steps.at(-1) ?? start, [entry(n)]))
  const fork = merge(start, [entry(7)])
  const again = merge(start, [entry(8)])
  for (const [at, columns] of steps.entries()) {
    expect([...columns.at]).toEqual(Array.from({ length: at + 2 }, (_, n) => n + 1))
  }
  expect([[...start.at], [...fork.at], [...again.at]]).toEqual([
    [1, 2],
    [1, 2, 7],
    [1, 2, 8],
  ])
  // Copies are rare.
  expect(new Set(steps.map(({ at }) => at.buffer)).size).toBeLessThan(40)
  expect(merge(again, [entry(5)]).at).toEqual(new Float64Array([1, 2, 5, 8]))
})

test('entries with the same time and different hashes are all kept', () => {
  const columns = merge(EMPTY_COLUMNS, [entry(1), entry(1, { b: 7 }), entry(1), entry(1, { a: 7 })])
  expect(columns.at).toHaveLength(3)
})

test('entries of different messages with the same time and hash are all kept', () => {
  const keyOf = ({ offset }: { offset: number }) => `message ${Math.floor(offset / 100)}`
  let columns = mergeEntries(EMPTY_COLUMNS, [entry(1, { offset: 0 }), entry(1, { offset: 100 })], keyOf)
  expect([...columns.offset]).toEqual([0, 100])
  columns = mergeEntries(columns, [entry(1, { offset: 101 }), entry(1, { offset: 200 })], keyOf)
  expect([...columns.offset].sort()).toEqual([0, 100, 200])
  expect(rowsOfEntry(columns, entry(1))).toEqual([0, 1, 2])
  expect(rowsOfEntry(columns, entry(2))).toEqual([])
})

test('packed columns give the same columns again', () => {
  const columns = merge(EMPTY_COLUMNS, [
    entry(1),
    entry(1e15, { offset: 2 ** 52, length: 2 ** 32 - 1, a: 2 ** 31 - 1, b: -(2 ** 31) }),
    entry(5, { peer: -7 }),
  ])
  const packed = Buffer.concat([Buffer.alloc(16), ...packColumns(columns)])
  const bytes = packed.buffer.slice(packed.byteOffset, packed.byteOffset + packed.length) as ArrayBuffer
  expect(unpackColumns(bytes, 16)).toEqual(columns)
})

test('bytes that are not a whole number of entries are rejected', () => {
  expect(unpackColumns(new ArrayBuffer(16 + 31), 16)).toBeUndefined()
  expect(unpackColumns(new ArrayBuffer(16 + 33), 16)).toBeUndefined()
  expect(unpackColumns(new ArrayBuffer(16), 16)?.at).toHaveLength(0)
})
