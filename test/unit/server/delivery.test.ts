/** Collecting the answers to one message, and the queue of deadlines. */
import { describe, expect, test } from 'vitest'
import type { Fate } from '../../../src/protocol/messages.ts'
import { Audience, DeadlineQueue, Delivery } from '../../../src/server/delivery.ts'

const message = { id: 'm', at: 1, from: 'Anna', to: 'Billy' }

function setUp(deadline = 100, audience?: Audience) {
  const results: Fate[] = []
  const late: unknown[][] = []
  const origin = { kind: 'client', connection: 1, call: 1, message } as const
  const observer = {
    onSettled: ({ result }: Delivery) => void results.push(result),
    onLateAnswer: ({ delivered }: Delivery, isNew: boolean) => void late.push([delivered, isNew]),
    onMissed: () => void late.push(['missed']),
  }
  const delivery = new Delivery(origin, deadline, observer, audience)
  return { delivery, results, late }
}

describe('a delivery', () => {
  test('without receivers settles with 0 at once', () => {
    const { delivery, results } = setUp()
    delivery.settleIfComplete()
    expect(results).toEqual([{ ok: true, delivered: 0 }])
  })

  test('settles with the first confirmation; later ones are reported, the last answer too', () => {
    const { delivery, results, late } = setUp()
    for (let n = 0; n < 4; n++) delivery.expectAnswer()
    delivery.settleIfComplete()
    delivery.recordAnswer(0)
    expect([results, delivery.isSettled]).toEqual([[], false])
    delivery.recordConfirmation('Billy')
    expect([results, delivery.isSettled]).toEqual([[{ ok: true, delivered: 1 }], true])
    delivery.recordAnswer(4)
    delivery.recordAnswer(0, true)
    expect([results.length, late, delivery.isPending]).toEqual([1, [[5, true], [5, false], ['missed']], false])
  })

  test('is confirmed by one receiver, whatever the others say', () => {
    const { delivery, results, late } = setUp()
    for (let n = 0; n < 2; n++) delivery.expectAnswer()
    delivery.recordAnswer(0, true)
    expect(late).toEqual([])
    delivery.recordAnswer(1)
    expect([results, late]).toEqual([[{ ok: true, delivered: 1 }], [['missed']]])
  })

  test('of a peer of 0.2 settles when all receivers have answered', () => {
    const results: number[] = []
    const origin = { kind: 'peer', peer: 'p', incarnation: 'i', number: 1, waitsForAll: true } as const
    const observer = {
      onSettled: ({ delivered }: Delivery) => void results.push(delivered),
      onLateAnswer: () => {},
      onMissed: () => {},
    }
    const delivery = new Delivery(origin, 100, observer)
    for (let n = 0; n < 2; n++) delivery.expectAnswer()
    delivery.recordConfirmation('Billy')
    expect(results).toEqual([])
    delivery.recordConfirmation('Billy')
    expect(results).toEqual([2])
  })

  test('is unconfirmed if a receiver is unreachable', () => {
    const { delivery, results } = setUp()
    delivery.markUnconfirmed()
    delivery.settleIfComplete()
    expect(results).toEqual([{ ok: true, delivered: 0, unconfirmed: true }])
  })

  test('counts connections that never confirm, and is not settled by them', () => {
    const { delivery, results } = setUp()
    delivery.countDelivered()
    delivery.expectAnswer()
    delivery.settleIfComplete()
    expect(results).toEqual([])
    delivery.settle()
    expect(results).toEqual([{ ok: true, delivered: 1, unconfirmed: true }])
  })

  test('settled by its deadline is unconfirmed; who confirms later is reported', () => {
    const { delivery, results, late } = setUp()
    delivery.expectAnswer()
    delivery.settle()
    delivery.recordConfirmation('Billy')
    delivery.settle()
    expect(results).toEqual([{ ok: true, delivered: 0, unconfirmed: true }])
    expect(late).toEqual([[1, true]])
  })
})

describe('a delivery to a room', () => {
  test('counts each named member once, and others by connection', () => {
    const { delivery, results, late } = setUp(100, new Audience(50, user => user === 'Billy'))
    for (let n = 0; n < 5; n++) delivery.expectAnswer()
    delivery.recordConfirmation('Billy')
    expect(results).toEqual([{ ok: true, delivered: 1, of: 50 }])
    delivery.recordConfirmation('Billy')
    expect(late).toEqual([])
    delivery.recordConfirmation('Cleo')
    delivery.recordMore(2, ['Billy', 'Dora'])
    expect(late).toEqual([
      [2, true],
      [5, true],
    ])
    expect(delivery.audience?.takeNewNames()).toEqual(['Billy', 'Dora'])
    expect(delivery.audience?.takeNewNames()).toEqual([])
  })

  test('is confirmed by a peer before its count is known', () => {
    const { delivery, results } = setUp(100, new Audience(3, () => true))
    delivery.expectAnswer()
    delivery.recordAnswer(1)
    expect(results).toEqual([{ ok: true, delivered: 1, of: 3 }])
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
