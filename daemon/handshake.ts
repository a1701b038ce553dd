import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Introduction } from '../src/protocol/frames.ts'

/** One side of a handshake: who it is, and its nonce for this link. */
export interface Party extends Introduction {
  nonce: string
}

/**
 * The proof that `role` knows the mesh's secret: HMAC-SHA-256 (RFC 2104) over all that both sides say of themselves, nonces included, and the
 * role, so that a proof recorded on one link, or sent back by the other side, proves nothing.
 */
export function prove(
  secret: string,
  role: 'dialler' | 'acceptor' | 'refuser',
  dialler: Party,
  acceptor: Party,
): string {
  const transcript = [dialler, acceptor].map(one => [
    one.id,
    one.incarnation,
    one.nonce,
    one.protocol,
    one.url ?? '',
    one.clients ?? '',
    one.auth ?? 'open',
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
