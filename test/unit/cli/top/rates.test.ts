/** Rates between two readings, and the series of past values. */
import { expect, test } from 'vitest'
import { ratesBetween, Series } from '../../../../cli/top/rates.ts'
import type { ServerStatus } from '../../../../src/protocol/status.ts'
import { clusterStatusOf } from '../../../support/cluster-statuses.ts'

/** The status of a server after a number of seconds, with some fields changed. */
function statusAt(seconds: number, changes: Partial<ServerStatus> = {}): ServerStatus {
  const status = clusterStatusOf(1, seconds, { status: () => changes }).servers[0]?.status
  if (status === undefined) throw new Error('no status')
  return status
}

test.each<[string, ServerStatus, ServerStatus, ReturnType<typeof ratesBetween>]>([
  ['rates are increases per second', statusAt(2), statusAt(6), { accepted: 1, refused: 0, forwarded: 1, delivered: 3 }],
  [
    'fractions of a second count',
    statusAt(0),
    statusAt(1, { uptime: 500, refused: 3 }),
    { accepted: 2, refused: 6, forwarded: 2, delivered: 6 },
  ],
  ['the same reading again is "same"', statusAt(3), statusAt(3), 'same'],
  ['another incarnation gives no rates', statusAt(3), statusAt(4, { incarnation: 'other' }), undefined],
  ['a counter that decreased gives no rates', statusAt(3), statusAt(4, { accepted: 0 }), undefined],
  ['an uptime that decreased gives no rates', statusAt(4), statusAt(3, { accepted: 99 }), undefined],
  ['an interval below 1 ms gives no rates', statusAt(3), statusAt(9, { uptime: 3_000.5 }), undefined],
])('%s', (_, before, after, rates) => {
  expect(ratesBetween(before, after)).toEqual(rates)
})

test('a series keeps the latest values only', () => {
  const series = new Series()
  expect(series.last).toBeUndefined()
  for (let n = 0; n < 10_000; n++) series.push(n)
  expect(series.last).toBe(9_999)
  expect(series.tail(1_000_000)).toHaveLength(Series.MAX_VALUES)
  expect(series.tail(2)).toEqual([9_998, 9_999])
  expect(series.tail(0)).toEqual([])
  series.push(undefined)
  expect(series.last).toBeUndefined()
  expect(series.tail(2)).toEqual([9_999, undefined])
})
