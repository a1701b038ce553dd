import { isLoopbackHost } from '../../src/common/loopback.ts'
import { ConfigError } from '../../src/programs/config.ts'
import type { AuthMode } from '../../src/protocol/proofs/credentials.ts'
import { isWildcard } from './secret.ts'

/** How a server can be reached, and how it authenticates peers and users. */
export interface Exposure {
  host: string
  /** Whether the address that is advertised to other servers is specific to this server. */
  hasAddress: boolean
  secret: string
  /** Undefined where it is not set. */
  auth: AuthMode | undefined
  hasTokenKey: boolean
  /** URLs of the NATS servers that carry the links. */
  backbone: readonly string[]
  /** Accept any peer and any user name without proof. */
  insecure: boolean
}

/** How to fix each problem, as the end of its error: config and library name their options differently. */
export interface FixHints {
  address: string
  secret: string
  auth: string
  tokenKey: string
}

/**
 * Returns how users prove their names. The default is `open` on loopback; elsewhere `auth` must be set.
 * @throws ConfigError if other machines could join as a peer or use any name, and `insecure` does not allow it
 */
export function checkExposure(exposure: Exposure, hints: FixHints): AuthMode {
  const { host, hasAddress, secret, auth, hasTokenKey, backbone, insecure } = exposure
  if (isWildcard(host) && !hasAddress) {
    throw new ConfigError(
      `${host} means all addresses of this machine; set the URL at which others reach it${hints.address}`,
    )
  }
  if (secret === '' && !isLoopbackHost(host) && !insecure) {
    throw new ConfigError(`${host} is reachable from other machines, but the mesh has no secret; ${hints.secret}`)
  }
  const remoteBackbone = backbone.map(url => new URL(url)).find(({ hostname }) => !isLoopbackHost(hostname))
  if (secret === '' && remoteBackbone !== undefined && !insecure) {
    throw new ConfigError(
      `the backbone ${remoteBackbone.host} is reachable from other machines, but the mesh has no secret; ${hints.secret}`,
    )
  }
  if (auth === 'token' && !hasTokenKey) {
    throw new ConfigError(`auth: token needs a key to verify tokens; ${hints.tokenKey}`)
  }
  if (auth !== undefined || isLoopbackHost(host) || insecure) return auth ?? 'open'
  const choices = 'key (each user has a key pair), token (you sign a token for each user) or open (no proof)'
  throw new ConfigError(
    `${host} is reachable from other machines, but auth is not set; set ${hints.auth} to ${choices}`,
  )
}

/** The hints for a server that is started from a config. */
export function configFixHints(file: string, port: number): FixHints {
  return {
    address: ` with --advertise http://HOST:${port}`,
    secret: `set MESH_CHAT_SECRET or secretFile in ${file}, or give --insecure`,
    auth: `auth in ${file} or --auth`,
    tokenKey: `set tokenKeyFile in ${file}`,
  }
}

/** Log warnings about what unauthenticated peers and users can do. */
export function exposureWarnings(host: string, secret: string, auth: AuthMode): string[] {
  const warnings: string[] = []
  if (secret === '') {
    const open = isLoopbackHost(host) ? 'any program on this machine' : 'anyone who can reach this server'
    warnings.push(`No secret is set: ${open} can join the mesh as a server.`)
  }
  if (auth === 'open' && !isLoopbackHost(host)) {
    warnings.push('User names are not verified: anyone who can reach this server can use any name.')
  }
  return warnings
}
