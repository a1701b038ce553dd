/** One identified connection: which of its messages are confirmed. */
import { expect, test } from 'vitest'
import { DEFAULT_LIMITS } from '../../../../src/protocol/limits.ts'
import { Connection } from '../../../../src/server/clients/connection.ts'
import { unobservedDelivery } from '../../../support/harness/deliveries.ts'

const connection = () => new Connection(1, 'Anna', { protocol: 2 }, DEFAULT_LIMITS)
const delivery = unobservedDelivery

test('a confirmation returns the deliveries up to its total, each once', () => {
  const anna = connection()
  const [one, two, three] = [delivery(), delivery(), delivery()]
  for (const each of [one, two, three]) anna.trackSent(each)
  expect(anna.unconfirmedCount).toBe(3)
  expect(anna.confirm(2)).toEqual([one, two])
  expect(anna.confirm(2)).toEqual([])
  expect(anna.confirm(3)).toEqual([three])
  expect(anna.unconfirmedCount).toBe(0)
})

test('messages without a delivery count for the total', () => {
  const anna = connection()
  const one = delivery()
  anna.trackSent(undefined)
  anna.trackSent(one)
  expect(anna.confirm(1)).toEqual([])
  expect(anna.confirm(2)).toEqual([one])
})

test('a confirmation of more than was sent confirms nothing in advance', () => {
  const anna = connection()
  anna.trackSent(undefined)
  anna.confirm(1_000_000)
  anna.trackSent(delivery())
  expect(anna.unconfirmedCount).toBe(1)
  expect(anna.confirm(1)).toEqual([])
  expect(anna.unconfirmedCount).toBe(1)
})

test('the count stays right over thousands of messages', () => {
  const anna = connection()
  for (let sent = 1; sent <= 5_000; sent++) anna.trackSent(undefined)
  for (let confirmed = 1; confirmed < 5_000; confirmed++) anna.confirm(confirmed)
  expect(anna.unconfirmedCount).toBe(1)
  anna.confirm(5_000)
  expect(anna.unconfirmedCount).toBe(0)
})

test('a closed connection gives up its unconfirmed deliveries once', () => {
  const anna = connection()
  const [one, two] = [delivery(), delivery()]
  for (const each of [one, undefined, two]) anna.trackSent(each)
  anna.confirm(1)
  expect(anna.takeUnconfirmed()).toEqual([two])
  expect(anna.takeUnconfirmed()).toEqual([])
  expect(anna.unconfirmedCount).toBe(0)
})

test('a message is a duplicate while it is among the last 256', () => {
  const anna = connection()
  expect(anna.isDuplicate('Billy\n0')).toBe(false)
  expect(anna.isDuplicate('Billy\n0')).toBe(true)
  for (let n = 1; n < 256; n++) anna.isDuplicate(`Billy\n${n}`)
  expect(anna.isDuplicate('Billy\n0')).toBe(true)
  anna.isDuplicate('Billy\n256')
  expect(anna.isDuplicate('Billy\n0')).toBe(false)
})
