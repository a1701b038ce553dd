/** Keys and tokens of `auth: token`. */
import { generateKeyPairSync } from 'node:crypto'
import { SignJWT } from 'jose'
import { describe, expect, test } from 'vitest'
import { checkToken, makeToken, parseTokenKey, type TokenKey } from '../../../daemon/auth/tokens.ts'

const SECRET = 'x'.repeat(32)
const pair = (type: 'ed25519' | 'x25519') =>
  generateKeyPairSync(type as 'ed25519', {
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
const { publicKey, privateKey } = pair('ed25519')

async function sign({ algorithm, signKey }: TokenKey, user: string, expires: string): Promise<string> {
  if (signKey === undefined) throw new Error('a public key')
  return makeToken(signKey, algorithm, user, expires)
}

describe('parseTokenKey', () => {
  test('a text is an HS256 secret of at least 32 bytes', () => {
    expect(parseTokenKey(SECRET, 'key')).toMatchObject({ algorithm: 'HS256' })
    expect(() => parseTokenKey(SECRET.slice(1), 'key')).toThrow('key: the secret has fewer than 32 characters')
    // Bytes, not characters.
    expect(parseTokenKey('é'.repeat(16), 'key').algorithm).toBe('HS256')
  })

  test('PEM is an Ed25519 key, and a public key cannot sign', () => {
    expect(parseTokenKey(privateKey, 'key')).toMatchObject({ algorithm: 'EdDSA', signKey: expect.anything() })
    expect(parseTokenKey(publicKey, 'key')).toMatchObject({ algorithm: 'EdDSA', signKey: undefined })
  })

  test('other and broken PEM keys are rejected', () => {
    expect(() => parseTokenKey(pair('x25519').privateKey, 'key')).toThrow('key is not an Ed25519 key; make one with')
    expect(() => parseTokenKey('-----BEGIN PRIVATE KEY-----\nx', 'key')).toThrow(/^key is not a valid key \(/)
  })
})

describe('checkToken', () => {
  test.each([
    ['a secret', SECRET, SECRET],
    ['a key pair', privateKey, publicKey],
  ])('a token signed with %s proves the user until it expires', async (_, signer, verifier) => {
    const token = await sign(parseTokenKey(signer, 'key'), 'Anna', '1h')
    const credential = await checkToken(parseTokenKey(verifier, 'key'), token)
    expect(credential).toMatchObject({ kind: 'token', user: 'Anna' })
    const expires = credential.kind === 'token' ? credential.expires : 0
    expect(Math.abs(expires - Date.now() - 3_600_000)).toBeLessThan(60_000)
  })

  test('the reason of a rejection names expiry and invalid claims, nothing else', async () => {
    const key = parseTokenKey(SECRET, 'key')
    const reason = async (token: string) => {
      const credential = await checkToken(key, token)
      return credential.kind === 'invalid' ? credential.reason : credential.kind
    }
    const claims = (payload: Record<string, string | number>) =>
      new SignJWT(payload).setProtectedHeader({ alg: 'HS256' }).sign(key.verifyKey)
    expect(await reason(await claims({ sub: 'Anna', exp: 1 }))).toBe(
      'the token is rejected: it has expired; get a new one',
    )
    expect(await reason(await claims({ sub: 'Anna' }))).toContain('"exp"')
    const other = await sign(parseTokenKey('y'.repeat(32), 'key'), 'Anna', '1h')
    for (const token of ['', 'x.y.z', other])
      expect(await reason(token)).toBe('the token is rejected: it is not valid; get a new one')
  })

  test('the clocks may differ by 5 seconds', async () => {
    const key = parseTokenKey(SECRET, 'key')
    const now = Math.floor(Date.now() / 1_000)
    const expired = (seconds: number) =>
      new SignJWT({ sub: 'Anna', exp: now - seconds }).setProtectedHeader({ alg: 'HS256' }).sign(key.verifyKey)
    expect(await checkToken(key, await expired(1))).toMatchObject({ kind: 'token' })
    expect(await checkToken(key, await expired(60))).toMatchObject({ kind: 'invalid' })
  })
})
