/**
 * Ed25519 public keys (RFC 8032): the one check of every key that comes from outside. It rejects a key that another text
 * spells too, that is not a point on the curve, or that has small order: a secret agreed with such a key is known to
 * everyone, everyone can sign for it, and libraries throw when they use it.
 *
 * This is plain arithmetic of public values, so that `src/` needs no library and no Node.js. `@noble/curves` decides the
 * same (test/unit/protocol/proofs/public-key.test.ts compares them), but takes five times as long (92 µs a key, 20 µs here), which
 * the presence of 100,000 users multiplies, and adds 22 ms to the start of every client.
 */

/** 32 bytes in base64url without padding. The last character has 2 unused bits, which are 0: a key has one spelling. */
const SPELLING = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const DIGITS = new Map(Array.from(ALPHABET, (character, digit) => [character, BigInt(digit)]))

/** The prime of the field, 2^255 - 19. */
const P = 2n ** 255n - 19n
/** The constant of the curve -x² + y² = 1 + d·x²·y². */
const D = 37095705934669439343138083508754565189542113879843219016388785533085940283555n
/** The y coordinate of two points of order 8; the other two have its negative. */
const ORDER_8_Y = 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n
/** The y coordinates of the eight points of small order. */
const SMALL_ORDER_Y: ReadonlySet<bigint> = new Set([0n, 1n, P - 1n, ORDER_8_Y, P - ORDER_8_Y])

/** Valid keys that are kept, so that the keys of active users are checked once; some 100 bytes each. */
const MAX_CACHED_KEYS = 8_192
const cache = new Set<string>()

/** Whether a value is a public key in its only spelling: base64url of 32 bytes without padding. */
export function isPublicKey(value: unknown): value is string {
  if (typeof value !== 'string' || !SPELLING.test(value)) return false
  if (cache.has(value)) return true
  if (!isValidPoint(value)) return false
  if (cache.size >= MAX_CACHED_KEYS) cache.clear()
  cache.add(value)
  return true
}

function isValidPoint(key: string): boolean {
  // The highest bit is the sign of x, the others are y, in little-endian bytes.
  const y = littleEndian(key) & (2n ** 255n - 1n)
  // Also excludes x = 0, whose sign would have two spellings: its y is 1 or -1.
  if (y >= P || SMALL_ORDER_Y.has(y)) return false
  // x² = (y² - 1) / (d·y² + 1) has a root if the product of both has one.
  const square = (y * y) % P
  return isSquare(((square - 1n) * ((D * square + 1n) % P)) % P)
}

function littleEndian(key: string): bigint {
  let bits = 0n
  for (const character of key) bits = (bits << 6n) | (DIGITS.get(character) ?? 0n)
  bits >>= 2n
  let value = 0n
  for (let byte = 0; byte < 32; byte++, bits >>= 8n) value = (value << 8n) | (bits & 0xffn)
  return value
}

/** Whether a number other than 0 is a square modulo P: its Jacobi symbol is 1. */
function isSquare(value: bigint): boolean {
  let [a, n, isPositive] = [((value % P) + P) % P, P, true]
  while (a !== 0n) {
    while ((a & 1n) === 0n) {
      a >>= 1n
      const rest = n & 7n
      if (rest === 3n || rest === 5n) isPositive = !isPositive
    }
    if ((a & 3n) === 3n && (n & 3n) === 3n) isPositive = !isPositive
    const previous = a
    a = n % a
    n = previous
  }
  return isPositive
}
