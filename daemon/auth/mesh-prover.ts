import type { AuthMode } from '../../src/protocol/credentials.ts'
import { type MeshIdentity, PUBLIC_MESH_KEY, serverProofText } from '../../src/protocol/mesh-identity.ts'
import { deriveMeshKey, type SigningKey } from './mesh-key.ts'
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
}
