import { MeshProver } from '../../daemon/auth/mesh-prover.ts'
import { OwnOrigins } from '../../daemon/auth/own-origins.ts'
import type { CoreQueries } from '../../daemon/clients/identification.ts'
import type { AuthMode } from '../../src/protocol/proofs/credentials.ts'

/** The mesh prover of a server without a secret, which signs any origin. */
export function publicMeshProver(server: string, auth: AuthMode): MeshProver {
  const origins = new OwnOrigins({ host: '127.0.0.1', port: 1, scheme: 'http', urls: [], names: [] })
  return new MeshProver({ secret: '', previousSecret: undefined, server, incarnation: 'i', auth, origins })
}

/** A core without users. */
export const UNKNOWING_CORE: CoreQueries = { isIdentified: () => false, isClaimKnown: () => false }
