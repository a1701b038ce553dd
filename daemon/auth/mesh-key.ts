import { createPrivateKey, createPublicKey, generateKeyPairSync, hkdfSync, type KeyObject, sign } from 'node:crypto'
import { isSignedBy } from '../../src/programs/ed25519.ts'
import { keySchema } from '../../src/protocol/proofs/credentials.ts'
import { MESH_KEY_INFO, NO_SECRET, signatureSchema } from '../../src/protocol/proofs/mesh-identity.ts'

/** PKCS#8 (RFC 8410) of an Ed25519 private key, up to the seed. */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')

/** An Ed25519 key pair (RFC 8032) that signs texts. */
export class SigningKey {
  /** The public key, 43 characters of base64url. */
  readonly publicKey: string
  readonly #privateKey: KeyObject

  constructor(privateKey: KeyObject) {
    this.#privateKey = privateKey
    this.publicKey = createPublicKey(privateKey).export({ format: 'jwk' }).x ?? ''
  }

  /** Signs a text. Returns the signature, 86 characters of base64url. */
  sign(text: string): string {
    return sign(null, Buffer.from(text), this.#privateKey).toString('base64url')
  }
}

/**
 * The key pair of a mesh: its public key is the identity of the mesh.
 * @param secret the mesh's secret; empty: none, which gives the well-known `PUBLIC_MESH_KEY`
 */
export function deriveMeshKey(secret: string): SigningKey {
  const seed = hkdfSync('sha256', secret === '' ? NO_SECRET : secret, '', MESH_KEY_INFO, 32)
  const key = Buffer.concat([PKCS8_PREFIX, Buffer.from(seed)])
  return new SigningKey(createPrivateKey({ key, format: 'der', type: 'pkcs8' }))
}

/** The key pair of one server process: its public key is the incarnation of the server. */
export function createProcessKey(): SigningKey {
  return new SigningKey(generateKeyPairSync('ed25519').privateKey)
}

/** Whether a signature of a text is valid; false also for a key or signature that is malformed. */
export function isSignature(text: string, key: string, signature: unknown): boolean {
  const parsed = signatureSchema.safeParse(signature)
  return parsed.success && keySchema.safeParse(key).success && isSignedBy(key, text, parsed.data)
}
