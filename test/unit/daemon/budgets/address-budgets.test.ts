/** What the connections of one address may use together, and for how long an address is remembered. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { AddressBudgets, addressKey } from '../../../../daemon/transport/budgets/address-budgets.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['::FFFF:192.0.2.1', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::6', '2001:db8:1:2::/64'],
  ['2001:DB8::6', '2001:db8:0:0::/64'],
  ['2001:db8::1:2:3:4:5', '2001:db8:0:1::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
  ['::2', '0:0:0:0::/64'],
  ['127.0.0.1', '127.0.0.1'],
  ['::1', '::1'],
  ['::ffff:127.0.0.1', '::ffff:127.0.0.1'],
  ['', ''],
])('%s is counted as %s', (address, key) => {
  expect(addressKey(address)).toBe(key)
})

describe('an address', () => {
  test('pays for proofs and rosters, whatever its connections, and gets more with time', () => {
    const budgets = new AddressBudgets(10)
    const take = (count: number, what: 'takeCredential' | 'takeRoster') =>
      Array.from({ length: count }, () => budgets.of('192.0.2.1')[what](performance.now())).filter(wait => wait === 0)
        .length
    expect(take(50, 'takeCredential')).toBe(10)
    expect(take(50, 'takeRoster')).toBe(1)
    expect(budgets.of('192.0.2.2').takeRoster(performance.now())).toBe(0)
    vi.advanceTimersByTime(5_000)
    expect(take(50, 'takeCredential')).toBe(5)
    vi.advanceTimersByTime(10_000)
    expect(take(50, 'takeCredential')).toBe(10)
  })

  test('is remembered until its last connection is closed and its buckets are full', () => {
    const budgets = new AddressBudgets(10)
    const budget = budgets.of('192.0.2.1')
    budgets.openTcp(budget)
    budget.takeCredential(performance.now())
    vi.advanceTimersByTime(60_000)
    expect(budgets.counts).toMatchObject({ tcp: 1, addresses: 1 })
    expect(budgets.of('192.0.2.1')).toBe(budget)
    budget.takeCredential(performance.now())
    budget.tcpConnections--
    vi.advanceTimersByTime(9_000)
    expect(budgets.counts).toMatchObject({ tcp: 0, addresses: 1 })
    vi.advanceTimersByTime(1_000)
    expect(budgets.counts).toEqual({ tcp: 0, sessions: 0, addresses: 0 })
  })

  test('has two TCP connections, and two sessions of long polling, per client', () => {
    const budgets = new AddressBudgets(2)
    const budget = budgets.of('192.0.2.1')
    expect(Array.from({ length: 5 }, () => budgets.openTcp(budget))).toEqual([true, true, true, true, false])
    budget.pollingSessions = 3
    expect(budgets.startSession(budget)).toBe(true)
    budget.pollingSessions++
    expect(budgets.startSession(budget)).toBe(false)
  })

  test('starts as many sessions at once as it may have TCP connections, and a tenth of it per second after that', () => {
    const budgets = new AddressBudgets(100)
    const budget = budgets.of('192.0.2.1')
    const starts = (count: number) => Array.from({ length: count }, () => budgets.startSession(budget))
    expect(starts(201)).toEqual([...Array<boolean>(200).fill(true), false])
    expect(budgets.startSession(budgets.of('192.0.2.2'))).toBe(true)
    vi.advanceTimersByTime(100)
    expect(starts(3)).toEqual([true, true, false])
  })

  test('of this machine is not limited', () => {
    const budgets = new AddressBudgets(1)
    const budget = budgets.of('127.0.0.1')
    for (let n = 0; n < 100; n++) expect([budgets.openTcp(budget), budget.takeCredential(0)]).toEqual([true, 0])
    expect(budgets.counts).toEqual({ tcp: 0, sessions: 0, addresses: 0 })
  })
})
