import { ed25519 } from '@noble/curves/ed25519.js'
import { expect, test } from 'vitest'
import { isPublicKey } from '../../../../src/protocol/proofs/public-key.ts'
import { Random } from '../../../support/random.ts'

const P = 2n ** 255n - 19n
const random = new Random(3)
const randomBytes = () => Uint8Array.from({ length: 32 }, () => random.below(256))
const base64url = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url')

/** The 32 bytes of a y coordinate, little-endian, with the sign of x in the highest bit. */
function encode(y: bigint, sign = 0): Uint8Array {
  const bytes = Uint8Array.from({ length: 32 }, (_, at) => Number((y >> BigInt(8 * at)) & 0xffn))
  bytes[31] = (bytes[31] ?? 0) | (sign << 7)
  return bytes
}

/** What the library says of a key. */
function isValidForLibrary(bytes: Uint8Array): boolean {
  try {
    return !ed25519.Point.fromBytes(bytes).isSmallOrder()
  } catch {
    return false
  }
}

test('agrees with @noble/curves on random bytes, of which half are not points', () => {
  let valid = 0
  for (let n = 0; n < 1_000; n++) {
    const bytes = randomBytes()
    const expected = isValidForLibrary(bytes)
    if (expected) valid++
    expect(isPublicKey(base64url(bytes)), base64url(bytes)).toBe(expected)
  }
  expect(valid).toBeGreaterThan(400)
  expect(valid).toBeLessThan(600)
})

test('agrees with @noble/curves on small coordinates, coordinates near the prime, and both signs of x', () => {
  for (let n = 0n; n < 40n; n++) {
    for (const y of [n, P - n - 1n, P + (n % 19n), 2n ** 255n - 1n - n]) {
      for (const sign of [0, 1]) {
        const bytes = encode(y, sign)
        expect(isPublicKey(base64url(bytes)), `${y} ${sign}`).toBe(isValidForLibrary(bytes))
      }
    }
  }
})

test('the eight points of small order, in every spelling, are not keys', () => {
  // A multiple by the order of the large subgroup leaves the small part of a point.
  const order = 2n ** 252n + 27742317777372353535851937790883648493n
  const found = new Map<string, bigint>()
  while (found.size < 8) {
    const bytes = randomBytes()
    if (!isPublicKey(base64url(bytes))) continue
    const point = ed25519.Point.fromBytes(bytes)
    const small = point.multiplyUnsafe(order - 1n).add(point)
    found.set(small.toHex(), small.toAffine().y)
  }
  for (const y of found.values()) {
    for (const sign of [0, 1]) {
      expect(isPublicKey(base64url(encode(y, sign)))).toBe(false)
      if (y + P < 2n ** 255n) expect(isPublicKey(base64url(encode(y + P, sign)))).toBe(false)
    }
  }
})

test('the keys of new key pairs are keys', () => {
  for (let n = 0; n < 50; n++) {
    const { publicKey } = ed25519.keygen(randomBytes())
    expect(isPublicKey(base64url(publicKey))).toBe(true)
  }
})

const KEY = base64url(ed25519.getPublicKey(new Uint8Array(32)))

test('a key has one spelling', () => {
  expect(isPublicKey(KEY)).toBe(true)
  const last = KEY.at(-1) ?? ''
  // These decode to the same bytes.
  const spellings = ['1', '2', '3'].map(
    (_, at) => `${KEY.slice(0, -1)}${String.fromCharCode(last.charCodeAt(0) + at + 1)}`,
  )
  for (const other of [...spellings, `${KEY}=`, ` ${KEY}`, `${KEY}\n`, KEY.replaceAll('-', '+').replaceAll('_', '/')]) {
    if (other === KEY) continue
    expect(Buffer.from(other, 'base64url').toString('base64url').slice(0, 43)).toBe(KEY)
    expect(isPublicKey(other)).toBe(false)
  }
})

test.each([undefined, null, 7, '', 'A'.repeat(42), 'A'.repeat(44), { length: 43 }])('%j is not a key', value => {
  expect(isPublicKey(value)).toBe(false)
})

test('a key is valid again after many others', () => {
  const keys = Array.from({ length: 30_000 }, () => base64url(randomBytes()))
  const valid = keys.map(key => isPublicKey(key))
  expect(keys.map(key => isPublicKey(key))).toEqual(valid)
  expect(isPublicKey(KEY)).toBe(true)
})
