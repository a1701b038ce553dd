import { createPublicKey, randomBytes, verify } from 'node:crypto'
import { base64urlLength, isBase64url } from '../../src/protocol/base64url.ts'
import { type Challenge, type Credential, identificationText } from '../../src/protocol/credentials.ts'

/** The text that a client signs to prove its key: valid for this server and connection, once. */
export function makeChallenge(server: string, connection: number): Challenge {
  return { server, connection: `${server}:${connection}`, nonce: randomBytes(24).toString('base64url') }
}

/** Characters of the 64 bytes of a signature. */
const SIGNATURE_CHARACTERS = base64urlLength(64)

/** Whether a proof is the signature of the challenge by the key's holder (Ed25519, RFC 8032). */
export function checkProof(user: string, key: string, proof: string, challenge: Challenge | undefined): Credential {
  const invalid: Credential = { kind: 'invalid', reason: 'the proof is not valid for this key and this connection' }
  if (challenge === undefined || proof.length !== SIGNATURE_CHARACTERS || !isBase64url(proof)) return invalid
  try {
    const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: key }, format: 'jwk' })
    const text = Buffer.from(identificationText(user, challenge))
    return verify(null, text, publicKey, Buffer.from(proof, 'base64url')) ? { kind: 'key', key } : invalid
  } catch {
    return invalid
  }
}
