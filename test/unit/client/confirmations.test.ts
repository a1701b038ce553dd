import { expect, test } from 'vitest'
import { Confirmations } from '../../../src/client/confirmations.ts'

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
