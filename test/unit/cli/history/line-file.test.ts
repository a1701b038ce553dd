/** Random access to the lines of a growing file. */
import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { LineFile } from '../../../../cli/history/line-file.ts'
import { stopAll, temporaryFolder } from '../../../support/programs/processes.ts'

const BLOCK_BYTES = 65_536
let file = ''
let lines: LineFile

beforeEach(() => {
  file = join(temporaryFolder(), 'lines')
  lines = new LineFile(file)
})
afterAll(stopAll)

test('a missing file has no size and no text, and is found once it exists', () => {
  expect(lines.size).toBeUndefined()
  expect(lines.text(0, 1)).toBeUndefined()
  expect(lines.read(Buffer.alloc(1), 0)).toBe(0)
  writeFileSync(file, 'one\n')
  expect(lines.size).toBe(4)
  expect(lines.text(0, 3)).toBe('one')
})

test('text is read from within a block, across blocks, and not past the end', () => {
  const content = `${'é'.repeat(BLOCK_BYTES)}end\n`
  writeFileSync(file, content)
  expect(lines.text(0, 4)).toBe('éé')
  expect(lines.text(BLOCK_BYTES - 2, 4)).toBe('éé')
  expect(lines.text(0, 2 * BLOCK_BYTES + 3)).toBe(content.slice(0, -1))
  expect(lines.text(2 * BLOCK_BYTES, 4)).toBe('end\n')
  expect(lines.text(2 * BLOCK_BYTES, 5)).toBeUndefined()
})

test('appended text is read although earlier text of the same block was', () => {
  writeFileSync(file, 'one\n')
  expect(lines.text(0, 3)).toBe('one')
  appendFileSync(file, 'two\n')
  expect(lines.text(4, 3)).toBe('two')
})

test('full blocks are cached until the cache is cleared, and at most 16 of them', () => {
  writeFileSync(file, 'a'.repeat(20 * BLOCK_BYTES))
  for (let block = 0; block < 17; block++)
    for (const at of [0, 1]) expect(lines.text(block * BLOCK_BYTES + at, 1)).toBe('a')
  writeFileSync(file, 'b'.repeat(20 * BLOCK_BYTES))
  // The first block was evicted by the 17th.
  expect([0, 2, 16].map(block => lines.text(block * BLOCK_BYTES, 1))).toEqual(['b', 'a', 'a'])
  lines.clearCache()
  expect([0, 2, 16].map(block => lines.text(block * BLOCK_BYTES, 1))).toEqual(['b', 'b', 'b'])
})

test('a block is read as a whole only for the second text in it', () => {
  writeFileSync(file, 'a'.repeat(300 * BLOCK_BYTES))
  for (let block = 0; block < 300; block++) expect(lines.text(block * BLOCK_BYTES, 1)).toBe('a')
  writeFileSync(file, 'b'.repeat(300 * BLOCK_BYTES))
  for (const block of [299, 298]) expect(lines.text(block * BLOCK_BYTES + 1, 1)).toBe('b')
  writeFileSync(file, 'c'.repeat(300 * BLOCK_BYTES))
  // What was read of the first block is forgotten.
  for (const [block, text] of [
    [299, 'b'],
    [298, 'b'],
    [0, 'c'],
  ] as const)
    expect(lines.text(block * BLOCK_BYTES + 2, 1)).toBe(text)
})

test('a closed file opens again on the next read', () => {
  writeFileSync(file, 'one\n')
  expect(lines.size).toBe(4)
  lines.close()
  lines.close()
  expect(lines.text(0, 3)).toBe('one')
  lines.close()
})
