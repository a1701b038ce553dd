/** Fingerprints of public keys. */
import { createHash } from 'node:crypto'
import { wordlist } from '@scure/bip39/wordlists/english.js'
import { expect, test } from 'vitest'
import { fingerprint } from '../../../../cli/keys/fingerprint.ts'

const key = (byte: number) => Buffer.alloc(32, byte).toString('base64url')

test('a fingerprint is the first 99 bits of the SHA-256 of the key, as nine words of the BIP 39 list', () => {
  const hash = createHash('sha256').update(Buffer.alloc(32, 1)).digest()
  const bits = Array.from(hash, byte => byte.toString(2).padStart(8, '0')).join('')
  const words = Array.from({ length: 9 }, (_, n) => wordlist[Number.parseInt(bits.slice(11 * n, 11 * n + 11), 2)])
  expect(fingerprint(key(1)).split(' ')).toEqual(words)
})

test('fingerprints never change between versions', () => {
  expect(fingerprint(key(0))).toMatchInlineSnapshot(`"grid duck problem valid cloth roof rate wealth merit"`)
})

test('different keys have different fingerprints', () => {
  const prints = Array.from({ length: 100 }, (_, byte) => fingerprint(key(byte)))
  expect(new Set(prints).size).toBe(100)
})
