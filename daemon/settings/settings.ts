import { availableParallelism } from 'node:os'
import {
  type Config,
  ConfigError,
  type ConfiguredServer,
  readConfig,
  serverNameSchema,
  toServerAddress,
} from '../../src/programs/config.ts'
import { hostSchema } from '../../src/programs/host.ts'
import { DEFAULT_LIMITS } from '../../src/protocol/limits.ts'
import { type ServerAddress, urlSchema } from '../../src/protocol/messages.ts'
import { parseServerId } from '../../src/protocol/names.ts'
import type { AuthMode } from '../../src/protocol/proofs/credentials.ts'
import { readTokenKey, type TokenClaims, type TokenKey } from '../auth/tokens.ts'
import type { LogOptions } from '../log/log.ts'
import { checkBackboneUrls, checkConfigPrivacy, withoutCredentials } from './backbone.ts'
import { checkExposure, configFixHints } from './exposure.ts'
import { checkRotation, isWildcard, readPreviousSecret, readSecret } from './secret.ts'
import { readTls, type TlsMaterial } from './tls.ts'

/** More than any machine has CPUs. */
const MAX_WORKERS = 512

/** The command-line options of a server, unparsed. */
export interface ServeArguments {
  id?: string
  config?: string
  host?: string
  port?: string
  logFormat?: LogOptions['format']
  logLevel?: LogOptions['level']
  logText?: boolean
  insecure?: boolean
  auth?: AuthMode
  join?: string[]
  advertise?: string
  name?: string[]
  origin?: string[]
  workers?: string
  linkPort?: string
  backbone?: string[]
  adminPort?: string
  adminHost?: string
  exitWithStdin?: boolean
}

/** The validated settings of one server, from the command line and the config. */
export interface Settings {
  id: string
  config: Config
  /** This server's entry in the config; without a config, made from the options. */
  self: ConfiguredServer
  host: string
  port: number
  /** 0: any free port. */
  linkPort: number
  backbone: readonly string[]
  secret: string
  previousSecret: string | undefined
  /** Origins by which the server is known to clients, besides its own address. */
  names: readonly string[]
  /** Origins of other pages that may connect. */
  origins: readonly string[]
  auth: AuthMode
  tokenKey: TokenKey | undefined
  tls: TlsMaterial | undefined
}

/** Stands in for the config of a server that joins a mesh by a URL or a backbone only. */
export const NO_CONFIG: Config = {
  file: 'the command line',
  servers: [],
  limits: DEFAULT_LIMITS,
  secretFile: undefined,
  previousSecretFile: undefined,
  names: [],
  origins: [],
  auth: undefined,
  tokenKeyFile: undefined,
  tokenAudience: undefined,
  tokenIssuer: undefined,
  tls: undefined,
  backbone: undefined,
  rooms: [],
}

/** @throws ConfigError that names the option or field and how to fix it */
export function resolveSettings(args: ServeArguments): Settings {
  const { id } = args
  if (id === undefined) throw new ConfigError('the server id is missing; set it with --id ID')
  checkUrls(args)
  const config = loadConfig(args)
  checkConfigPrivacy(config)
  const backbone = args.backbone ?? config.backbone ?? []
  if (backbone.length > 0 && args.join !== undefined) {
    throw new ConfigError('servers on a backbone find each other without --join; give --backbone or --join, not both')
  }
  const self = findSelf(config, id, args)
  const host = args.host === undefined ? self.ip : parseHostOption('--host', args.host)
  const port = parsePort('--port', args.port ?? `${self.port}`)
  const secret = readSecret(config.secretFile)
  const previousSecret = readPreviousSecret(config.previousSecretFile)
  checkRotation(secret, previousSecret)
  const exposure = {
    host,
    hasAddress: !isWildcard(self.ip) || args.advertise !== undefined,
    // Any server without a secret can join until the rotation is over.
    secret: previousSecret === '' ? '' : secret,
    auth: args.auth ?? config.auth,
    hasTokenKey: config.tokenKeyFile !== undefined,
    backbone,
    insecure: args.insecure === true,
  }
  const auth = checkExposure(exposure, configFixHints(config.file, port))
  const tokenKey = auth === 'token' ? readTokenKey(config.tokenKeyFile ?? '', tokenClaims(config)) : undefined
  const tls = config.tls && readTls(config.tls)
  const linkPort = parsePort('--link-port', args.linkPort ?? '0')
  checkAdvertised(args.advertise, tls !== undefined)
  const names = [...config.names, ...(self.names ?? []), ...parseOrigins('--name', args.name)]
  const origins = [...config.origins, ...parseOrigins('--origin', args.origin)]
  const credentials = { secret, previousSecret, auth, tokenKey, tls }
  return { id, config, self, host, port, linkPort, backbone, names, origins, ...credentials }
}

/** The claims that the config requires of tokens. */
export function tokenClaims({ tokenAudience, tokenIssuer }: Config): TokenClaims {
  return { audience: tokenAudience, issuer: tokenIssuer }
}

/** Reads the config. `--join`, or `--backbone` with `--port`, replaces it unless `--config` is given. */
export function loadConfig(args: ServeArguments): Config {
  const needsNoConfig = args.join !== undefined || (args.backbone !== undefined && args.port !== undefined)
  return needsNoConfig && args.config === undefined ? NO_CONFIG : readConfig(args.config)
}

/**
 * Returns this server's entry: from the config, else from the options where it joins others.
 * @throws ConfigError
 */
export function findSelf(config: Config, id: string, args: ServeArguments): ConfiguredServer {
  const self = config.servers.find(server => server.id === id)
  if (self !== undefined) return self
  if (args.join === undefined && args.backbone === undefined) {
    throw unknownServer(config, id)
  }
  const checked = parseServerId(id)
  if (!checked.ok) throw new ConfigError(`--id: ${checked.reason}`)
  if (args.port === undefined) throw new ConfigError(`the port of ${id} is missing; set it with --port PORT`)
  const ip = args.host === undefined ? '127.0.0.1' : parseHostOption('--host', args.host)
  return { id, ip, port: Number(args.port) }
}

/** The error for an id that is not in the config. */
export function unknownServer({ file, servers }: Config, id: string): ConfigError {
  const ids = servers.map(server => server.id).join(', ')
  return new ConfigError(`${file} has no server ${JSON.stringify(id)}; choose one of: ${ids}`)
}

/** The servers of the config except `id`. */
export function peersOf(config: Config, id: string): ServerAddress[] {
  return config.servers.filter(one => one.id !== id).map(one => toServerAddress(one, config.tls !== undefined))
}

/**
 * Returns an address in its canonical form.
 * @throws ConfigError
 */
export function parseHostOption(option: string, given: string): string {
  const parsed = hostSchema.safeParse(given)
  if (parsed.success) return parsed.data
  throw new ConfigError(`${option} ${given} is not an address; give an IP address or a host name, without a port`)
}

/** @throws ConfigError */
export function parsePort(option: string, given: string): number {
  const port = Number(given)
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port
  throw new ConfigError(`${option} ${given} is not a port; give a number from 0 to 65535`)
}

/**
 * Parses `--workers`; `auto` means one for each CPU.
 * @throws ConfigError
 */
export function parseWorkerCount(given: string): number {
  const count = given === 'auto' ? availableParallelism() : Number(given)
  if (Number.isInteger(count) && count >= 1 && count <= MAX_WORKERS) return count
  throw new ConfigError(`--workers ${given} is not valid; give a number from 1 to ${MAX_WORKERS}, or auto`)
}

/** @throws ConfigError */
function parseOrigins(option: string, origins: readonly string[] = []): string[] {
  return origins.map(given => {
    const parsed = serverNameSchema.safeParse(given)
    if (parsed.success) return parsed.data
    throw new ConfigError(`${option} ${given} is not an origin; give one such as https://chat.example.com`)
  })
}

/** @throws ConfigError if a server with TLS would announce an address without encryption */
export function checkAdvertised(advertise: string | undefined, isEncrypted: boolean): void {
  if (!isEncrypted || advertise === undefined || advertise.startsWith('https:')) return
  throw new ConfigError(`this server uses TLS, but ${advertise} is not encrypted; advertise an https URL`)
}

function checkUrls({ join = [], advertise, backbone = [] }: ServeArguments): void {
  for (const url of [...join, ...(advertise === undefined ? [] : [advertise])]) {
    if (urlSchema.safeParse(url).success) continue
    throw new ConfigError(`${withoutCredentials(url)} is not a server URL; give http://HOST:PORT or https://HOST:PORT`)
  }
  checkBackboneUrls(backbone, '--backbone')
}
