/** Proofs that are prepared before the first of them is needed share one signature. */
import { expect, test } from 'vitest'
import { MeshProver, type RequestedProof } from '../../../../daemon/auth/mesh-prover.ts'
import { OwnOrigins } from '../../../../daemon/auth/own-origins.ts'
import { isSigned } from '../../../../src/programs/signed-batch.ts'
import {
  MAX_BATCH_SIZE,
  type MeshIdentity,
  NO_TLS,
  serverProofText,
  TLS_AT_PROXY,
} from '../../../../src/protocol/proofs/mesh-identity.ts'

const origins = new OwnOrigins({ host: '127.0.0.1', port: 1, scheme: 'http', urls: [], names: [] })
const prover = (previousSecret?: string) =>
  new MeshProver({ secret: 'secret', previousSecret, server: 's', incarnation: 'i', auth: 'open', origins })
let nonces = 0
const request = (isBatched = true): RequestedProof => ({
  nonce: `mesh2-${`${++nonces}`.padStart(20, '0')}`,
  origin: 'http://127.0.0.1:1',
  channel: NO_TLS,
  isBatched,
  identity: undefined,
})
function isProof({ nonce, origin, channel }: RequestedProof, identity: MeshIdentity): boolean {
  const { key, proof, server, incarnation, auth, batch } = identity
  return isSigned(key, serverProofText({ nonce, origin, channel, server, incarnation, auth }, key), proof, batch)
}

test('all that wait get one signature, and those after it another', () => {
  const mesh = prover()
  const requests = Array.from({ length: 5 }, () => request())
  const proofs = requests.map(one => mesh.prepare(one))
  const identities = proofs.map(prove => prove())
  expect(new Set(identities.map(({ proof }) => proof)).size).toBe(1)
  for (const [n, identity] of identities.entries()) {
    const own = requests[n] as RequestedProof
    expect(isProof(own, identity)).toBe(true)
    expect(own.identity).toBe(identity)
  }
  const late = [request(), request()]
  const lateProofs = late.map(one => mesh.prepare(one))
  expect(lateProofs.map(prove => prove().proof)).not.toContain(identities[0]?.proof)
})

test('one alone is signed without a batch', () => {
  const mesh = prover()
  const own = request()
  const identity = mesh.prepare(own)()
  expect(identity.batch).toBeUndefined()
  expect(isProof(own, identity)).toBe(true)
})

test('a client that does not accept batches gets a signature of its own, also among others', () => {
  const mesh = prover()
  const requests = [request(), request(false), request()]
  const [one, own, other] = requests.map(one => mesh.prepare(one)())
  expect([own?.batch, one?.proof === own?.proof, one?.proof === other?.proof]).toEqual([undefined, false, false])
  const proofs = requests.map(one => mesh.prepare({ ...one, identity: undefined }))
  expect(proofs.map(prove => prove().batch !== undefined)).toEqual([true, false, true])
})

test('while the secret is rotated each proof is signed alone, by both keys', () => {
  const mesh = prover('the secret before')
  const requests = [request(), request()]
  for (const [n, prove] of requests.map(one => mesh.prepare(one)).entries()) {
    const identity = prove()
    expect([identity.batch, identity.previous === undefined]).toEqual([undefined, false])
    expect(isProof(requests[n] as RequestedProof, identity)).toBe(true)
  }
})

test('the proof of a connection is made once, however often it is prepared', () => {
  const mesh = prover()
  const [own, other] = [request(), request()]
  const [first, , again] = [mesh.prepare(own), mesh.prepare(other), mesh.prepare(own)]
  const identity = first()
  expect(again()).toBe(identity)
  expect(mesh.prepare(own)()).toBe(identity)
  expect(identity.batch?.path).toHaveLength(1)
})

test('proofs that nobody needs, of connections that have closed, are bounded', () => {
  const mesh = prover()
  const first = request()
  mesh.prepare(first)
  for (let n = 1; n < MAX_BATCH_SIZE; n++) mesh.prepare(request())
  expect(first.identity).toBeUndefined()
  mesh.prepare(request())
  expect(first.identity?.batch?.path).toHaveLength(10)
})

test('a client that requires it gets the TLS connection signed, and nothing if the server cannot see that', () => {
  const secure = new OwnOrigins({
    host: '127.0.0.1',
    port: 1,
    scheme: 'https',
    urls: [],
    names: ['https://chat.example'],
  })
  const options = { secret: 'secret', previousSecret: undefined, server: 's', incarnation: 'i', auth: 'open' } as const
  const mesh = new MeshProver({ ...options, origins: secure })
  const { nonce } = request()
  const own = 'https://127.0.0.1:1'
  expect(mesh.channelFor(nonce, own, () => 'exporter')).toBe('exporter')
  expect(mesh.channelFor(nonce, own, () => undefined)).toBe('unknown')
  expect(mesh.channelFor(nonce, 'https://chat.example', () => undefined)).toBe(TLS_AT_PROXY)
  expect(mesh.channelFor('x'.repeat(22), own, () => 'exporter')).toBeUndefined()
})
