import { expect, test } from 'vitest'
import {
  compareClaims,
  formatSealedText,
  identificationText,
  keySchema,
  parseSealedText,
  sealedLength,
} from '../../../../src/protocol/proofs/credentials.ts'
import { keyNamed } from '../../../support/simulation/plain-identity.ts'

const ONE = keyNamed('Anna')
const OTHER = keyNamed('Billy')
/** The neutral point: whatever is agreed with it is known to everyone. */
const NEUTRAL_POINT = Buffer.from([1, ...Array(31).fill(0)]).toString('base64url')

test('A5: the signed text of an identification has the documented form', () => {
  const challenge = { server: 'server-1', connection: 'server-1:7', nonce: 'n' }
  expect(identificationText('Anna', challenge)).toBe('["mesh-chat identify 1","Anna","server-1","server-1:7","n"]')
})

test.each([ONE, OTHER])('A5: %s is a public key', key => {
  expect(keySchema.safeParse(key).success).toBe(true)
})

test.each(['', 'A'.repeat(42), 'A'.repeat(44), `${'A'.repeat(42)}=`, `${'A'.repeat(42)}+`, NEUTRAL_POINT, 7])(
  'A5: %j is not a public key',
  key => {
    expect(keySchema.safeParse(key).success).toBe(false)
  },
)

test('A10: the oldest claim wins, then the lower key', () => {
  const claims = [
    { key: OTHER, at: 5 },
    { key: ONE, at: 5 },
    { key: OTHER, at: 4 },
  ]
  expect([...claims].sort(compareClaims)).toEqual([claims[2], claims[1], claims[0]])
  expect(compareClaims({ key: ONE, at: 5 }, { key: ONE, at: 5 })).toBe(0)
})

test('K2: a sealed text has both keys and the body', () => {
  const text = formatSealedText(ONE, OTHER, 'body.with.dots')
  expect(text).toBe(`sealed1.${ONE}.${OTHER}.body.with.dots`)
  expect(parseSealedText(text)).toEqual({ from: ONE, to: OTHER, body: 'body.with.dots' })
})

test.each([
  '',
  'Hi',
  'sealed1.',
  `sealed2.${ONE}.${OTHER}.body`,
  `sealed1.${ONE}${OTHER}..body`,
  `sealed1.${ONE}.${OTHER}`,
  `sealed1.${ONE}.${OTHER}x`,
  `sealed1.${NEUTRAL_POINT}.${OTHER}.body`,
  `sealed1.${ONE}.${NEUTRAL_POINT}.body`,
  ` sealed1.${ONE}.${OTHER}.body`,
])('K1: %j is not a sealed text', text => {
  expect(parseSealedText(text)).toBeUndefined()
})

test('K3: sealedLength is the length for salt, signature, text and tag', () => {
  for (const bytes of [0, 1, 2, 3, 100, 16_384]) {
    const body = Buffer.alloc(24 + 64 + bytes + 16).toString('base64url')
    expect(sealedLength(bytes)).toBe(formatSealedText(ONE, OTHER, body).length)
  }
})
