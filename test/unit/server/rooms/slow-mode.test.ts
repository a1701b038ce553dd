/** Who has to wait before the next message to a room. */
import { expect, test } from 'vitest'
import { SlowMode } from '../../../../src/server/rooms/slow-mode.ts'

test('a user waits from the last message to a room on; others, and in other rooms, nobody does', () => {
  const slow = new SlowMode()
  expect(slow.waitOf('#a', 'Anna', 1_000)).toBe(0)
  slow.start('#a', 'Anna', 30_000, 1_000)
  expect([1_000, 2_000, 31_000, 99_000].map(now => slow.waitOf('#a', 'Anna', now))).toEqual([30_000, 29_000, 0, 0])
  expect([slow.waitOf('#a', 'Billy', 1_000), slow.waitOf('#b', 'Anna', 1_000)]).toEqual([0, 0])
})

test('waits that are over are forgotten', () => {
  const slow = new SlowMode()
  for (let n = 0; n < 100; n++) slow.start('#a', `user ${n}`, 1_000, n)
  expect(slow.size).toBe(100)
  slow.start('#a', 'Anna', 1_000, 5_000)
  expect(slow.size).toBe(1)
})
