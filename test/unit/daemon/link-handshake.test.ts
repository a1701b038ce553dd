/** The proofs of a link's handshake. */
import { describe, expect, test } from 'vitest'
import { createProcessKey } from '../../../daemon/auth/mesh-key.ts'
import {
  checkDiallerProof,
  createProof,
  createWelcome,
  DiallingSecrets,
  diallerProofSchema,
  isExpectedId,
  isSameProof,
  newParty,
  partySchema,
  proveDialler,
  readWelcome,
} from '../../../daemon/links/handshake.ts'

const [dialler, acceptor] = ['server-1', 'server-2'].map(id =>
  newParty({ id, incarnation: `${id}#1`, protocol: 2 }),
) as [ReturnType<typeof newParty>, ReturnType<typeof newParty>]

describe('createProof', () => {
  const proof = createProof('secret', 'dialler', dialler, acceptor)

  test('depends on the secret, the role and each field of both sides', () => {
    const others = [
      createProof('other', 'dialler', dialler, acceptor),
      createProof('secret', 'acceptor', dialler, acceptor),
      createProof('secret', 'dialler', acceptor, dialler),
      ...(['id', 'incarnation', 'nonce', 'url', 'clients', 'auth'] as const).flatMap(field => [
        createProof('secret', 'dialler', { ...dialler, [field]: 'key' }, acceptor),
        createProof('secret', 'dialler', dialler, { ...acceptor, [field]: 'key' }),
      ]),
      createProof('secret', 'dialler', { ...dialler, protocol: 3 }, acceptor),
      createProof('secret', 'dialler', { ...dialler, probe: true }, acceptor),
    ]
    expect(new Set([proof, ...others]).size).toBe(others.length + 1)
  })

  test('a missing auth means open', () => {
    expect(createProof('secret', 'dialler', { ...dialler, auth: 'open' }, acceptor)).toBe(proof)
  })
})

describe('H18: the range of protocol versions', () => {
  const range = (party: typeof dialler, newestProtocol: number) => ({ ...party, newestProtocol })
  const proof = createProof('secret', 'dialler', dialler, acceptor)

  test('is part of the proof if both sides have one', () => {
    const both = createProof('secret', 'dialler', range(dialler, 2), range(acceptor, 2))
    expect(both).not.toBe(proof)
    expect(createProof('secret', 'dialler', range(dialler, 3), range(acceptor, 2))).not.toBe(both)
    expect(createProof('secret', 'dialler', range(dialler, 2), range(acceptor, 3))).not.toBe(both)
  })

  test('is not part of the proof for a server that does not know it', () => {
    expect(createProof('secret', 'dialler', range(dialler, 2), acceptor)).toBe(proof)
    expect(createProof('secret', 'dialler', dialler, range(acceptor, 2))).toBe(proof)
  })
})

describe('H19: a server without a common protocol version', () => {
  const credentials = { secret: 'secret', previousSecret: undefined, processKey: undefined }
  const newer = { ...dialler, protocol: 4, newestProtocol: 5 }

  test('is refused for its version, also if its proof is made in another way', () => {
    expect(checkDiallerProof(credentials, newer, { ...acceptor, newestProtocol: 3 }, { proof: 'another' })).toEqual({
      ok: false,
      refusal: {
        ok: false,
        code: 'bad-handshake',
        message: 'this server speaks protocol 2 to 3, the other one 4 to 5; update this server',
      },
    })
    const outsider = checkDiallerProof(credentials, dialler, acceptor, { proof: 'wrong' })
    expect(outsider).toMatchObject({ refusal: { code: 'wrong-secret' } })
  })

  test('reports its version, whatever the other side answers', () => {
    const { reason, code } = {
      reason: '',
      code: '',
      ...readWelcome('secret', newer, acceptor, { ok: false, code: 'x' }),
    }
    expect({ reason, code }).toEqual({
      reason: 'this server speaks protocol 4 to 5, the other one 2; update the other server',
      code: 'bad-handshake',
    })
  })
})

describe('the welcome', () => {
  const holds = { incarnation: 'server-1#1', seq: 7 }
  const accepted = createWelcome({ type: 'accept', link: 1, holds }, 'secret', undefined, dialler, acceptor)
  const refused = createWelcome(
    { type: 'refuse', link: 1, code: 'id-in-use', message: 'in use' },
    'secret',
    undefined,
    dialler,
    acceptor,
  )
  const read = (welcome: unknown) => readWelcome('secret', dialler, acceptor, welcome)

  test('an acceptance with a valid proof gives the stream position', () => {
    expect(read(accepted)).toEqual({ ok: true, holds })
  })

  test('an acceptance with an invalid proof is a wrong secret', () => {
    expect(read({ ...accepted, proof: 'x' })).toMatchObject({ ok: false, code: 'wrong-secret' })
    const other = createWelcome({ type: 'accept', link: 1, holds }, 'other', undefined, dialler, acceptor)
    expect(read(other)).toMatchObject({ ok: false, code: 'wrong-secret' })
  })

  test('a refusal has a code only with a valid proof for that code', () => {
    expect(read(refused)).toEqual({ ok: false, reason: 'in use', code: 'id-in-use' })
    const reason = 'the refusal is not signed with the secret of this mesh'
    expect(read({ ...refused, code: 'draining' })).toEqual({ ok: false, reason })
    expect(read({ ...refused, proof: undefined })).toEqual({ ok: false, reason })
    expect(read({ ok: false, code: 'wrong-secret', message: 'no' })).toMatchObject({ code: 'wrong-secret' })
  })

  test.each([null, 5, {}, { ok: true }, { ok: false, code: 'unknown', message: '' }])('%o is invalid', payload => {
    expect(read(payload)).toEqual({ ok: false, reason: 'invalid handshake response' })
  })
})

describe('what a dialler proves', () => {
  const [own, other] = [createProcessKey(), createProcessKey()]
  const signing = newParty({ id: 'server-1', incarnation: own.publicKey, protocol: 2 })
  const accepting = newParty({ id: 'server-2', incarnation: other.publicKey, protocol: 2 })
  const credentials = { secret: 'secret', previousSecret: 'previous', processKey: other }
  const check = (payload: unknown, from = signing, to = accepting) =>
    checkDiallerProof(credentials, from, to, diallerProofSchema.parse(payload))

  test('is a text for an acceptor of 0.1, and accepted as one from a dialler of 0.1', () => {
    expect(proveDialler('secret', own, signing, acceptor)).toBe(createProof('secret', 'dialler', signing, acceptor))
    expect(check(createProof('secret', 'dialler', dialler, accepting), dialler)).toEqual({ ok: true, secret: 'secret' })
  })

  test('has a signature for other acceptors, and the acceptor knows which secret was used', () => {
    for (const secret of ['secret', 'previous'])
      expect(check(proveDialler(secret, own, signing, accepting))).toEqual({ ok: true, secret })
    expect(check(proveDialler('other', own, signing, accepting))).toMatchObject({ refusal: { code: 'wrong-secret' } })
  })

  test('is rejected without a valid signature by the process of the incarnation, and the refusal is proven', () => {
    const { proof } = proveDialler('previous', undefined, signing, accepting) as { proof: string }
    const reflected = createWelcome({ type: 'accept', link: 1, holds: { seq: 0 } }, 'secret', own, signing, accepting)
    const signatures = [undefined, other.sign('x'), own.sign('x'), (reflected as { signature: string }).signature]
    for (const signature of signatures) {
      const checked = check({ proof, signature })
      expect(checked).toMatchObject({ ok: false, refusal: { code: 'bad-signature' } })
      const refusal = checked.ok ? undefined : checked.refusal
      expect(readWelcome('previous', signing, accepting, refusal)).toMatchObject({ ok: false, code: 'bad-signature' })
    }
    expect(check(proof)).toMatchObject({ ok: false, refusal: { code: 'bad-signature' } })
  })

  test('is valid for this handshake only', () => {
    const proven = proveDialler('secret', own, signing, accepting)
    expect(check(proven, signing, newParty(accepting))).toMatchObject({ ok: false })
    expect(check(proven, newParty(signing))).toMatchObject({ ok: false })
  })
})

test('during a rotation a peer that refuses one secret is dialled with the other', () => {
  const secrets = new DiallingSecrets({ secret: 'new', previousSecret: 'old' }, 2)
  const next = (peer: string) => {
    secrets.recordWrongSecret(peer)
    return secrets.secretFor(peer)
  }
  expect([secrets.secretFor('a'), next('a'), secrets.secretFor('b'), next('a'), next('a')]).toEqual([
    'new',
    'old',
    'new',
    'new',
    'old',
  ])
  // Only as many peers are remembered as there may be.
  for (const peer of ['b', 'c']) expect(next(peer)).toBe('old')
  expect(secrets.secretFor('a')).toBe('new')
  const settled = new DiallingSecrets({ secret: 'new', previousSecret: undefined }, 2)
  settled.recordWrongSecret('a')
  expect(settled.secretFor('a')).toBe('new')
})

test('each party has a new valid nonce', () => {
  expect(partySchema.safeParse(dialler).success).toBe(true)
  expect(dialler.nonce).not.toBe(acceptor.nonce)
  for (const nonce of ['', 'short', 'x'.repeat(65), 'not a nonce at all'])
    expect(partySchema.safeParse({ ...dialler, nonce }).success).toBe(false)
})

test('proofs are compared as a whole, whatever their type', () => {
  expect(isSameProof('abc', 'abc')).toBe(true)
  for (const given of ['abd', 'ab', 'abcd', '', undefined, null, 5, ['abc'], { length: 3 }])
    expect(isSameProof('abc', given)).toBe(false)
})

test('a worker may answer for its server', () => {
  expect([isExpectedId('a', 'a'), isExpectedId('a', 'a/2'), isExpectedId(undefined, 'x')]).toEqual([true, true, true])
  expect([isExpectedId('a', 'b'), isExpectedId('a', 'ab'), isExpectedId('a/1', 'a/2')]).toEqual([false, false, false])
})
