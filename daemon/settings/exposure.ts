import { isLoopbackHost } from '../../src/common/loopback.ts'
import { ConfigError } from '../../src/programs/config.ts'
import type { AuthMode } from '../../src/protocol/credentials.ts'
import { isWildcard } from './secret.ts'

/** A server's doors, as its config, its command line or its program has them. */
export interface Exposure {
  host: string
  /** Whether others are told an address that is this server's own. */
  hasAddress: boolean
  secret: string
  /** Undefined: nothing was said. */
  auth: AuthMode | undefined
  hasTokenKey: boolean
  /** URLs of the NATS servers that carry its links. */
  backbone: readonly string[]
  /** Whether strangers may be peers, and anybody may be anybody. */
  insecure: boolean
}

/** How each fault is mended where these doors were described: a config, a command line, a program. */
export interface FixHints {
  address: string
  secret: string
  auth: string
  tokenKey: string
}

/**
 * How users prove their names to a server with these doors: as told; on loopback by their word.
 * @throws ConfigError where a stranger from elsewhere could be a peer, or anybody, and nobody said that this is meant
 */
export function checkExposure(exposure: Exposure, hints: FixHints): AuthMode {
  const { host, hasAddress, secret, auth, hasTokenKey, backbone, insecure } = exposure
  if (isWildcard(host) && !hasAddress) {
    throw new ConfigError(`${host} stands for all addresses of this machine: say how others reach it${hints.address}`)
  }
  if (secret === '' && !isLoopbackHost(host) && !insecure) {
    throw new ConfigError(`${host} can be reached from elsewhere, and the mesh has no secret: ${hints.secret}`)
  }
  const remoteBackbone = backbone.map(url => new URL(url)).find(({ hostname }) => !isLoopbackHost(hostname))
  if (secret === '' && remoteBackbone !== undefined && !insecure) {
    throw new ConfigError(
      `others can be at the backbone ${remoteBackbone.host}, and the mesh has no secret: ${hints.secret}`,
    )
  }
  if (auth === 'token' && !hasTokenKey) {
    throw new ConfigError(`auth: token needs the key that checks tokens: ${hints.tokenKey}`)
  }
  if (auth !== undefined || isLoopbackHost(host) || insecure) return auth ?? 'open'
  const choice = 'key (each user has one), token (you sign who they are) or open (anybody can be anybody)'
  throw new ConfigError(
    `${host} can be reached from elsewhere: say how users prove their names${hints.auth}: ${choice}`,
  )
}

/** How the faults of a server of this config are mended. */
export function configFixHints(file: string, port: number): FixHints {
  return {
    address: ` with --advertise http://host:${port}`,
    secret: `set MESH_CHAT_SECRET, or secretFile in ${file}; or give --insecure`,
    auth: ` with auth in ${file}, or --auth`,
    tokenKey: `set tokenKeyFile in ${file}`,
  }
}

/** What strangers may do there, for the log. */
export function exposureWarnings(host: string, secret: string, auth: AuthMode): string[] {
  const warnings: string[] = []
  if (secret === '') {
    const open = isLoopbackHost(host) ? 'any program of this machine' : 'anybody who reaches this server'
    warnings.push(`No secret is set: ${open} can be a peer.`)
  }
  if (auth === 'open' && !isLoopbackHost(host)) {
    warnings.push('Names are taken on trust: whoever reaches this server can be anybody.')
  }
  return warnings
}
