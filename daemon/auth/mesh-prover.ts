import { type ClaimTicket, claimTicketText } from '../../src/protocol/claim-ticket.ts'
import type { AuthMode, Claim } from '../../src/protocol/credentials.ts'
import { type MeshIdentity, PUBLIC_MESH_KEY, serverProofText } from '../../src/protocol/mesh-identity.ts'
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

/** Proves to clients that this server belongs to its mesh, and that they dialled one of its origins. */
export class MeshProver {
  readonly #options: MeshProverOptions
  readonly #key: SigningKey
  readonly #previousKey: SigningKey | undefined

  constructor(options: MeshProverOptions) {
    this.#options = options
    this.#key = deriveMeshKey(options.secret)
    this.#previousKey = options.previousSecret === undefined ? undefined : deriveMeshKey(options.previousSecret)
  }

  /** The mesh key. */
  get publicKey(): string {
    return this.#key.publicKey
  }

  /** Whether the server may sign an origin. The key of a mesh without a secret proves nothing, so it signs any. */
  isOwnOrigin(origin: string): boolean {
    return this.publicKey === PUBLIC_MESH_KEY || this.#options.origins.has(origin)
  }

  /** Signs a client's nonce and the origin that it dialled: the CPU time of one signature, some 30 µs. */
  prove(nonce: string, origin: string): MeshIdentity {
    const { server, incarnation, auth } = this.#options
    const proven = { nonce, origin, auth, server, incarnation }
    const proveWith = (key: SigningKey) => ({
      key: key.publicKey,
      proof: key.sign(serverProofText(proven, key.publicKey)),
    })
    const previous = this.#previousKey
    const identity = { ...proveWith(this.#key), server, incarnation, auth }
    return previous === undefined ? identity : { ...identity, previous: proveWith(previous) }
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

  /** Whether a server of this mesh has signed a ticket for this user and key, with the secret or the one before. */
  hasSigned(user: string, key: string, ticket: ClaimTicket): boolean {
    const meshKeys = [this.#key, this.#previousKey].flatMap(one => one?.publicKey ?? [])
    return meshKeys.some(
      meshKey =>
        meshKey !== PUBLIC_MESH_KEY && isSignature(claimTicketText(user, key, ticket, meshKey), meshKey, ticket.proof),
    )
  }
}
