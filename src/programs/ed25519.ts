import { createPublicKey, verify } from 'node:crypto'

/**
 * Whether a signature of a text is valid (Ed25519, RFC 8032). False also for a key or signature that is malformed.
 * @param key the public key: 32 bytes in base64url
 * @param signature 64 bytes, or these in base64url
 */
export function isSignedBy(key: string, text: string | Buffer, signature: string | Buffer): boolean {
  const bytes = typeof signature === 'string' ? Buffer.from(signature, 'base64url') : signature
  try {
    const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: key }, format: 'jwk' })
    return verify(null, typeof text === 'string' ? Buffer.from(text) : text, publicKey, bytes)
  } catch {
    // Not 32 bytes, or not a point on the curve.
    return false
  }
}
