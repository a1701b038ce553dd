import { expect, test } from 'vitest'
import { presenceSchema } from '../../../src/protocol/frames.ts'
import { keyNamed } from '../../support/simulation/plain-identity.ts'

const AT = 1_700_000_000_000
/** The neutral point: whatever is agreed with it is known to everyone. */
const NEUTRAL_POINT = Buffer.from([1, ...Array(31).fill(0)]).toString('base64url')
const entries = [
  ['Anna', 1, keyNamed('Anna'), AT],
  ['Billy', 1, NEUTRAL_POINT, AT],
  ['Carla', 1],
]

test('P14: a snapshot leaves out a user whose key is not a key', () => {
  const frame = { type: 'snapshot', incarnation: 'i', seq: 1, users: entries, more: false }
  expect(presenceSchema.parse(frame)).toEqual({ ...frame, users: [entries[0], entries[2]] })
})

test('P14: a delta removes a user whose key is not a key', () => {
  const frame = { type: 'delta', incarnation: 'i', seq: 2, changes: entries }
  expect(presenceSchema.parse(frame)).toEqual({ ...frame, changes: [entries[0], ['Billy', 0], entries[2]] })
})

test('a claim of a server whose clock was never set is an early one', () => {
  const frame = { type: 'delta', incarnation: 'i', seq: 2, changes: [['Anna', 1, keyNamed('Anna'), 0]] }
  expect(presenceSchema.parse(frame)).toMatchObject({ changes: [['Anna', 1, keyNamed('Anna'), Date.UTC(2000, 0, 1)]] })
})
