/** The rate of messages to rooms on one server. */
import { expect, test } from 'vitest'
import { RoomRates } from '../../../../src/server/rooms/room-rates.ts'

test('a room gets five seconds of its rate at once, whatever others get; 0 turns the limit off', () => {
  const rates = new RoomRates(2)
  expect(Array.from({ length: 11 }, () => rates.take('#a', 1_000))).toEqual([...Array(10).fill(0), 500])
  expect(rates.take('#b', 1_000)).toBe(0)
  const unlimited = new RoomRates(0)
  expect(Array.from({ length: 100 }, () => unlimited.take('#a', 1_000)).every(wait => wait === 0)).toBe(true)
})
