import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { DeadlineTimer } from '../../../daemon/deadline-timer.ts'

let calls: number[] = []
let timer: DeadlineTimer

/** The delays of all timers that `act` arms, ms. */
function delaysArmedBy(act: () => void): number[] {
  const delays: number[] = []
  const setFakeTimeout = globalThis.setTimeout
  const record = (call: () => void, ms: number) => {
    delays.push(ms)
    return setFakeTimeout(call, ms)
  }
  globalThis.setTimeout = record as typeof setTimeout
  try {
    act()
  } finally {
    globalThis.setTimeout = setFakeTimeout
  }
  return delays
}

beforeEach(() => {
  vi.useFakeTimers()
  calls = []
  timer = new DeadlineTimer(() => calls.push(performance.now()))
})
afterEach(() => {
  timer.stop()
  vi.useRealTimers()
})

test('it calls once at the deadline', () => {
  const start = performance.now()
  timer.set(start + 100)
  vi.advanceTimersByTime(99)
  expect(calls).toEqual([])
  vi.advanceTimersByTime(1_000)
  expect(calls).toEqual([start + 100])
})

test('an earlier deadline replaces a later one', () => {
  const start = performance.now()
  timer.set(start + 100)
  timer.set(start + 10)
  vi.advanceTimersByTime(1_000)
  expect(calls).toEqual([start + 10])
})

test('a deadline that moves later arms no further timer, and is kept', () => {
  const start = performance.now()
  const delays = delaysArmedBy(() => {
    for (let n = 1; n <= 1_000; n++) timer.set(start + 100 + n)
  })
  expect(delays).toHaveLength(1)
  vi.advanceTimersByTime(1_099)
  expect(calls).toEqual([])
  vi.advanceTimersByTime(1)
  expect(calls).toEqual([start + 1_100])
})

test('a past deadline calls in the next millisecond, not at once', () => {
  timer.set(performance.now() - 5)
  expect(calls).toEqual([])
  vi.advanceTimersByTime(1)
  expect(calls).toHaveLength(1)
})

test('stop and an infinite deadline leave no timer behind', () => {
  timer.set(performance.now() + 100)
  timer.stop()
  expect(vi.getTimerCount()).toBe(0)
  timer.set(performance.now() + 100)
  timer.set(Number.POSITIVE_INFINITY)
  vi.advanceTimersByTime(1_000)
  expect(vi.getTimerCount()).toBe(0)
  expect(calls).toEqual([])
})

test('a deadline beyond the longest timer calls once, at the deadline', () => {
  const start = performance.now()
  const far = 2.5 * 2 ** 31
  const delays = delaysArmedBy(() => {
    timer.set(start + far)
    vi.advanceTimersByTime(far - 1)
  })
  expect(calls).toEqual([])
  // No delay overflows 31 bits, which would call at once.
  expect(Math.max(...delays)).toBe(2 ** 31 - 1)
  expect(delays.length).toBeLessThan(5)
  vi.advanceTimersByTime(1)
  expect(calls).toEqual([start + far])
})
