import { expect, test } from 'vitest'
import { base64urlLength, isBase64url } from '../../../../src/protocol/encodings/base64url.ts'
import { Random } from '../../../support/random.ts'

const random = new Random(1)

test('what Node.js encodes is base64url', () => {
  for (let bytes = 0; bytes < 100; bytes++) {
    const text = Buffer.from(Array.from({ length: bytes }, () => random.below(256))).toString('base64url')
    expect(isBase64url(text)).toBe(true)
    expect(text.length).toBe(base64urlLength(bytes))
  }
})

test('bytes have one spelling', () => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  for (const start of ['', 'AAAA', 'A', 'AA', 'AAA']) {
    for (const last of alphabet) {
      const text = start + last
      expect(isBase64url(text), text).toBe(Buffer.from(text, 'base64url').toString('base64url') === text)
    }
  }
})

test.each(['AA==', 'AAA=', 'AA+A', 'AA/A', 'AA A', 'AAAA\n', 'A', 'é', 'AAAAA'])('%j is not base64url', text => {
  expect(isBase64url(text)).toBe(false)
})
