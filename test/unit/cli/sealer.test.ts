/** Sealed messages: real cryptography, byte by byte. */
import { generateKeyPairSync } from 'node:crypto'
import { ed25519, x25519 } from '@noble/curves/ed25519.js'
import { expect, test } from 'vitest'
import { fingerprint } from '../../../cli/keys/fingerprint.ts'
import { Sealer } from '../../../cli/keys/sealer.ts'
import type { Message } from '../../../src/protocol/messages.ts'
import { formatSealedText, parseSealedText, sealedLength } from '../../../src/protocol/proofs/credentials.ts'

const sealer = () => new Sealer(generateKeyPairSync('ed25519').privateKey)
const [anna, billy, mallory] = [sealer(), sealer(), sealer()]
const plain: Message = { id: 'm1', at: 1_700_000_000_000.5, from: 'Anna', to: 'Billy', text: 'Grüße 👋\nof mine' }
const sealed = { ...plain, text: anna.seal(plain, billy.key) }

test('a sealed message opens with the keys of its sender and its recipient, and with no other', () => {
  expect(billy.open(sealed)).toBe(plain.text)
  expect(anna.open(sealed)).toBe(plain.text)
  expect(mallory.open(sealed)).toBeUndefined()
  expect(sealed.text).not.toContain('mine')
  expect(sealed.text.length).toBeLessThanOrEqual(sealedLength(Buffer.byteLength(plain.text)))
  expect(anna.seal(plain, billy.key)).not.toBe(sealed.text)
  const empty = { ...plain, text: '' }
  expect(billy.open({ ...empty, text: anna.seal(empty, billy.key) })).toBe('')
})

test('a text with an unpaired surrogate opens with the replacement character in its place', () => {
  const odd = { ...plain, text: 'half \ud83d of an emoji' }
  expect(billy.open({ ...odd, text: anna.seal(odd, billy.key) })).toBe('half \ufffd of an emoji')
})

test('a sealed message that was altered in any way does not open', () => {
  const { id, at, from, to } = plain
  for (const other of [{ id: 'm2' }, { at: at + 1 }, { from: 'Carla' }, { to: 'Carla' }]) {
    expect(billy.open({ ...sealed, ...other }), JSON.stringify(other)).toBeUndefined()
  }
  const seal = parseSealedText(sealed.text)
  const bytes = Buffer.from(seal?.body ?? '', 'base64url')
  for (let at = 0; at < bytes.length; at++) {
    const altered = Buffer.from(bytes)
    altered[at] = (altered[at] ?? 0) ^ 1
    const text = formatSealedText(anna.key, billy.key, altered.toString('base64url'))
    expect(billy.open({ id, at: plain.at, from, to, text }), `byte ${at}`).toBeUndefined()
  }
  for (const [one, other] of [
    [mallory.key, billy.key],
    [anna.key, mallory.key],
    [billy.key, anna.key],
  ] as const) {
    expect(billy.open({ ...sealed, text: formatSealedText(one, other, seal?.body ?? '') })).toBeUndefined()
  }
  for (const text of [
    '',
    'plain',
    'sealed1.',
    sealed.text.slice(0, 100),
    `sealed1.${'A'.repeat(43)}.${'A'.repeat(43)}.`,
  ]) {
    expect(billy.open({ ...plain, text })).toBeUndefined()
  }
})

test('its recipient, who shares the secret, cannot forge a message from its sender', () => {
  // Billy's seal carries Billy's signature, whatever key is named in front of it.
  const forged = billy.seal({ ...plain, text: 'I owe Billy 1,000' }, anna.key)
  const body = parseSealedText(forged)?.body ?? ''
  expect(anna.open({ ...plain, text: formatSealedText(anna.key, billy.key, body) })).toBeUndefined()
})

test('a sealed typing notice is not taken for a message, nor a message for a notice', () => {
  const notice = { ...plain, id: '', text: '' }
  const proof = anna.seal(notice, billy.key, 'typing')
  expect(proof).toHaveLength(sealedLength(0))
  expect([
    billy.open({ ...notice, text: proof }, 'typing'),
    billy.open({ ...notice, text: proof }),
    mallory.open({ ...notice, text: proof }, 'typing'),
    billy.open({ ...notice, at: notice.at + 1, text: proof }, 'typing'),
    billy.open({ ...notice, text: anna.seal(notice, billy.key) }, 'typing'),
  ]).toEqual(['', undefined, undefined, undefined, undefined])
})

test('an Ed25519 key pair converted to X25519 is a pair there, too', () => {
  const seed = Buffer.alloc(32, 7)
  const montgomery = ed25519.utils.toMontgomery(ed25519.getPublicKey(seed))
  expect(x25519.getPublicKey(ed25519.utils.toMontgomerySecret(seed))).toEqual(montgomery)
})

test("a sealed frame between siblings opens with the user's own key only", () => {
  const body = anna.sealForSiblings('{"type":"compare"}')
  expect(anna.openFromSibling(body)).toBe('{"type":"compare"}')
  expect(billy.openFromSibling(body)).toBeUndefined()
  expect(anna.openFromSibling('{"type":"compare"}')).toBeUndefined()
})

test('a fingerprint is nine words, the same for the same key', () => {
  expect(fingerprint('A'.repeat(43))).toMatch(/^[a-z]+( [a-z]+){8}$/)
  expect(fingerprint('A'.repeat(43))).toBe(fingerprint('A'.repeat(43)))
  expect(fingerprint(anna.key)).not.toBe(fingerprint(billy.key))
})
