import { createHash } from 'node:crypto'
import { wordlist } from '@scure/bip39/wordlists/english.js'

/** 99 bits: as much as anybody compares, and too much to be searched through. */
const WORD_COUNT = 9

/** A public key in words that people can compare aloud: the first bits of its SHA-256, by the list of BIP 39. */
export function fingerprint(key: string): string {
  const bits = BigInt(`0x${createHash('sha256').update(Buffer.from(key, 'base64url')).digest('hex')}`)
  return Array.from(
    { length: WORD_COUNT },
    (_, at) => wordlist[Number((bits >> BigInt(256 - 11 * (at + 1))) & 2047n)],
  ).join(' ')
}
