/** What one connection may use, and what all connections hold together. */
import { describe, expect, test } from 'vitest'
import { AddressBudget } from '../../../../daemon/transport/budgets/address-budgets.ts'
import { ConnectionBudget } from '../../../../daemon/transport/budgets/connection-budget.ts'
import { HeldBytes, UnreadBytes } from '../../../../daemon/transport/budgets/held-bytes.ts'

function setUp(limit: number) {
  const [held, unread] = [new HeldBytes(limit), new UnreadBytes(limit)]
  const closed: string[] = []
  const address = new AddressBudget('192.0.2.1', 0, 0)
  const connect = (name: string) => {
    return new ConnectionBudget(
      address,
      { held, unread },
      { onExceeded: () => closed.push(name), onUnreadExceeded: () => closed.push(`${name}: slow`) },
    )
  }
  return { held, unread, closed, connect }
}

describe('above the limit of the server', () => {
  test('the connection that holds the most is closed, one that has not identified before any other', () => {
    const { held, closed, connect } = setUp(1_000)
    const [user, small, large, link] = [connect('user'), connect('small'), connect('large'), connect('link')]
    user.markIdentified()
    link.markAsLink()
    link.holdIncoming(1e6)
    user.holdIncoming(500)
    small.holdIncoming(200)
    large.holdIncoming(300)
    expect([held.total, closed]).toEqual([1_000, []])
    small.holdIncoming(201)
    expect([held.total, closed]).toEqual([701, ['large']])
    user.holdIncoming(900)
    expect([held.total, closed]).toEqual([900, ['large', 'small']])
    user.holdIncoming(1_001)
    expect([held.total, closed]).toEqual([0, ['large', 'small', 'user']])
  })

  test('what waits to be sent counts, too: separately once the client has identified', () => {
    const { held, unread, closed, connect } = setUp(1_000)
    const [stranger, user] = [connect('stranger'), connect('user')]
    user.holdUnsent(600)
    expect(held.total).toBe(600)
    user.markIdentified()
    expect([held.total, unread.total]).toEqual([0, 600])
    const other = connect('other')
    other.markIdentified()
    other.holdUnsent(300)
    user.holdUnsent(701)
    expect([held.total, unread.total, closed.splice(0)]).toEqual([0, 300, ['user: slow']])
    user.holdUnsent(500)
    other.close()
    expect(unread.total).toBe(0)
    stranger.holdUnsent(600)
    stranger.holdUnsent(0)
    expect(held.total).toBe(0)
    stranger.holdUnsent(1_001)
    expect([held.total, closed]).toEqual([0, ['stranger']])
  })
})

test('a closed connection holds nothing, and nothing closes it again', () => {
  const { held, closed, connect } = setUp(0)
  const budget = connect('one')
  budget.holdIncoming(10)
  budget.close()
  expect(held.total).toBe(0)
  budget.holdIncoming(10)
  budget.holdUnsent(10)
  budget.countRead(1e6)
  budget.markAsLink()
  budget.exceed('again')
  expect([held.total, closed]).toEqual([0, []])
})

test('a connection reads 64 kB before it identifies, joins one namespace, and presents 20 proofs', () => {
  const { closed, connect } = setUp(0)
  const [stranger, user] = [connect('stranger'), connect('user')]
  user.countRead(65_536)
  user.markIdentified()
  user.countRead(1e6)
  stranger.countRead(65_536)
  expect(closed).toEqual([])
  stranger.countRead(1)
  expect(closed).toEqual(['stranger'])
  expect([user.join(), user.join()]).toEqual([true, false])
  expect(Array.from({ length: 22 }, () => user.takeCredential()).filter(Boolean)).toHaveLength(20)
})
