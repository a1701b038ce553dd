const SPELLING = /^[A-Za-z0-9_-]*$/
/** Last characters whose unused bits are 0, by the number of characters modulo 4; with a remainder of 1, none is valid. */
const LAST_CHARACTERS: readonly (RegExp | undefined)[] = [/^/, undefined, /[AQgw]$/, /[AEIMQUYcgkosw048]$/]

/**
 * Whether a text is base64url (RFC 4648) without padding, in the only spelling of its bytes. Decoders accept others too:
 * with padding, with `+` and `/`, with unused bits of the last character, which would let one value pass as two.
 */
export function isBase64url(text: string): boolean {
  return SPELLING.test(text) && LAST_CHARACTERS[text.length % 4]?.test(text) === true
}

/** The number of characters of `bytes` bytes. */
export function base64urlLength(bytes: number): number {
  return Math.ceil((bytes * 4) / 3)
}
