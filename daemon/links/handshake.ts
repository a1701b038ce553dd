import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import * as z from 'zod'
import {
  holdsSchema,
  type Introduction,
  introductionSchema,
  type LinkRefusal,
  linkRefusalSchema,
} from '../../src/protocol/frames.ts'

/** One side of a handshake: who it is, and its nonce for this link. */
export const partySchema = introductionSchema.extend({ nonce: z.string().regex(/^[\w-]{16,64}$/) })
export type Party = z.infer<typeof partySchema>

/** The acceptor's last word: its own proof and what it holds of the dialler's stream, or why not. */
export const welcomeSchema = z.union([
  z.object({ ok: z.literal(true), proof: z.string(), holds: holdsSchema }),
  z.object({
    ok: z.literal(false),
    code: linkRefusalSchema,
    message: z.string().max(1_000),
    /** See `proveRefusal`. */
    proof: z.string().max(100).optional(),
  }),
])
export type Welcome = z.infer<typeof welcomeSchema>

/** A side of a handshake to come. */
export function newParty(self: Introduction): Party {
  return { ...self, nonce: randomBytes(16).toString('base64url') }
}

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

/** The proof that a refusal comes from who knows the secret: a server ends when another has its id. */
export function proveRefusal(secret: string, code: LinkRefusal, dialler: Party, acceptor: Party): string {
  const proof = prove(secret, 'acceptor', dialler, acceptor)
  return createHmac('sha256', secret).update(`${code} ${proof}`).digest('base64url')
}

/** Compares in constant time. */
export function sameProof(expected: string, given: unknown): boolean {
  const one = Buffer.from(expected)
  const other = Buffer.from(typeof given === 'string' ? given : '')
  return one.length === other.length && timingSafeEqual(one, other)
}

/** Whether who answers to this id may be dialled by it: itself, or a worker that shares the address. */
export function answersTo(id: string | undefined, met: string): boolean {
  return id === undefined || met === id || met.startsWith(`${id}/`)
}
