/** The hybrid logical clock, and the order of messages. */
import { expect, test } from 'vitest'
import { compareMessages, HybridClock, MAX_CLOCK_AHEAD_MS } from '../../../src/common/hybrid-clock.ts'

const STEP = 1 / 1024
const WALL = 1_700_000_000_000

test('follows the wall clock, in whole milliseconds', () => {
  const clock = new HybridClock()
  expect(clock.tick(WALL + 0.7)).toBe(WALL)
  expect(clock.tick(WALL + 1.2)).toBe(WALL + 1)
})

test('times within one millisecond grow by the logical step', () => {
  const clock = new HybridClock()
  expect([1, 2, 3].map(() => clock.tick(WALL))).toEqual([WALL, WALL + STEP, WALL + 2 * STEP])
})

test('times grow even if the wall clock jumps back by up to 5 minutes', () => {
  const clock = new HybridClock()
  const before = clock.tick(WALL)
  expect(clock.tick(WALL - 300_000)).toBe(before + STEP)
})

test('M4: a time that came from a clock that was wrong by more is not continued', () => {
  const clock = new HybridClock()
  clock.tick(WALL + 50 * 365 * 86_400_000)
  expect(clock.tick(WALL)).toBe(WALL)
  expect(clock.tick(WALL)).toBe(WALL + STEP)
})

test('a time after an observed time is later', () => {
  const clock = new HybridClock()
  clock.observe(WALL + 500, WALL)
  expect(clock.tick(WALL)).toBe(WALL + 500 + STEP)
})

test('an observed time between two logical steps is rounded up', () => {
  const clock = new HybridClock()
  clock.observe(WALL + STEP / 2, WALL)
  expect(clock.tick(WALL)).toBe(WALL + 2 * STEP)
})

test('an earlier observed time changes nothing', () => {
  const clock = new HybridClock()
  clock.tick(WALL)
  clock.observe(WALL - 1, WALL)
  expect(clock.tick(WALL)).toBe(WALL + STEP)
})

test('a time up to the tolerated difference is observed, one beyond it is ignored', () => {
  const clock = new HybridClock()
  clock.observe(WALL + MAX_CLOCK_AHEAD_MS + 1, WALL)
  expect(clock.tick(WALL)).toBe(WALL)
  clock.observe(WALL + MAX_CLOCK_AHEAD_MS, WALL)
  expect(clock.tick(WALL)).toBe(WALL + MAX_CLOCK_AHEAD_MS + STEP)
})

test('messages are ordered by time, then by id', () => {
  const messages = [
    { at: 2, id: 'a' },
    { at: 1, id: 'b' },
    { at: 1, id: 'a' },
  ]
  expect(messages.sort(compareMessages).map(({ at, id }) => `${at}${id}`)).toEqual(['1a', '1b', '2a'])
  expect(compareMessages({ at: 1, id: 'a' }, { at: 1, id: 'a' })).toBe(0)
})
