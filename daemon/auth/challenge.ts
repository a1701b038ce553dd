import { createPublicKey, randomBytes, verify } from 'node:crypto'
import { type Challenge, type Credential, identificationText } from '../../src/protocol/credentials.ts'

/** The text that a client signs to prove its key: valid for this server and connection, once. */
export function makeChallenge(server: string, connection: number): Challenge {
  return { server, connection: `${server}:${connection}`, nonce: randomBytes(24).toString('base64url') }
}

/** Whether a proof is the signature of the challenge by the key's holder (Ed25519, RFC 8032). */
export function checkProof(user: string, key: string, proof: string, challenge: Challenge | undefined): Credential {
  const invalid: Credential = { kind: 'invalid', reason: 'the proof is not valid for this key and this connection' }
  if (challenge === undefined) return invalid
  try {
    const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: key }, format: 'jwk' })
    const text = Buffer.from(identificationText(user, challenge))
    return verify(null, text, publicKey, Buffer.from(proof, 'base64url')) ? { kind: 'key', key } : invalid
  } catch {
    return invalid
  }
}
