import { type ClaimTicket, claimTicketText } from '../../src/protocol/claim-ticket.ts'
import type { AuthMode, Claim } from '../../src/protocol/credentials.ts'
import {
  type MeshIdentity,
  NO_TLS,
  NONCE_PREFIX,
  type ProofBinding,
  PUBLIC_MESH_KEY,
  serverProofText,
  successorText,
  TLS_AT_PROXY,
} from '../../src/protocol/mesh-identity.ts'
import type { Message } from '../../src/protocol/messages.ts'
import { roomMessageText } from '../../src/protocol/room-proof.ts'
import { deriveMeshKey, isSignature, type SigningKey } from './mesh-key.ts'
import type { OwnOrigins } from './own-origins.ts'

export interface MeshProverOptions {
  /** The mesh's secret; empty: none. */
  secret: string
  /** The secret before a rotation. */
  previousSecret: string | undefined
  /** The server's id. */
  server: string
  incarnation: string
  auth: AuthMode
  origins: OwnOrigins
}

/** The proof that a client asks for on one connection. */
export interface RequestedProof {
  readonly nonce: string
  readonly origin: string
  /**
   * As in `ServerProof`. `unknown`: TLS should end at this server, but the connection has no exporter value. Then nothing
   * is signed: the client might be at the other end of a relay.
   */
  readonly channel: string | undefined
  /** Once it is made: the proof. */
  identity: MeshIdentity | undefined
}

/** Proves to clients that this server belongs to its mesh, and that they dialled one of its origins. */
export class MeshProver {
  readonly #options: MeshProverOptions
  readonly #key: SigningKey
  readonly #previousKey: SigningKey | undefined

  constructor(options: MeshProverOptions) {
    this.#options = options
    this.#key = deriveMeshKey(options.secret)
    // The key of a mesh without a secret confirms nothing.
    this.#previousKey = options.previousSecret ? deriveMeshKey(options.previousSecret) : undefined
  }

  /** The mesh key. */
  get publicKey(): string {
    return this.#key.publicKey
  }

  /** Whether the server may sign an origin. The key of a mesh without a secret proves nothing, so it signs any. */
  isOwnOrigin(origin: string): boolean {
    return this.publicKey === PUBLIC_MESH_KEY || this.#options.origins.has(origin)
  }

  /**
   * The channel to sign for a client; see `RequestedProof`.
   * @param exporter returns the exporter value of the client's connection, if it is TLS 1.3 and ends here
   */
  channelFor(nonce: string, origin: string, exporter: () => string | undefined): RequestedProof['channel'] {
    if (!nonce.startsWith(NONCE_PREFIX)) return undefined
    if (origin.startsWith('http:')) return NO_TLS
    return this.#options.origins.mayEndAtProxy(origin) ? TLS_AT_PROXY : (exporter() ?? 'unknown')
  }

  /** What the proof of a client must be bound to. */
  bindingOf({ origin, channel }: RequestedProof): ProofBinding {
    return { origin, meshKey: this.publicKey, channel }
  }

  /** Signs what a client asks for: the CPU time of one signature, some 30 µs. */
  prove({ nonce, origin, channel }: Omit<RequestedProof, 'identity'>): MeshIdentity {
    const { server, incarnation, auth } = this.#options
    const proven = { nonce, origin, auth, server, incarnation, channel }
    const key = this.publicKey
    const identity = { key, proof: this.#key.sign(serverProofText(proven, key)), server, incarnation, auth }
    const previous = this.#previousKey
    if (previous === undefined) return identity
    const proof = previous.sign(successorText(proven, previous.publicKey, key))
    return { ...identity, previous: { key: previous.publicKey, proof } }
  }

  /**
   * Signs the claim of a user who is online.
   * @param wall ms since 1970
   * @returns undefined without a secret: everyone could sign for that mesh
   */
  signClaim(user: string, { key, at }: Claim, wall: number): ClaimTicket | undefined {
    if (this.publicKey === PUBLIC_MESH_KEY) return undefined
    const signed = { at, issued: wall }
    return { ...signed, proof: this.#key.sign(claimTicketText(user, key, signed, this.publicKey)) }
  }

  /**
   * Signs who said what in a room, so that a member who passes the message on later cannot change it.
   * @returns undefined in other modes than `token`, and without a secret: everyone could sign for that mesh
   */
  signRoomMessage(message: Message): string | undefined {
    if (this.#options.auth !== 'token' || this.publicKey === PUBLIC_MESH_KEY) return undefined
    return this.#key.sign(roomMessageText(message, this.publicKey))
  }

  /** Whether a server of this mesh has signed a ticket for this user and key, with the secret or the one before. */
  hasSigned(user: string, key: string, ticket: ClaimTicket): boolean {
    const meshKeys = [this.#key, this.#previousKey].flatMap(one => one?.publicKey ?? [])
    return meshKeys.some(
      meshKey =>
        meshKey !== PUBLIC_MESH_KEY && isSignature(claimTicketText(user, key, ticket, meshKey), meshKey, ticket.proof),
    )
  }
}
