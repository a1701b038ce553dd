import { expect, test } from 'vitest'
import { formatDay, formatTimeOfDay, localDay } from '../../../../cli/common/format-time.ts'

const TIMES = [-1e300, -1, 0, 1_760_000_000_000.25, 253_402_300_800_000, 8.64e15 + 1, 1e300, Infinity, Number.NaN]

test.each(TIMES)('the time %d can be shown', at => {
  expect(formatTimeOfDay(at)).toMatch(/^\d\d:\d\d$/)
  expect(formatDay(at)).toMatch(/^[A-Z][a-z]+day,? \d+ [A-Z][a-z]+ \d{4}$/)
  expect(localDay(at)).toMatch(/^\d{4}-\d+-\d+$/)
})

test('times are shown as they are', () => {
  const at = new Date(2026, 10, 26, 9, 5).getTime()
  expect([formatTimeOfDay(at), localDay(at)]).toEqual(['09:05', '2026-10-26'])
  expect(formatDay(at)).toMatch(/^Thursday,? 26 November 2026$/)
})
