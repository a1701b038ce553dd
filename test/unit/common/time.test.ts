import { expect, test } from 'vitest'
import { clampTime, isTime, MAX_TIME_MS, MIN_TIME_MS, timerDelay } from '../../../src/common/time.ts'

test('times are from 2000 to 2100', () => {
  expect(MIN_TIME_MS).toBe(Date.UTC(2000, 0, 1))
  expect(MAX_TIME_MS).toBe(Date.UTC(2100, 0, 1))
  for (const time of [MIN_TIME_MS, 1_760_000_000_000.25, MAX_TIME_MS]) expect(isTime(time)).toBe(true)
})

test.each([
  -1,
  0,
  MIN_TIME_MS - 1,
  MAX_TIME_MS + 1,
  1e300,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  '1760000000000',
  null,
])('%j is not a time', value => {
  expect(isTime(value)).toBe(false)
})

test.each([
  [1_760_000_000_000.25, 1_760_000_000_000.25],
  [-5, MIN_TIME_MS],
  [8.64e15 + 1, MAX_TIME_MS],
  [Number.POSITIVE_INFINITY, MAX_TIME_MS],
  [Number.NaN, MIN_TIME_MS],
])('the nearest time to %d is %d', (value, time) => {
  expect(clampTime(value)).toBe(time)
})

test.each([
  [1.2, 2],
  [0, 1],
  [-7, 1],
  [2 ** 31, 2 ** 31 - 1],
  [50 * 365 * 86_400_000, 2 ** 31 - 1],
  [Number.POSITIVE_INFINITY, 2 ** 31 - 1],
  [Number.NaN, 1],
])('the delay of a timer that is due in %d ms is %d ms', (ms, delay) => {
  expect(timerDelay(ms)).toBe(delay)
})
