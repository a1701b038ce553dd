/** The rate limiter. */
import { expect, test } from 'vitest'
import { TokenBucket } from '../../../src/common/token-bucket.ts'

test('allows a burst at once, then returns the time until the next token', () => {
  const bucket = new TokenBucket(4, 3, 1_000)
  expect([1, 2, 3].map(() => bucket.take(1_000))).toEqual([0, 0, 0])
  expect(bucket.take(1_000)).toBe(250)
})

test('refills at the rate, and a refused request costs nothing', () => {
  const bucket = new TokenBucket(4, 1, 0)
  expect(bucket.take(0)).toBe(0)
  expect(bucket.take(125)).toBe(125)
  expect(bucket.take(250)).toBe(0)
  expect(bucket.take(250)).toBe(250)
})

test('never holds more tokens than the burst', () => {
  const bucket = new TokenBucket(1_000, 2, 0)
  const at = 3_600_000
  expect([1, 2].map(() => bucket.take(at))).toEqual([0, 0])
  expect(bucket.take(at)).toBe(1)
})

test('may be overdrawn: takes no token until the debt is refilled', () => {
  const bucket = new TokenBucket(4, 3, 0)
  bucket.spend(5)
  expect(bucket.available(0)).toBe(-2)
  expect(bucket.take(0)).toBe(750)
  expect(bucket.take(750)).toBe(0)
  expect(bucket.available(750)).toBe(0)
})

test.each([
  [0, 5],
  [5, 0],
])('a rate of %i with a burst of %i means no limit', (perSecond, burst) => {
  const bucket = new TokenBucket(perSecond, burst, 0)
  for (let n = 0; n < 1_000; n++) expect(bucket.take(0)).toBe(0)
})
