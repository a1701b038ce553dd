import { randomBytes } from 'node:crypto'
import { type Challenge, type Credential, identificationText } from '../../src/protocol/proofs/credentials.ts'
import { boundIdentificationText, type ProofBinding } from '../../src/protocol/proofs/mesh-identity.ts'
import { isSignature } from './mesh-key.ts'

/** The text that a client signs to prove its key: valid for this server and connection, once. */
export function makeChallenge(server: string, connection: number): Challenge {
  return { server, connection: `${server}:${connection}`, nonce: randomBytes(24).toString('base64url') }
}

/**
 * Whether a proof is the signature of the challenge by the key's holder (Ed25519, RFC 8032).
 * @param binding undefined for a client of 0.1
 */
export function checkProof(
  user: string,
  key: string,
  proof: string,
  challenge: Challenge | undefined,
  binding: ProofBinding | undefined,
): Credential {
  if (challenge !== undefined) {
    const text =
      binding === undefined ? identificationText(user, challenge) : boundIdentificationText(user, challenge, binding)
    if (isSignature(text, key, proof)) return { kind: 'key', key }
  }
  return { kind: 'invalid', reason: 'the proof is not valid for this key and this connection' }
}
