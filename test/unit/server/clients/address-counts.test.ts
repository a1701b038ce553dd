/** Connections per network address. */
import { expect, test } from 'vitest'
import { AddressCounts } from '../../../../src/server/clients/address-counts.ts'

test('an address may have as many connections as the limit', () => {
  const counts = new AddressCounts()
  expect([1, 2, 3].map(id => counts.tryAdd(id, '192.0.2.1', 2))).toEqual([true, true, false])
  expect(counts.tryAdd(4, '192.0.2.2', 2)).toBe(true)
  expect(counts.size).toBe(3)
})

test('each connection that closes makes room for another, and the count returns to 0', () => {
  const counts = new AddressCounts()
  for (let round = 0; round < 3; round++) {
    for (let id = 1; id <= 2; id++) expect(counts.tryAdd(id, '192.0.2.1', 2)).toBe(true)
    expect(counts.tryAdd(3, '192.0.2.1', 2)).toBe(false)
    counts.remove(3)
    for (let id = 1; id <= 2; id++) counts.remove(id)
    expect(counts.size).toBe(0)
  }
})

test('removing a connection twice, or one that was not counted, changes nothing', () => {
  const counts = new AddressCounts()
  counts.tryAdd(1, '192.0.2.1', 2)
  counts.tryAdd(2, '192.0.2.1', 2)
  counts.remove(1)
  counts.remove(1)
  counts.remove(99)
  expect(counts.size).toBe(1)
  expect([3, 4].map(id => counts.tryAdd(id, '192.0.2.1', 2))).toEqual([true, false])
})

test('a limit of 0 means no limit', () => {
  const counts = new AddressCounts()
  for (let id = 1; id <= 1_000; id++) counts.tryAdd(id, '192.0.2.1', 0)
  expect(counts.size).toBe(1_000)
})

test('loopback addresses are not counted', () => {
  const counts = new AddressCounts()
  for (const address of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1']) {
    expect([1, 2].map(id => counts.tryAdd(id, address, 1))).toEqual([true, true])
  }
  expect(counts.size).toBe(0)
})
