/** Delays between attempts to connect. */
import { expect, test } from 'vitest'
import { Backoff } from '../../../src/common/backoff.ts'

const delays = (backoff: Backoff, count: number): number[] => Array.from({ length: count }, () => backoff.nextDelay())

test('the ceiling doubles with each failure, up to the cap', () => {
  const backoff = new Backoff(() => 1, 250, 5_000)
  expect(delays(backoff, 7)).toEqual([250, 500, 1_000, 2_000, 4_000, 5_000, 5_000])
  expect(backoff.failures).toBe(7)
})

test('the delay is random between the minimum and the ceiling', () => {
  expect(new Backoff(() => 0).nextDelay()).toBe(Backoff.MIN_DELAY_MS)
  expect(new Backoff(() => 0.5, 250).nextDelay()).toBe(175)
})

test('a base below the minimum gives the minimum', () => {
  expect(new Backoff(() => 1, 50).nextDelay()).toBe(Backoff.MIN_DELAY_MS)
})

test('any number of failures keeps the delay at the cap', () => {
  const backoff = new Backoff(() => 1)
  expect(new Set(delays(backoff, 2_000).slice(10))).toEqual(new Set([5_000]))
})

test('a connection that lasted long enough resets the failures, a shorter one does not', () => {
  const backoff = new Backoff(() => 1)
  delays(backoff, 3)
  backoff.connectionEnded(Backoff.STABLE_AFTER_MS - 1)
  expect(backoff.failures).toBe(3)
  backoff.connectionEnded(Backoff.STABLE_AFTER_MS)
  expect(backoff.failures).toBe(0)
  expect(backoff.nextDelay()).toBe(250)
})

test('reset returns the failures to 0', () => {
  const backoff = new Backoff(() => 1)
  delays(backoff, 3)
  backoff.reset()
  expect(backoff.failures).toBe(0)
})
