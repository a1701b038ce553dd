/** Collecting the answers to one message, and the queue of deadlines. */
import { describe, expect, test } from 'vitest'
import type { Fate } from '../../../src/protocol/messages.ts'
import { DeadlineQueue, Delivery } from '../../../src/server/delivery.ts'

function setUp(deadline = 100) {
  const results: Fate[] = []
  const origin = { kind: 'client', connection: 1, call: 1 } as const
  const delivery = new Delivery(origin, deadline, ({ result }) => results.push(result))
  return { delivery, results }
}

describe('a delivery', () => {
  test('without receivers settles with 0 at once', () => {
    const { delivery, results } = setUp()
    delivery.settleIfComplete()
    expect(results).toEqual([{ ok: true, delivered: 0 }])
  })

  test('settles with the last answer, and sums the answers', () => {
    const { delivery, results } = setUp()
    for (let n = 0; n < 3; n++) delivery.expectAnswer()
    delivery.settleIfComplete()
    delivery.recordAnswer(1)
    delivery.recordAnswer(4)
    expect([results, delivery.isSettled]).toEqual([[], false])
    delivery.recordAnswer(0)
    expect([results, delivery.isSettled]).toEqual([[{ ok: true, delivered: 5 }], true])
  })

  test('is unconfirmed if one receiver is', () => {
    const { delivery, results } = setUp()
    for (let n = 0; n < 2; n++) delivery.expectAnswer()
    delivery.recordAnswer(0, true)
    delivery.recordAnswer(1)
    expect(results).toEqual([{ ok: true, delivered: 1, unconfirmed: true }])
  })

  test('is unconfirmed if a receiver is unreachable', () => {
    const { delivery, results } = setUp()
    delivery.markUnconfirmed()
    delivery.settleIfComplete()
    expect(results).toEqual([{ ok: true, delivered: 0, unconfirmed: true }])
  })

  test('counts connections that never confirm', () => {
    const { delivery, results } = setUp()
    delivery.countDelivered()
    delivery.settleIfComplete()
    expect(results).toEqual([{ ok: true, delivered: 1 }])
  })

  test('settled by its deadline is unconfirmed, and later answers are ignored', () => {
    const { delivery, results } = setUp()
    for (let n = 0; n < 2; n++) delivery.expectAnswer()
    delivery.recordAnswer(1)
    delivery.settle()
    delivery.recordAnswer(1)
    delivery.settle()
    expect(results).toEqual([{ ok: true, delivered: 1, unconfirmed: true }])
  })
})

describe('the deadline queue', () => {
  test('is empty without deliveries', () => {
    const queue = new DeadlineQueue()
    expect([queue.size, queue.deadline, queue.takeDue(1e9)]).toEqual([0, Number.POSITIVE_INFINITY, undefined])
  })

  test('returns due deliveries in order, each once', () => {
    const queue = new DeadlineQueue()
    const [one, two, three] = [setUp(100).delivery, setUp(100).delivery, setUp(150).delivery]
    for (const delivery of [one, two, three]) queue.push(delivery)
    expect(queue.deadline).toBe(100)
    expect(queue.takeDue(99)).toBeUndefined()
    expect([queue.takeDue(100), queue.takeDue(100), queue.takeDue(100)]).toEqual([one, two, undefined])
    expect(queue.deadline).toBe(150)
    expect(queue.takeDue(150)).toBe(three)
    expect([queue.deadline, queue.size]).toEqual([Number.POSITIVE_INFINITY, 0])
  })

  test('skips settled deliveries', () => {
    const queue = new DeadlineQueue()
    const [one, two] = [setUp(100).delivery, setUp(150).delivery]
    queue.push(one)
    queue.push(two)
    one.settle()
    expect(queue.deadline).toBe(150)
    expect(queue.takeDue(1_000)).toBe(two)
  })

  test('is empty again when all of thousands of deliveries are settled', () => {
    const queue = new DeadlineQueue()
    for (let n = 0; n < 10_000; n++) {
      const { delivery } = setUp(n)
      queue.push(delivery)
      if (n % 3 > 0) delivery.settle()
    }
    let due = 0
    while (queue.takeDue(10_000) !== undefined) due++
    expect(due).toBe(3_334)
    expect([queue.deadline, queue.size]).toEqual([Number.POSITIVE_INFINITY, 0])
  })
})
