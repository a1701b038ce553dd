/** `config.json`: the servers of the mesh and their settings. Both programs read it. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import * as z from 'zod'
import { AUTH_MODES, type AuthMode } from '../protocol/credentials.ts'
import { DEFAULT_LIMITS, type Limits } from '../protocol/limits.ts'
import { parseServerOrigin } from '../protocol/mesh-identity.ts'
import type { ServerAddress } from '../protocol/messages.ts'
import { parseServerId } from '../protocol/names.ts'
import { packageFile } from './package.ts'

/** An invalid or unreadable config; the message names the file, the field and the fix. */
export class ConfigError extends Error {}

const limitSchema = z.number().min(0)
/** An origin by which a server is known to clients. */
export const serverNameSchema = z
  .string()
  .max(300)
  .refine(
    text => parseServerOrigin(text) !== undefined,
    'must be an origin such as https://chat.example.com or http://10.0.0.1:3001',
  )
  .transform(text => parseServerOrigin(text) ?? text)
const originsSchema = z.array(serverNameSchema).max(100).optional()
const serverSchema = z.object({
  id: z.string().refine(id => parseServerId(id).ok, 'must be 1 to 64 letters, digits or any of . _ - /'),
  ip: z.string().min(1),
  port: z.int().min(1).max(65_535),
  /** Origins at which clients reach this server, besides its address. */
  names: originsSchema,
})
/** The URL of a NATS server. */
export const backboneUrlSchema = z
  .url({ protocol: /^(nats|tls)$/, error: 'must be nats://HOST:PORT or tls://HOST:PORT' })
  .max(300)

const configSchema = z.object({
  servers: z.array(serverSchema).min(1),
  /** File with the secret that all servers of the mesh share. */
  secretFile: z.string().min(1).optional(),
  /** While the secret is rotated: file with the previous one. */
  previousSecretFile: z.string().min(1).optional(),
  /** Origins at which clients reach the servers through a proxy or balancer. */
  names: originsSchema,
  /** Origins of pages in a browser that may connect, besides the servers' own. */
  origins: originsSchema,
  /** How users prove their names. */
  auth: z.enum(AUTH_MODES).optional(),
  /** With `auth: token`: file with the key that verifies tokens. */
  tokenKeyFile: z.string().min(1).optional(),
  /** PEM files with certificate, key and CA; encrypts clients and links. */
  tls: z.object({ cert: z.string().min(1), key: z.string().min(1), ca: z.string().min(1).optional() }).optional(),
  /** NATS servers that carry the links, instead of a connection between each pair of servers. */
  backbone: z.preprocess(one => (typeof one === 'string' ? [one] : one), z.array(backboneUrlSchema).min(1).optional()),
  limits: z.partialRecord(z.enum(Object.keys(DEFAULT_LIMITS) as (keyof Limits)[]), limitSchema).optional(),
})

export type ConfiguredServer = z.infer<typeof serverSchema>

export interface TlsFiles {
  cert: string
  key: string
  ca?: string | undefined
}

export interface Config {
  file: string
  servers: ConfiguredServer[]
  limits: Limits
  /** Absolute paths; relative ones in the file start at the file's folder. */
  secretFile: string | undefined
  previousSecretFile: string | undefined
  /** Origins at which clients reach all servers. */
  names: readonly string[]
  /** Origins of other pages that may connect. */
  origins: readonly string[]
  /** Undefined if the file does not set it. */
  auth: AuthMode | undefined
  tokenKeyFile: string | undefined
  tls: TlsFiles | undefined
  backbone: string[] | undefined
}

/**
 * Reads `explicitFile` if given, else `config.json` in the working folder, else the config that the package ships.
 * @throws ConfigError
 */
export function readConfig(explicitFile: string | undefined): Config {
  return readFirst(
    explicitFile === undefined ? [resolve('config.json'), packageFile('config.json')] : [explicitFile],
    explicitFile,
  )
}

/** The config in the working folder; undefined if it is missing or invalid. */
export function readLocalConfig(): Config | undefined {
  try {
    return readFirst([resolve('config.json')], undefined)
  } catch {
    return undefined
  }
}

function readFirst(candidates: readonly string[], explicitFile: string | undefined): Config {
  for (const file of candidates) {
    if (file !== explicitFile && !existsSync(file)) continue
    let text: string
    try {
      text = readFileSync(file, 'utf8')
    } catch (error) {
      throw new ConfigError(`cannot read ${file}: ${(error as Error).message}; choose another with --config FILE`)
    }
    return withAbsolutePaths(parseConfig(file, text))
  }
  throw new ConfigError(`found no config (looked for ${candidates.join(' and ')}); choose one with --config FILE`)
}

function withAbsolutePaths(config: Config): Config {
  const folder = dirname(resolve(config.file))
  const toAbsolute = (file: string) => resolve(folder, file)
  const { secretFile, previousSecretFile, tokenKeyFile, tls } = config
  return {
    ...config,
    secretFile: secretFile === undefined ? undefined : toAbsolute(secretFile),
    previousSecretFile: previousSecretFile === undefined ? undefined : toAbsolute(previousSecretFile),
    tokenKeyFile: tokenKeyFile === undefined ? undefined : toAbsolute(tokenKeyFile),
    tls: tls && {
      cert: toAbsolute(tls.cert),
      key: toAbsolute(tls.key),
      ca: tls.ca === undefined ? undefined : toAbsolute(tls.ca),
    },
  }
}

function parseConfig(file: string, text: string): Config {
  let raw: unknown
  try {
    raw = JSON.parse(text)
  } catch (error) {
    throw new ConfigError(`${file} is not JSON: ${(error as Error).message}; fix the syntax`)
  }
  const parsed = configSchema.safeParse(raw)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw new ConfigError(`${file}: ${issue?.path.join('.') || 'the file'}: ${issue?.message}; correct this field`)
  }
  const {
    servers,
    limits,
    secretFile,
    previousSecretFile,
    names = [],
    origins = [],
    auth,
    tokenKeyFile,
    tls,
    backbone,
  } = parsed.data
  const ids = servers.map(server => server.id)
  const duplicate = ids.find((id, at) => ids.indexOf(id) !== at)
  if (duplicate !== undefined)
    throw new ConfigError(`${file}: servers: id ${duplicate} is used twice; give each server its own id`)
  return {
    file,
    servers,
    limits: { ...DEFAULT_LIMITS, ...(limits as Partial<Limits>) },
    secretFile,
    previousSecretFile,
    names,
    origins,
    auth,
    tokenKeyFile,
    tls,
    backbone,
  }
}

/** A server's id and URL. An IPv6 address is put in brackets (RFC 3986). */
export function toServerAddress({ id, ip, port }: ConfiguredServer, secure = false): ServerAddress {
  return { id, url: `${secure ? 'https' : 'http'}://${ip.includes(':') ? `[${ip}]` : ip}:${port}` }
}
