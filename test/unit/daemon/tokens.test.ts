/** Keys and tokens of `auth: token`. */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { SignJWT } from 'jose'
import { describe, expect, test } from 'vitest'
import { checkToken, makeToken, parseTokenKey, type TokenKey } from '../../../daemon/auth/tokens.ts'

const SECRET = 'k3YmQp9vT1zXc7Wb5Ns2Lf8Hd4Rg6Ja0'
const pair = (type: 'ed25519' | 'x25519') =>
  generateKeyPairSync(type as 'ed25519', {
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
const { publicKey, privateKey } = pair('ed25519')

async function sign(key: TokenKey, user: string, expires: string, rooms?: string[]): Promise<string> {
  if (key.signKey === undefined) throw new Error('a public key')
  return makeToken(key.signKey, key, user, expires, rooms)
}

describe('parseTokenKey', () => {
  test('a text is an HS256 secret of at least 32 bytes', () => {
    expect(parseTokenKey(SECRET, 'key')).toMatchObject({ algorithm: 'HS256' })
    expect(() => parseTokenKey(SECRET.slice(1), 'key')).toThrow('key: the secret has fewer than 32 characters')
    // Bytes, not characters.
    expect(parseTokenKey('éüöäàèìòùâêîôûñç', 'key').algorithm).toBe('HS256')
  })

  test.each([
    'x'.repeat(32),
    'xy'.repeat(100),
    'password'.repeat(8),
    'passwordpassword1passwordpassword2',
    '0123456789'.repeat(4),
  ])('a secret that repeats characters is rejected: %s', secret => {
    expect(() => parseTokenKey(secret, 'key')).toThrow(
      'key: the secret repeats characters or is a sequence of them, and is easy to guess; make',
    )
  })

  test.each(['hex', 'base64'] as const)('random secrets of 32 characters in %s are accepted', encoding => {
    for (let n = 0; n < 200; n++) parseTokenKey(randomBytes(24).toString(encoding).slice(0, 32), 'key')
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
    // Connections end when the server no longer accepts the token: 5 s after it has expired.
    const exp = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()).exp
    expect(expires).toBe(exp * 1_000 + 5_000)
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
    const other = await sign(parseTokenKey([...SECRET].reverse().join(''), 'key'), 'Anna', '1h')
    for (const token of ['', 'x.y.z', other])
      expect(await reason(token)).toBe('the token is rejected: it is not valid; get a new one')
  })

  test.each([
    ['audience', 'aud', { audience: 'mesh-1' }],
    ['issuer', 'iss', { issuer: 'the operator' }],
  ])('a required %s must be in the token, and is put in when it is signed', async (_, claim, claims) => {
    const plain = parseTokenKey(SECRET, 'key')
    const strict = parseTokenKey(SECRET, 'key', claims)
    const other = parseTokenKey(SECRET, 'key', { audience: 'mesh-2', issuer: 'someone else' })
    expect(await checkToken(strict, await sign(strict, 'Anna', '1h'))).toMatchObject({ kind: 'token', user: 'Anna' })
    expect(await checkToken(plain, await sign(strict, 'Anna', '1h'))).toMatchObject({ kind: 'token', user: 'Anna' })
    for (const signer of [plain, other]) {
      const credential = await checkToken(strict, await sign(signer, 'Anna', '1h'))
      expect(credential).toMatchObject({ kind: 'invalid', reason: expect.stringContaining(`"${claim}"`) })
    }
  })

  describe('the claim rooms', () => {
    const key = parseTokenKey(SECRET, 'key')
    const check = async (rooms: unknown) => {
      const token = new SignJWT({ rooms }).setProtectedHeader({ alg: 'HS256' }).setSubject('Anna')
      return checkToken(key, await token.setExpirationTime('1h').sign(key.verifyKey))
    }

    test('lists the rooms that the user may join, in canonical form and each once', async () => {
      expect(await check(['#Ops', '#ops', '#dev'])).toMatchObject({ kind: 'token', rooms: ['#ops', '#dev'] })
      expect(await check([])).toMatchObject({ kind: 'token', rooms: [] })
    })

    test('is put in when the token is signed', async () => {
      const token = await sign(key, 'Anna', '1h', ['#ops'])
      expect(await checkToken(key, token)).toMatchObject({ user: 'Anna', rooms: ['#ops'] })
    })

    test('may be absent: the user may join any room', async () => {
      expect(await checkToken(key, await sign(key, 'Anna', '1h'))).not.toHaveProperty('rooms')
    })

    test.each(['#ops', null, { '#ops': true }, 1, false])('makes the token invalid if it is %j', async rooms => {
      const reason = 'the token is rejected: its claim "rooms" is not a list of room names; get a new one'
      expect(await check(rooms)).toEqual({ kind: 'invalid', reason })
    })

    test.each(['ops', '', '#a b', 7, null, ['#ops']])('makes the token invalid if it lists %j', async name => {
      const reason = /^the token is rejected: its claim "rooms" has an invalid name: a room name .*; get a new one$/
      expect(await check(['#dev', name])).toEqual({ kind: 'invalid', reason: expect.stringMatching(reason) })
    })
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
