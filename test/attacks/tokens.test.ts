/** `auth: token`: tokens made without the key, or wrongly by an issuer. */
import { createHmac, randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { checkToken, parseTokenKey } from '../../daemon/auth/tokens.ts'
import { checkSecretLength } from '../../daemon/settings/secret.ts'

const SECRET = 'k3Jx0vQe7TqP2mZsW9cYb4RnL6uH8dFa'
const key = parseTokenKey(SECRET, 'key')
const strict = parseTokenKey(SECRET, 'key', { audience: 'mesh', issuer: 'ops' })
const encode = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
const sign = (header: unknown, payload: unknown) => {
  const text = `${encode(header)}.${encode(payload)}`
  return `${text}.${createHmac('sha256', SECRET).update(text).digest('base64url')}`
}
const HEADER = { alg: 'HS256' }
const soon = () => Math.floor(Date.now() / 1_000) + 100
const payload = (more: object = {}) => ({ sub: 'Anna', exp: soon(), ...more })

test('A2: headers and claims that are wrong do not prove a user', async () => {
  const unsigned = (alg: string) => `${encode({ alg })}.${encode(payload())}.`
  const tokens = {
    none: unsigned('none'),
    'other case of none': unsigned('NoNe'),
    'other case of the algorithm': sign({ alg: 'hs256' }, payload()),
    'other algorithm': sign({ alg: 'HS512' }, payload()),
    'unknown critical header': sign({ ...HEADER, crit: ['x'], x: 1 }, payload()),
    'unencoded payload': sign({ ...HEADER, crit: ['b64'], b64: false }, payload()),
    'not valid yet': sign(HEADER, payload({ nbf: soon() })),
    'nbf is not a number': sign(HEADER, payload({ nbf: '1' })),
    'exp is not a number': sign(HEADER, payload({ exp: '9999999999' })),
    'without exp': sign(HEADER, { sub: 'Anna' }),
    expired: sign(HEADER, payload({ exp: soon() - 106 })),
    'negative exp': sign(HEADER, payload({ exp: -1 })),
    'several users': sign(HEADER, payload({ sub: ['Anna'] })),
    'user is an object': sign(HEADER, payload({ sub: {} })),
    'user of a prototype': sign(HEADER, `{"__proto__":{"sub":"Anna"},"exp":${soon()}}`),
    'token in a token': sign({ ...HEADER, cty: 'JWT' }, sign(HEADER, payload())),
    'payload is null': sign(HEADER, 'null'),
    'payload is a list': sign(HEADER, '[]'),
  }
  for (const [name, token] of Object.entries(tokens)) {
    expect([name, await checkToken(key, token)]).toEqual([name, { kind: 'invalid', reason: expect.any(String) }])
  }
})

test('A2: keys and addresses in the header are not used, and of duplicate claims the last one counts', async () => {
  for (const more of [{ kid: '../../etc/passwd' }, { jku: 'http://127.0.0.1:1/' }, { jwk: { kty: 'oct', k: 'AA' } }]) {
    expect(await checkToken(key, sign({ ...HEADER, ...more }, payload()))).toMatchObject({ user: 'Anna' })
  }
  const twice = sign(HEADER, `{"sub":"Anna","sub":"Billy","exp":${soon()}}`)
  expect(await checkToken(key, twice)).toMatchObject({ kind: 'token', user: 'Billy' })
})

test('A2: a required audience may be in a list, a required issuer may not', async () => {
  const kind = async (claims: object) => (await checkToken(strict, sign(HEADER, payload(claims)))).kind
  expect(await kind({ aud: ['other', 'mesh'], iss: 'ops' })).toBe('token')
  for (const claims of [
    { aud: 'mesh', iss: ['ops'] },
    { iss: 'ops' },
    { aud: { mesh: 1 }, iss: 'ops' },
    { aud: 'mesh2', iss: 'ops' },
    { aud: 'mesh' },
  ]) {
    expect(await kind(claims)).toBe('invalid')
  }
})

test('secrets that repeat themselves are refused, whatever they repeat', () => {
  for (const part of ['a', 'ab', 'secret', 'abcd1234', '0123456789abcdef', 'changeme', 'ä', '\0', 'k3Jx0vQe7TqP2mZs']) {
    expect(() => parseTokenKey(part.repeat(40).slice(0, 40), 'key')).toThrow('repeats')
  }
})

const SEQUENCES = [
  'abcdefghijklmnopqrstuvwxyz012345',
  'ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF',
  'zyxwvutsrqponmlkjihgfedcba987654',
  'AbCdEfGhIjKlMnOpQrStUvWxYz012345',
  'aabbccddeeffgghhiijjkkllmmnnoopp',
  'a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6',
  'acegikmoqsuwybdfhjlnprtvxz024680',
  '01234567890123456789012345678901',
  'qwertyuiopasdfghjklzxcvbnm123456',
  'QWERTYUIOP[]ASDFGHJKL;ZXCVBNM,./',
  'qwertzuiopasdfghjklyxcvbnm123456',
  'poiuytrewqlkjhgfdsamnbvcxz098765',
  '1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,',
  '1q2w3e4r5t6y7u8i9o0p1q2w3e4r5t6y',
]
test.each(SEQUENCES)('secrets that are sequences are refused: %s', secret => {
  expect(() => parseTokenKey(secret, 'key')).toThrow('a sequence')
  expect(() => checkSecretLength(secret.slice(0, 16), 'secret')).toThrow('a sequence')
})

test.each([
  ['bytes', undefined],
  ['base64url', 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'],
  ['hexadecimal digits', '0123456789abcdef'],
  ['digits', '0123456789'],
])('of 2,500 random secrets of the shortest length none is refused: %s', (_, characters) => {
  const secret = (length: number) => {
    const random = randomBytes(length)
    if (characters === undefined) return random.toString('latin1')
    return Array.from(random, byte => characters[byte % characters.length]).join('')
  }
  for (let n = 0; n < 2_500; n++) {
    parseTokenKey(secret(32), 'key')
    checkSecretLength(secret(16), 'secret')
  }
})
