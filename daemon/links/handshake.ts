import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import * as z from 'zod'
import {
  type LinkRefusal,
  linkRefusalSchema,
  type PeerIdentity,
  peerIdentitySchema,
  type StreamPosition,
  streamPositionSchema,
} from '../../src/protocol/frames.ts'
import type { Effect } from '../../src/server/types.ts'

/** One side of a handshake: who it is, and its nonce for this link. */
export const partySchema = peerIdentitySchema.extend({ nonce: z.string().regex(/^[\w-]{16,64}$/) })
export type Party = z.infer<typeof partySchema>

/** The acceptor's last word: its own proof and what it holds of the dialler's stream, or why not. */
const welcomeSchema = z.union([
  z.object({ ok: z.literal(true), proof: z.string(), holds: streamPositionSchema }),
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
export function newParty(self: PeerIdentity): Party {
  return { ...self, nonce: randomBytes(16).toString('base64url') }
}

/**
 * The proof that `role` knows the mesh's secret: HMAC-SHA-256 (RFC 2104) over all that both sides say of themselves, nonces included, and the
 * role, so that a proof recorded on one link, or sent back by the other side, proves nothing.
 */
export function createProof(secret: string, role: 'dialler' | 'acceptor', dialler: Party, acceptor: Party): string {
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
function createRefusalProof(secret: string, code: LinkRefusal, dialler: Party, acceptor: Party): string {
  const proof = createProof(secret, 'acceptor', dialler, acceptor)
  return createHmac('sha256', secret).update(`${code} ${proof}`).digest('base64url')
}

/** What the acceptor answers to a dialler that has proven itself, by what the core decides. */
export function createWelcome(
  effect: Extract<Effect, { type: 'accept' | 'refuse' }>,
  secret: string,
  dialler: Party,
  acceptor: Party,
): Welcome {
  if (effect.type === 'accept') {
    return { ok: true, proof: createProof(secret, 'acceptor', dialler, acceptor), holds: effect.holds }
  }
  const { code, message } = effect
  return { ok: false, code, message, proof: createRefusalProof(secret, code, dialler, acceptor) }
}

/** The acceptor's last word as the dialler reads it. */
export function readWelcome(
  secret: string,
  dialler: Party,
  acceptor: Party,
  payload: unknown,
): { ok: true; holds: StreamPosition } | { ok: false; reason: string; code?: LinkRefusal } {
  const welcome = welcomeSchema.safeParse(payload)
  if (!welcome.success) return { ok: false, reason: 'a malformed answer to the handshake' }
  if (!welcome.data.ok) {
    const { code, message, proof } = welcome.data
    // That the secrets differ needs no proof, and has none.
    if (code === 'wrong-secret' || isSameProof(createRefusalProof(secret, code, dialler, acceptor), proof)) {
      return { ok: false, reason: message, code }
    }
    return { ok: false, reason: 'it is refused by somebody without the secret of this mesh' }
  }
  const { proof, holds } = welcome.data
  if (isSameProof(createProof(secret, 'acceptor', dialler, acceptor), proof)) return { ok: true, holds }
  return { ok: false, reason: 'it does not hold the secret of this mesh', code: 'wrong-secret' }
}

/** Compares in constant time. */
export function isSameProof(expected: string, given: unknown): boolean {
  const one = Buffer.from(expected)
  const other = Buffer.from(typeof given === 'string' ? given : '')
  return one.length === other.length && timingSafeEqual(one, other)
}

/** Whether who answers to this id may be dialled by it: itself, or a worker that shares the address. */
export function isExpectedId(id: string | undefined, actualId: string): boolean {
  return id === undefined || actualId === id || actualId.startsWith(`${id}/`)
}
