/** The index file: round trip, damaged files, atomic replacement. */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { ChangeIndex } from '../../../../cli/history/change-index.ts'
import type { EarlyReceipt } from '../../../../cli/history/early-receipts.ts'
import { EMPTY_COLUMNS, mergeEntries, recordReceipt } from '../../../../cli/history/index-columns.ts'
import { readIndex, writeIndex } from '../../../../cli/history/index-file.ts'
import { stopAll, temporaryFolder } from '../../../support/programs/processes.ts'

const columns = mergeEntries(
  EMPTY_COLUMNS,
  [3, 1, 2].map(at => ({ at, a: at, b: -at, peer: 1, offset: at * 100, length: 99 })),
  () => 'one message',
)
recordReceipt(columns, { at: 2, a: 2, b: -2 }, { delivered: 4, of: 5 })
const names = ['Billy', 'Žofie 🎈']
const receipts: EarlyReceipt[] = [
  [{ at: 1.5, a: -7, b: 2 ** 31 - 1 }, { delivered: 1 }],
  [
    { at: 2, a: 0, b: 1 },
    { delivered: 2, of: 3 },
  ],
]
const changes = ChangeIndex.empty()
for (const n of [1, 2, 3]) changes.add({ offset: n * 70, length: 60 + n, a: -5, b: n % 2 })
const rows = { rows: Uint32Array.of(0, 1, 2), counts: [0, 3] }
const NO_ROWS = { rows: new Uint32Array(), counts: [] }
let folder = ''
let file = ''

beforeEach(() => {
  folder = temporaryFolder()
  file = join(folder, 'Anna.index')
})
afterAll(stopAll)

function withNamesLength(index: Buffer, length: number): Buffer {
  const bytes = Buffer.from(index)
  bytes.writeDoubleLE(length, 24)
  return bytes
}

test('a written index is read back, is private, and leaves no temporary file', () => {
  writeIndex(file, { indexedBytes: 2 ** 40 + 1, names, columns, rows, changes, receipts })
  expect(readIndex(file, 2 ** 41)).toEqual({ indexedBytes: 2 ** 40 + 1, names, columns, rows, changes, receipts })
  const read = readIndex(file, 2 ** 41)?.changes
  expect([read?.of({ a: -5, b: 1 }), read?.of({ a: -5, b: 0 })]).toEqual([
    [
      { offset: 70, length: 61 },
      { offset: 210, length: 63 },
    ],
    [{ offset: 140, length: 62 }],
  ])
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(readdirSync(folder)).toEqual(['Anna.index'])
})

test('an index replaces an older and longer one completely', () => {
  writeIndex(file, { indexedBytes: 300, names, columns, rows, changes, receipts })
  writeIndex(file, {
    indexedBytes: 0,
    names: [],
    columns: EMPTY_COLUMNS,
    rows: NO_ROWS,
    changes: ChangeIndex.empty(),
    receipts: [],
  })
  expect(readIndex(file, 1_000)).toEqual({
    indexedBytes: 0,
    names: [],
    columns: EMPTY_COLUMNS,
    rows: NO_ROWS,
    changes: ChangeIndex.empty(),
    receipts: [],
  })
})

test('a missing index is undefined', () => {
  expect(readIndex(file, 1_000)).toBeUndefined()
})

test('a damaged index, or one with another layout, is undefined', () => {
  writeIndex(file, { indexedBytes: 400, names, columns, rows, changes, receipts })
  const bytes = readFileSync(file)
  const damaged: Buffer[] = [
    Buffer.alloc(0),
    bytes.subarray(0, 20),
    bytes.subarray(0, -1),
    Buffer.concat([bytes, Buffer.alloc(5)]),
    Buffer.concat([Buffer.from('mesh-chat index 1'), bytes.subarray(17)]),
    withNamesLength(bytes, 8),
    withNamesLength(bytes, 1e300),
    withNamesLength(bytes, Number.NaN),
  ]
  for (const content of damaged) {
    writeFileSync(file, content)
    expect(readIndex(file, 1_000)).toBeUndefined()
  }
})

test('an index with any changed byte, or of a longer history, is undefined', () => {
  writeIndex(file, { indexedBytes: 400, names, columns, rows, changes, receipts })
  const bytes = readFileSync(file)
  // The bytes between the magic and the checksum are not used.
  for (let at = 20; at < bytes.length; at++) {
    const changed = Buffer.from(bytes)
    changed[at] = (changed[at] ?? 0) ^ 0x10
    writeFileSync(file, changed)
    expect(readIndex(file, 1_000), `byte ${at}`).toBeUndefined()
  }
  writeFileSync(file, bytes)
  expect(readIndex(file, 399)).toBeUndefined()
  expect(readIndex(file, 400)).toBeDefined()
})

test.each([
  ['a negative offset', { offset: -1 }],
  ['an offset outside the history', { offset: 1e9 }],
  ['a fractional offset', { offset: 1.5 }],
  ['a length outside the history', { length: 2 ** 31 }],
  ['a time that is not a number', { at: Number.NaN }],
])('an index with %s is undefined', (_, change) => {
  const entry = { at: 1, a: 1, b: 1, peer: 0, offset: 0, length: 10, ...change }
  writeIndex(file, {
    indexedBytes: 300,
    names,
    columns: mergeEntries(EMPTY_COLUMNS, [entry], () => ''),
    rows: { rows: Uint32Array.of(0), counts: [1] },
    changes,
    receipts,
  })
  expect(readIndex(file, 1_000)).toBeUndefined()
})

test('an index with changes outside of the history, or in another order than in it, is undefined', () => {
  for (const offsets of [[350], [0, 50], [-1], [0.5]]) {
    const wrong = ChangeIndex.empty()
    for (const offset of offsets) wrong.add({ offset, length: 60, a: 0, b: 0 })
    writeIndex(file, { indexedBytes: 400, names, columns, rows, changes: wrong, receipts })
    expect(readIndex(file, 1_000)).toBeUndefined()
  }
})

test('an index whose entries refer to a name that it does not have is undefined', () => {
  writeIndex(file, { indexedBytes: 400, names: ['Billy'], columns, rows, changes, receipts })
  expect(readIndex(file, 1_000)).toBeUndefined()
})

test('an index with more or fewer rows by thread than entries is undefined', () => {
  for (const counts of [[1, 1], [1, 3], [3]]) {
    writeIndex(file, { indexedBytes: 400, names, columns, rows: { rows: rows.rows, counts }, changes, receipts })
    if (counts.length === 1) expect(readIndex(file, 1_000)?.rows.counts).toEqual([3])
    else expect(readIndex(file, 1_000)).toBeUndefined()
  }
})

test('an index that cannot be written changes nothing and does not throw', () => {
  mkdirSync(file)
  writeIndex(file, { indexedBytes: 300, names, columns, rows, changes, receipts })
  writeIndex(join(folder, 'missing', 'Anna.index'), { indexedBytes: 300, names, columns, rows, changes, receipts })
  expect(readdirSync(folder)).toEqual(['Anna.index'])
  expect(readdirSync(file)).toEqual([])
})
