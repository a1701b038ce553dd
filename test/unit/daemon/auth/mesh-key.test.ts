/** The keys of a mesh and of a server process. */
import { describe, expect, test } from 'vitest'
import { createProcessKey, deriveMeshKey, isSignature } from '../../../../daemon/auth/mesh-key.ts'
import { isProcessKey, PUBLIC_MESH_KEY, signatureSchema } from '../../../../src/protocol/proofs/mesh-identity.ts'

describe('the mesh key', () => {
  test('is the same for the same secret, and another for another', () => {
    const key = deriveMeshKey('a secret of the mesh').publicKey
    expect(deriveMeshKey('a secret of the mesh').publicKey).toBe(key)
    expect(deriveMeshKey('another secret').publicKey).not.toBe(key)
    // Pinned by clients: it must never change between versions.
    expect(key).toBe('MSCRcXd7zR2HulJLCtMa8VY3yQMprVIIlDpwDGvNHdM')
  })

  test('of a mesh without a secret is the well-known one', () => {
    expect(deriveMeshKey('').publicKey).toBe(PUBLIC_MESH_KEY)
    expect(deriveMeshKey('mesh-chat without a secret').publicKey).toBe(PUBLIC_MESH_KEY)
  })
})

test('each process has another key, in the form of an incarnation', () => {
  const [one, two] = [createProcessKey(), createProcessKey()]
  expect(one.publicKey).not.toBe(two.publicKey)
  expect(isProcessKey(one.publicKey)).toBe(true)
  expect(isProcessKey('0123456789abcdef0123456789abcdef')).toBe(false)
})

test('a signature is valid for its text and key only, in one spelling', () => {
  const [key, other] = [createProcessKey(), createProcessKey()]
  const signature = key.sign('text')
  expect(signatureSchema.safeParse(signature).success).toBe(true)
  expect(isSignature('text', key.publicKey, signature)).toBe(true)
  expect(isSignature('texT', key.publicKey, signature)).toBe(false)
  expect(isSignature('text', other.publicKey, signature)).toBe(false)
  for (const wrong of [undefined, '', 5, `${signature}=`, signature.slice(0, -1), other.sign('text')])
    expect(isSignature('text', key.publicKey, wrong)).toBe(false)
  for (const wrong of ['', 'x', 'A'.repeat(42)]) expect(isSignature('text', wrong, signature)).toBe(false)
})
