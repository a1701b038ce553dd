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

/** One side of a handshake: its identity, and its nonce for this link. */
export const partySchema = peerIdentitySchema.extend({ nonce: z.string().regex(/^[\w-]{16,64}$/) })
export type Party = z.infer<typeof partySchema>

/** The acceptor's response: its proof and its position in the dialler's presence stream, or a refusal. */
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

/** This server's side of a new handshake. */
export function newParty(self: PeerIdentity): Party {
  return { ...self, nonce: randomBytes(16).toString('base64url') }
}

/**
 * The proof that `role` knows the secret of the mesh: HMAC-SHA-256 (RFC 2104) over the role and the identities and
 * nonces of both sides, so that a replayed or reflected proof is invalid.
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

/** Proves that a refusal comes from a server with the secret: the refusal `id-in-use` shuts the dialler down. */
function createRefusalProof(secret: string, code: LinkRefusal, dialler: Party, acceptor: Party): string {
  const proof = createProof(secret, 'acceptor', dialler, acceptor)
  return createHmac('sha256', secret).update(`${code} ${proof}`).digest('base64url')
}

/** The acceptor's response to an authenticated dialler, as the core decides. */
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

/** The dialler validates the acceptor's response. */
export function readWelcome(
  secret: string,
  dialler: Party,
  acceptor: Party,
  payload: unknown,
): { ok: true; holds: StreamPosition } | { ok: false; reason: string; code?: LinkRefusal } {
  const welcome = welcomeSchema.safeParse(payload)
  if (!welcome.success) return { ok: false, reason: 'invalid handshake response' }
  if (!welcome.data.ok) {
    const { code, message, proof } = welcome.data
    // `wrong-secret` has no proof: the two sides have no common secret to prove it with.
    if (code === 'wrong-secret' || isSameProof(createRefusalProof(secret, code, dialler, acceptor), proof)) {
      return { ok: false, reason: message, code }
    }
    return { ok: false, reason: 'the refusal is not signed with the secret of this mesh' }
  }
  const { proof, holds } = welcome.data
  if (isSameProof(createProof(secret, 'acceptor', dialler, acceptor), proof)) return { ok: true, holds }
  return { ok: false, reason: 'the peer does not have the secret of this mesh', code: 'wrong-secret' }
}

/** Compares in constant time. */
export function isSameProof(expected: string, given: unknown): boolean {
  const one = Buffer.from(expected)
  const other = Buffer.from(typeof given === 'string' ? given : '')
  return one.length === other.length && timingSafeEqual(one, other)
}

/** Whether `actualId` may answer a dial to `id`: the server itself, or a worker at the same address. */
export function isExpectedId(id: string | undefined, actualId: string): boolean {
  return id === undefined || actualId === id || actualId.startsWith(`${id}/`)
}
