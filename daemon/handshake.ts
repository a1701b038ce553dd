import { createHmac, timingSafeEqual } from 'node:crypto'
import * as z from 'zod'
import { introductionSchema } from '../src/protocol/frames.ts'

/** One side of a handshake: who it is, and its nonce for this link. */
export const partySchema = introductionSchema.extend({ nonce: z.string().min(16).max(64) })
export type Party = z.infer<typeof partySchema>

/**
 * The proof that `role` knows the mesh's secret: HMAC-SHA-256 (RFC 2104) over all that both sides say of themselves, nonces included, and the
 * role, so that a proof recorded on one link, or sent back by the other side, proves nothing.
 */
export function prove(secret: string, role: 'dialler' | 'acceptor', dialler: Party, acceptor: Party): string {
  const transcript = [dialler, acceptor].map(one => [
    one.id,
    one.incarnation,
    one.nonce,
    one.protocol,
    one.url ?? '',
    one.clients ?? '',
    one.auth ?? 'open',
    ...(one.probe === true ? ['probe'] : []),
  ])
  return createHmac('sha256', secret)
    .update(JSON.stringify([role, transcript]))
    .digest('base64url')
}

/** Compares in constant time. */
export function sameProof(expected: string, given: unknown): boolean {
  const one = Buffer.from(expected)
  const other = Buffer.from(typeof given === 'string' ? given : '')
  return one.length === other.length && timingSafeEqual(one, other)
}
