import { expect, test } from 'vitest'
import { AcceptBalance } from '../../../daemon/accept-balance.ts'

/** A balance with workers that have reported these numbers of connections, at time 0. */
function balanceOf(connections: readonly number[], full: readonly number[] = []): AcceptBalance {
  const balance = new AcceptBalance()
  for (const [n, count] of connections.entries())
    balance.report(n + 1, { connections: count, isFull: full.includes(n + 1) }, 0)
  return balance
}

test('all accept while none is ahead', () => {
  expect(balanceOf([100, 110, 105]).paused(0)).toEqual(new Set())
})

test('a worker that is ahead of the average pauses, and goes on when the others have caught up', () => {
  const balance = balanceOf([140, 100, 100])
  expect(balance.paused(0)).toEqual(new Set([1]))
  for (const worker of [2, 3]) balance.report(worker, { connections: 130, isFull: false }, 100)
  expect(balance.paused(100)).toEqual(new Set())
})

test('a full worker pauses, but not when all are full', () => {
  expect(balanceOf([500, 500, 500], [2]).paused(0)).toEqual(new Set([2]))
  expect(balanceOf([500, 500], [1, 2]).paused(0)).toEqual(new Set())
})

test('nobody waits for a worker that is stuck or gone', () => {
  const stuck = balanceOf([60, 60, 0])
  expect(stuck.paused(0)).toEqual(new Set([1, 2]))
  for (const worker of [1, 2]) stuck.report(worker, { connections: 60, isFull: false }, 2_000)
  expect(stuck.paused(2_000)).toEqual(new Set())
  const gone = balanceOf([60, 60, 0])
  gone.remove(3)
  expect(gone.paused(0)).toEqual(new Set())
})
