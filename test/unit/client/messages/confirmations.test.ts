import { expect, test } from 'vitest'
import { Confirmations } from '../../../../src/client/messages/confirmations.ts'

test('D3: a single message is confirmed at once', () => {
  const confirmations = new Confirmations()
  confirmations.receive(undefined, 1_000)
  expect(confirmations.takeDue(1_000)).toBe(1)
})

test('D3: the next confirmation is due 100 ms after the last one', () => {
  const confirmations = new Confirmations()
  confirmations.receive(undefined, 1_000)
  confirmations.takeDue(1_000)
  confirmations.receive(undefined, 1_010)
  expect(confirmations.deadline).toBe(1_100)
  expect(confirmations.takeDue(1_099)).toBeUndefined()
  expect(confirmations.takeDue(1_100)).toBe(2)
})

test('D3: 32 unconfirmed messages are confirmed without delay', () => {
  const confirmations = new Confirmations()
  confirmations.receive(undefined, 1_000)
  confirmations.takeDue(1_000)
  for (let n = 0; n < 31; n++) confirmations.receive(undefined, 1_001)
  expect(confirmations.takeDue(1_001)).toBeUndefined()
  confirmations.receive(undefined, 1_001)
  expect(confirmations.takeDue(1_001)).toBe(33)
})

test('D3: an own copy is confirmed after 1 s', () => {
  const confirmations = new Confirmations()
  confirmations.receive(1_000, 1_000)
  expect(confirmations.deadline).toBe(2_000)
  expect(confirmations.takeDue(1_999)).toBeUndefined()
  expect(confirmations.takeDue(2_000)).toBe(1)
})

test('D2: a confirmation counts own copies too', () => {
  const confirmations = new Confirmations()
  confirmations.receive(1_000, 1_000)
  confirmations.receive(1_000, 1_000)
  confirmations.receive(undefined, 1_000)
  expect(confirmations.takeDue(1_000)).toBe(3)
})

test('without further messages nothing is due', () => {
  const confirmations = new Confirmations()
  expect(confirmations.deadline).toBe(Number.POSITIVE_INFINITY)
  confirmations.receive(undefined, 1_000)
  confirmations.takeDue(1_000)
  expect(confirmations.deadline).toBe(Number.POSITIVE_INFINITY)
  expect(confirmations.takeDue(1_000_000)).toBeUndefined()
})

test('J9: a batch is 32 messages, and 128 in a room with at least 100 members', () => {
  const dueAfter = (memberCount: number) => {
    const confirmations = new Confirmations()
    let count = 0
    do {
      confirmations.receiveInRoom('#ops', memberCount, () => 0.99, 1_000)
      count++
    } while (confirmations.deadline > 1_000)
    return count
  }
  expect([10, 99, 100, 2_000].map(dueAfter)).toEqual([32, 32, 128, 128])
})

test('J9: each room has a random delay of its own, and a new one after a confirmation', () => {
  const confirmations = new Confirmations()
  confirmations.receiveInRoom('#large', 1_000, () => 0.5, 1_000)
  confirmations.receiveInRoom('#small', 10, () => 0.5, 1_000)
  expect(confirmations.deadline).toBe(1_050)
  expect(confirmations.takeDue(1_050)).toBe(2)
  expect(confirmations.deadline).toBe(Number.POSITIVE_INFINITY)
  confirmations.receiveInRoom('#small', 10, () => 0.2, 2_000)
  expect(confirmations.deadline).toBe(2_020)
})

/**
 * When the members of a room confirm messages that arrive at these times, in ms after the last of them, sorted. They have even shares
 * of all random numbers.
 */
function confirmationTimes(memberCount: number, arrivals: readonly number[]): number[] {
  const last = arrivals.at(-1) ?? 0
  const times = Array.from({ length: memberCount }, (_, n) => {
    const confirmations = new Confirmations()
    // The random number decides first whether the member confirms at once, then when it confirms otherwise.
    const share = () => (n + 0.5) / memberCount
    for (const at of arrivals) {
      confirmations.receiveInRoom('#large', memberCount, share, at)
      if (at < last && confirmations.deadline === at) confirmations.takeDue(at)
    }
    return confirmations.deadline - last
  })
  return times.sort((a, b) => a - b)
}

test.each([100, 1_000, 2_000])('J9: of %i members, ten confirm a message at once', memberCount => {
  const times = confirmationTimes(memberCount, [0])
  expect(times.filter(time => time === 0)).toHaveLength(10)
})

test.each([
  [1_000, 10],
  [100, 10],
  [30, 3],
  [10, 1],
  [1, 0],
])('J9: %i ms after the last message of a large room, %i members confirm at once', (since, count) => {
  const times = confirmationTimes(1_000, [0, since])
  expect(times.filter(time => time === 0)).toHaveLength(count)
})

test('J9: other members of a large room confirm later, some of them soon, all within 20 s', () => {
  const delays = confirmationTimes(1_000, [0]).filter(time => time > 0)
  const within = (ms: number) => delays.filter(delay => delay <= ms).length
  // The ten with the smallest random numbers have confirmed at once.
  expect([within(1_000), within(2_000), within(19_999), within(20_000)]).toEqual([10, 29, 320, 990])
  expect(Math.max(...confirmationTimes(100, [0]))).toBe(2_000)
})

test('J9: messages of another room do not change who confirms at once', () => {
  const confirmations = new Confirmations()
  const share = () => 0.0095
  confirmations.receiveInRoom('#busy', 1_000, () => 0.5, 0)
  confirmations.receiveInRoom('#busy', 1_000, () => 0.5, 1)
  confirmations.receiveInRoom('#quiet', 1_000, share, 2)
  expect(confirmations.deadline).toBe(2)
})
