import { createHash } from 'node:crypto'
import { wordlist } from '@scure/bip39/wordlists/english.js'

/** 9 words of 11 bits: 99 bits are short enough to compare aloud, and too many for a brute-force search. */
const WORD_COUNT = 9

/** A public key as words of the BIP 39 list, for people to compare: the first bits of its SHA-256. */
export function fingerprint(key: string): string {
  const bits = BigInt(`0x${createHash('sha256').update(Buffer.from(key, 'base64url')).digest('hex')}`)
  return Array.from(
    { length: WORD_COUNT },
    (_, at) => wordlist[Number((bits >> BigInt(256 - 11 * (at + 1))) & 2047n)],
  ).join(' ')
}
