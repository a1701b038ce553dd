/** The simulated clock. */
import { expect, test } from 'vitest'
import { Timeline } from '../support/simulation/timeline.ts'

test('events run in the order of their times, and those of one moment in the order of scheduling', () => {
  const timeline = new Timeline()
  const order: string[] = []
  const times = [5, 1, 3, 5, 2, 1, 4]
  for (const [n, at] of times.entries()) timeline.at(at, () => order.push(`${at} ${n} ${timeline.now}`))
  timeline.runUntil(4)
  expect(order).toEqual(['1 1 1', '1 5 1', '2 4 2', '3 2 3', '4 6 4'])
  expect(timeline.now).toBe(4)
  timeline.after(1, () => order.push('last'))
  timeline.runUntil(10)
  expect(order.slice(5)).toEqual(['5 0 5', '5 3 5', 'last'])
})

test('an endless loop of events at one moment throws instead of hanging', () => {
  const timeline = new Timeline()
  const again = () => timeline.after(0, again)
  timeline.at(7, again)
  expect(() => timeline.runUntil(8)).toThrow('endless loop of events at 7 ms')
})

test('many events in a row that let time pass are not an endless loop', () => {
  const timeline = new Timeline()
  let count = 0
  const again = () => {
    count++
    timeline.after(0.001, again)
  }
  timeline.at(1, again)
  timeline.runUntil(300)
  expect(count).toBeGreaterThan(200_000)
})
