import { expect, test } from 'vitest'
import { MAX_READ_MARKS, ReadMarks } from '../../../../src/client/history/read-marks.ts'

test('S12: a mark only advances', () => {
  const marks = new ReadMarks()
  expect(marks.update('Billy', 5)).toBe(true)
  expect(marks.update('Billy', 5)).toBe(false)
  expect(marks.update('Billy', 4)).toBe(false)
  expect(marks.update('Billy', 6)).toBe(true)
})

test('S11: a mark of this client is sent 300 ms after the first of a batch', () => {
  const marks = new ReadMarks()
  marks.markRead('Billy', 5, 1_000)
  marks.markRead('Billy', 7, 1_200)
  marks.markRead('Carla', 3, 1_200)
  expect(marks.deadline).toBe(1_300)
  expect(marks.takeDue(500, 1_299)).toEqual([])
  expect(marks.takeDue(500, 1_300)).toEqual([
    ['Billy', 7],
    ['Carla', 3],
  ])
  expect(marks.deadline).toBe(Number.POSITIVE_INFINITY)
})

test('a mark of another client is not sent back', () => {
  const marks = new ReadMarks()
  marks.update('Billy', 5)
  expect(marks.deadline).toBe(Number.POSITIVE_INFINITY)
})

test('a mark that does not advance is not sent', () => {
  const marks = new ReadMarks()
  marks.update('Billy', 5)
  marks.markRead('Billy', 5, 1_000)
  expect(marks.deadline).toBe(Number.POSITIVE_INFINITY)
})

test('S11: a new sibling gets all marks', () => {
  const marks = new ReadMarks()
  marks.update('Billy', 5)
  marks.update('Carla', 6)
  marks.queueAll(1_000)
  expect(marks.takeDue(500, 1_300)).toEqual([
    ['Billy', 5],
    ['Carla', 6],
  ])
})

test('marks beyond the limit of a frame are sent after another 300 ms', () => {
  const marks = new ReadMarks()
  for (const thread of ['a', 'b', 'c']) marks.update(thread, 1)
  marks.queueAll(1_000)
  expect(marks.takeDue(2, 1_300).map(([thread]) => thread)).toEqual(['a', 'b'])
  expect(marks.deadline).toBe(1_600)
  expect(marks.takeDue(2, 1_600).map(([thread]) => thread)).toEqual(['c'])
})

test('S17: the latest read marks are kept, however many threads a sibling names', () => {
  const marks = new ReadMarks()
  marks.markRead('dropped', 5, 0)
  marks.update('Billy', 5)
  for (let n = 0; n < MAX_READ_MARKS - 2; n++) marks.update(`thread ${n}`, 5)
  // Raised again: it is not the oldest any more.
  marks.update('Billy', 6)
  for (let n = 0; n < 5_000; n++) marks.update(`more ${n}`, 5)
  marks.queueAll(0)
  const kept = new Map<string, number>()
  for (let now = 1_000; marks.deadline < Number.POSITIVE_INFINITY; now += 1_000)
    for (const [thread, at] of marks.takeDue(500, now)) kept.set(thread, at)
  expect(kept.size).toBe(MAX_READ_MARKS)
  expect(kept.get('Billy')).toBe(6)
  expect(kept.has('dropped')).toBe(false)
})
