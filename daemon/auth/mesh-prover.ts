import { signBatch } from '../../src/programs/signed-batch.ts'
import type { Message } from '../../src/protocol/messages.ts'
import { type ClaimTicket, claimTicketText } from '../../src/protocol/proofs/claim-ticket.ts'
import type { AuthMode, Claim } from '../../src/protocol/proofs/credentials.ts'
import {
  MAX_BATCH_SIZE,
  type MeshIdentity,
  NO_TLS,
  NONCE_PREFIX,
  type ProofBinding,
  PUBLIC_MESH_KEY,
  type ServerProof,
  serverProofText,
  successorText,
  TLS_AT_PROXY,
} from '../../src/protocol/proofs/mesh-identity.ts'
import { roomMessageText } from '../../src/protocol/proofs/room-proof.ts'
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
  /** Whether the client accepts a proof that is signed together with others. */
  readonly isBatched: boolean
  /** Once it is made: the proof. */
  identity: MeshIdentity | undefined
}

/** Proves to clients that this server belongs to its mesh, and that they dialled one of its origins. */
export class MeshProver {
  readonly #options: MeshProverOptions
  readonly #key: SigningKey
  readonly #previousKey: SigningKey | undefined
  /** Proofs to sign together. */
  readonly #waiting = new Set<RequestedProof>()

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

  /**
   * Prepares the proof that a client asks for. A signature costs more CPU time than any other part of an answer: a connection
   * gets one, and those that are prepared before the first of them is needed share it.
   * @returns a function that returns the proof, and signs it if necessary
   */
  prepare(request: RequestedProof): () => MeshIdentity {
    // While the secret is rotated there would be two batches.
    if (request.identity === undefined && request.isBatched && this.#previousKey === undefined) {
      if (this.#waiting.size === MAX_BATCH_SIZE) this.#signWaiting()
      this.#waiting.add(request)
    }
    return () => {
      if (request.identity === undefined && this.#waiting.has(request)) this.#signWaiting()
      request.identity ??= this.#prove(request)
      return request.identity
    }
  }

  /** Signs all proofs that wait; one alone is signed without a batch. */
  #signWaiting(): void {
    const requests = [...this.#waiting]
    this.#waiting.clear()
    if (requests.length < 2) return
    const texts = requests.map(request => serverProofText(this.#proofOf(request), this.publicKey))
    const { signature, paths } = signBatch(texts, text => this.#key.sign(text))
    for (const [at, request] of requests.entries())
      request.identity = { ...this.#identity(signature), batch: paths[at] }
  }

  /** Signs one proof. */
  #prove(request: RequestedProof): MeshIdentity {
    const proof = this.#proofOf(request)
    const key = this.publicKey
    const identity = this.#identity(this.#key.sign(serverProofText(proof, key)))
    const previous = this.#previousKey
    if (previous === undefined) return identity
    const successorProof = previous.sign(successorText(proof, previous.publicKey, key))
    return { ...identity, previous: { key: previous.publicKey, proof: successorProof } }
  }

  #proofOf({ nonce, origin, channel }: RequestedProof): ServerProof {
    const { server, incarnation, auth } = this.#options
    return { nonce, origin, auth, server, incarnation, channel }
  }

  #identity(proof: string): MeshIdentity {
    const { server, incarnation, auth } = this.#options
    return { key: this.publicKey, proof, server, incarnation, auth }
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
