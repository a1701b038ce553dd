import { expect, test } from 'vitest'
import { MeshProver } from '../../../../daemon/auth/mesh-prover.ts'
import { OwnOrigins } from '../../../../daemon/auth/own-origins.ts'
import { keyNamed } from '../../../support/simulation/plain-identity.ts'

const WALL = 1_700_000_000_000
const ANNA = keyNamed('Anna')
const MALLORY = keyNamed('Mallory')

function proverOf(secret: string, previousSecret?: string): MeshProver {
  const origins = new OwnOrigins({ host: '127.0.0.1', port: 1, scheme: 'http', urls: [], names: [] })
  return new MeshProver({ secret, previousSecret, server: 's', incarnation: 'i', auth: 'key', origins })
}

test('A14: a ticket is valid for its user, key and times only', () => {
  const prover = proverOf('secret')
  const ticket = prover.signClaim('Anna', { key: ANNA, at: WALL - 5 }, WALL)
  if (ticket === undefined) throw new Error('no ticket')
  expect(ticket).toMatchObject({ at: WALL - 5, issued: WALL })
  expect(prover.hasSigned('Anna', ANNA, ticket)).toBe(true)
  expect(prover.hasSigned('Billy', ANNA, ticket)).toBe(false)
  expect(prover.hasSigned('Anna', MALLORY, ticket)).toBe(false)
  expect(prover.hasSigned('Anna', ANNA, { ...ticket, at: WALL - 6 })).toBe(false)
  expect(prover.hasSigned('Anna', ANNA, { ...ticket, issued: WALL + 1 })).toBe(false)
  expect(proverOf('another').hasSigned('Anna', ANNA, ticket)).toBe(false)
})

test('A15: a ticket of the previous secret is valid while it is configured', () => {
  const ticket = proverOf('before').signClaim('Anna', { key: ANNA, at: WALL }, WALL)
  if (ticket === undefined) throw new Error('no ticket')
  expect(proverOf('now', 'before').hasSigned('Anna', ANNA, ticket)).toBe(true)
  expect(proverOf('now').hasSigned('Anna', ANNA, ticket)).toBe(false)
})

test('A14, A15: a mesh without a secret signs no ticket and accepts none: everyone has its key', () => {
  const prover = proverOf('')
  expect(prover.signClaim('Anna', { key: ANNA, at: WALL }, WALL)).toBeUndefined()
  const forged = proverOf('mesh-chat without a secret').signClaim(
    'Anna',
    { key: MALLORY, at: 1 + 946_684_800_000 },
    WALL,
  )
  expect(forged && prover.hasSigned('Anna', MALLORY, forged)).toBeFalsy()
  expect(forged && proverOf('now', '').hasSigned('Anna', MALLORY, forged)).toBeFalsy()
})
