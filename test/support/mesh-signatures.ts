import { createHash } from 'node:crypto'
import type { SessionOptions } from '../../src/client/types.ts'
import { batchTextOf } from '../../src/programs/signed-batch.ts'

/** A signature without cryptography: a hash of the public key and the text. */
export function signatureOf(key: string, text: string): string {
  return createHash('sha512').update(`${key} ${text}`).digest('base64url')
}

let nonces = 0

/** The options with which a session checks such signatures. Ids of messages are the same in each run. */
export const meshSignatures: Pick<SessionOptions, 'makeNonce' | 'makeIdSuffix' | 'verify'> = {
  makeNonce: () => `nonce-${`${++nonces}`.padStart(16, '0')}`,
  makeIdSuffix: () => 'x',
  verify: (key, text, signature, batch) =>
    signature === signatureOf(key, batch === undefined ? text : batchTextOf(text, batch)),
}
