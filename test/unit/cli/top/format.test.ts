/** Short forms of numbers, and sparklines. */
import { expect, test } from 'vitest'
import {
  formatCount,
  formatDuration,
  formatMs,
  formatRate,
  sparkline,
  sparklineMax,
} from '../../../../cli/top/views/format.ts'

test('numbers fit a few columns, whatever their size', () => {
  expect([0, 999, 99_999, 123_456, 1_200_000].map(formatCount)).toEqual(['0', '999', '99999', '123k', '1M'])
  expect([undefined, 0, 0.25, 9.94, 9.96, 1_234].map(formatRate)).toEqual(['-', '0', '0.3', '9.9', '10', '1234'])
  expect([undefined, 0.04, 12.3, 45_000].map(formatMs)).toEqual(['-', '0.0', '12', '45s'])
  expect([999, 61_000, 3_661_000, 40 * 3_600_000, 49 * 3_600_000].map(formatDuration)).toEqual([
    '0s',
    '1m',
    '1h01',
    '40h',
    '2d',
  ])
  for (const value of [Number.MAX_SAFE_INTEGER, 1e300, Number.MAX_VALUE]) {
    for (const text of [formatCount(value), formatRate(value), formatMs(value), formatDuration(value)]) {
      expect(text.length, text).toBeLessThanOrEqual(6)
    }
  }
})

test('a sparkline is padded on the left, shows gaps as blanks, and any value above 0 as more than 0', () => {
  expect(sparkline([undefined, 0, 0.1, 4, 8], 7, 8)).toBe('   ▁▂▅█')
  expect(sparkline([1, 2, 3], 2, 3)).toBe('▆█')
  expect(sparkline([1, 2, 3], 0, 3)).toBe('')
  expect(sparkline([9], 1, 3)).toBe('█')
})

test('the scale of sparklines is their maximum, at least 1', () => {
  expect(sparklineMax([])).toBe(1)
  expect(sparklineMax([[0.2, undefined], [0.4]])).toBe(1)
  expect(
    sparklineMax([
      [3, undefined],
      [7, 5],
    ]),
  ).toBe(7)
})
