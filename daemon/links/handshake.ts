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
import { exceeds } from '../../src/protocol/limits.ts'
import { isProcessKey, linkProofText } from '../../src/protocol/proofs/mesh-identity.ts'
import { protocolFault } from '../../src/protocol/versions.ts'
import type { Effect } from '../../src/server/types.ts'
import { isSignature, type SigningKey } from '../auth/mesh-key.ts'

type Role = 'dialler' | 'acceptor'

/** One side of a handshake: its identity, and its nonce for this link. */
export const partySchema = peerIdentitySchema.extend({ nonce: z.string().regex(/^[\w-]{16,64}$/) })
export type Party = z.infer<typeof partySchema>

/** The acceptor's response: its proof and its position in the dialler's presence stream, or a refusal. */
const welcomeSchema = z.union([
  z.object({
    ok: z.literal(true),
    proof: z.string(),
    /** By the acceptor's process key; absent from a server of 0.1. */
    signature: z.string().max(100).optional(),
    holds: streamPositionSchema,
  }),
  z.object({
    ok: z.literal(false),
    code: linkRefusalSchema,
    message: z.string().max(1_000),
    /** See `createRefusalProof`. */
    proof: z.string().max(100).optional(),
  }),
])
export type Welcome = z.infer<typeof welcomeSchema>
type Refusal = Extract<Welcome, { ok: false }>

/** What a dialler proves: its proof of the secret, and the signature by its process key. */
export const diallerProofSchema = z.union([
  // From a server of 0.1, and for one.
  z
    .string()
    .max(100)
    .transform(proof => ({ proof, signature: undefined })),
  z.object({ proof: z.string().max(100), signature: z.string().max(100).optional() }),
])
export type DiallerProof = { proof: string; signature?: string | undefined }

/** What a server proves in its handshakes with peers. */
export interface LinkCredentials {
  /** The mesh's secret; empty: none. */
  secret: string
  /** The secret before a rotation. */
  previousSecret: string | undefined
  /** The key whose public half is the server's incarnation. */
  processKey: SigningKey | undefined
}

/** This server's side of a new handshake. */
export function newParty(self: PeerIdentity): Party {
  return { ...self, nonce: randomBytes(16).toString('base64url') }
}

/**
 * The proof that `role` knows the secret of the mesh: HMAC-SHA-256 (RFC 2104) over the role and the identities and
 * nonces of both sides, so that a replayed or reflected proof is invalid.
 */
export function createProof(secret: string, role: Role, dialler: Party, acceptor: Party): string {
  return createHmac('sha256', secret)
    .update(JSON.stringify([role, transcriptOf(dialler, acceptor)]))
    .digest('base64url')
}

/** The identities and nonces of both sides, with what both sides know: a server drops fields that it does not know. */
function transcriptOf(...parties: readonly [dialler: Party, acceptor: Party]): unknown {
  const knowRanges = parties.every(({ newestProtocol }) => newestProtocol !== undefined)
  return parties.map(one => [
    one.id,
    one.incarnation,
    one.nonce,
    one.protocol,
    one.url ?? '',
    one.clients ?? '',
    one.auth ?? 'open',
    ...(one.probe === true ? ['probe'] : []),
    ...(knowRanges ? [`newest ${one.newestProtocol}`] : []),
  ])
}

/** The signature of a handshake by the process key; undefined without one. */
function signLink(
  processKey: SigningKey | undefined,
  role: Role,
  dialler: Party,
  acceptor: Party,
): { signature?: string } {
  if (processKey === undefined) return {}
  return { signature: processKey.sign(linkProofText(role, transcriptOf(dialler, acceptor))) }
}

/** Whether a party is the process of its incarnation. Servers of 0.1 have no process key, and cannot prove it. */
function isSigned(role: Role, dialler: Party, acceptor: Party, signature: string | undefined): boolean {
  const { incarnation } = role === 'dialler' ? dialler : acceptor
  if (!isProcessKey(incarnation)) return true
  return isSignature(linkProofText(role, transcriptOf(dialler, acceptor)), incarnation, signature)
}

/** What the dialler sends in `prove`: a server of 0.1 accepts only the proof as a string. */
export function proveDialler(
  secret: string,
  processKey: SigningKey | undefined,
  dialler: Party,
  acceptor: Party,
): string | DiallerProof {
  const proof = createProof(secret, 'dialler', dialler, acceptor)
  return isProcessKey(acceptor.incarnation) ? { proof, ...signLink(processKey, 'dialler', dialler, acceptor) } : proof
}

/**
 * Checks what a dialler proves. Returns the secret that it has: the mesh's, or during a rotation the previous one. The
 * acceptor answers with the same.
 */
export function checkDiallerProof(
  { secret, previousSecret }: LinkCredentials,
  dialler: Party,
  acceptor: Party,
  { proof, signature }: DiallerProof,
): { ok: true; secret: string } | { ok: false; refusal: Refusal } {
  const secrets = previousSecret === undefined ? [secret] : [secret, previousSecret]
  const known = secrets.find(one => isSameProof(createProof(one, 'dialler', dialler, acceptor), proof))
  if (known === undefined) {
    // Another version may make its proofs from other fields. Not signed: strangers could guess the secret with it.
    const fault = protocolFault(acceptor, dialler)
    if (fault !== undefined) return { ok: false, refusal: { ok: false, code: 'bad-handshake', message: fault } }
    const message = 'wrong secret; all servers of a mesh need the same one'
    return { ok: false, refusal: { ok: false, code: 'wrong-secret', message } }
  }
  if (isSigned('dialler', dialler, acceptor, signature)) return { ok: true, secret: known }
  const message = `the signature of ${dialler.id} is not valid for its incarnation`
  return { ok: false, refusal: createRefusal('bad-signature', message, known, dialler, acceptor) }
}

/**
 * Which secret to dial each peer with during a rotation: the mesh's, and after `wrong-secret` the previous one, in turns.
 */
export class DiallingSecrets {
  readonly #credentials: Pick<LinkCredentials, 'secret' | 'previousSecret'>
  readonly #maxPeers: number
  /** Peers to dial with the previous secret next, oldest first. */
  #previousNext = new Set<string>()

  /** @param maxPeers peers that are remembered; 0: all */
  constructor(credentials: Pick<LinkCredentials, 'secret' | 'previousSecret'>, maxPeers: number) {
    this.#credentials = credentials
    this.#maxPeers = maxPeers
  }

  /** The secret for the next dial of a peer. */
  secretFor(peer: string): string {
    const { secret, previousSecret } = this.#credentials
    return this.#previousNext.has(peer) ? (previousSecret ?? secret) : secret
  }

  /** Records that a peer has refused the secret of its last dial. */
  recordWrongSecret(peer: string): void {
    if (this.#credentials.previousSecret === undefined || this.#previousNext.delete(peer)) return
    this.#previousNext.add(peer)
    if (!exceeds(this.#previousNext.size, this.#maxPeers)) return
    for (const oldest of this.#previousNext) return void this.#previousNext.delete(oldest)
  }
}

/** Proves that a refusal comes from a server with the secret: the refusal `id-in-use` shuts the dialler down. */
function createRefusalProof(secret: string, code: LinkRefusal, dialler: Party, acceptor: Party): string {
  const proof = createProof(secret, 'acceptor', dialler, acceptor)
  return createHmac('sha256', secret).update(`${code} ${proof}`).digest('base64url')
}

function createRefusal(code: LinkRefusal, message: string, secret: string, dialler: Party, acceptor: Party): Refusal {
  return { ok: false, code, message, proof: createRefusalProof(secret, code, dialler, acceptor) }
}

/**
 * The acceptor's response to an authenticated dialler, as the core decides.
 * @param secret the one that the dialler has proven
 */
export function createWelcome(
  effect: Extract<Effect, { type: 'accept' | 'refuse' }>,
  secret: string,
  processKey: SigningKey | undefined,
  dialler: Party,
  acceptor: Party,
): Welcome {
  if (effect.type === 'refuse') return createRefusal(effect.code, effect.message, secret, dialler, acceptor)
  const proof = createProof(secret, 'acceptor', dialler, acceptor)
  return { ok: true, proof, ...signLink(processKey, 'acceptor', dialler, acceptor), holds: effect.holds }
}

/**
 * The dialler validates the acceptor's response.
 * @param secret the one that the dialler has proven
 */
export function readWelcome(
  secret: string,
  dialler: Party,
  acceptor: Party,
  payload: unknown,
): { ok: true; holds: StreamPosition } | { ok: false; reason: string; code?: LinkRefusal } {
  // The answer cannot be trusted to say this: another version may make its proofs from other fields.
  const fault = protocolFault(dialler, acceptor)
  if (fault !== undefined) return { ok: false, reason: fault, code: 'bad-handshake' }
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
  const { proof, holds, signature } = welcome.data
  if (!isSameProof(createProof(secret, 'acceptor', dialler, acceptor), proof))
    return { ok: false, reason: 'the peer does not have the secret of this mesh', code: 'wrong-secret' }
  if (isSigned('acceptor', dialler, acceptor, signature)) return { ok: true, holds }
  return {
    ok: false,
    reason: `the signature of ${acceptor.id} is not valid for its incarnation`,
    code: 'bad-signature',
  }
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
