/** `config.json`: the servers of the mesh and their settings. Both programs read it. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import * as z from 'zod'
import { DEFAULT_LIMITS, type Limits } from '../protocol/limits.ts'
import type { ServerAddress } from '../protocol/messages.ts'
import { parseServerId } from '../protocol/names.ts'
import { AUTH_MODES, type AuthMode } from '../protocol/proofs/credentials.ts'
import { parseServerOrigin } from '../protocol/proofs/mesh-identity.ts'
import type { RoomSettings } from '../protocol/rooms.ts'
import { readErrorReason } from './command-line/fail.ts'
import { didYouMean } from './command-line/suggestion.ts'
import { ROOM_FIELDS, roomsSchema } from './configured-rooms.ts'
import { hostSchema } from './host.ts'
import { parseJson } from './json-text.ts'
import { packageFile } from './package.ts'

/** An invalid or unreadable config; the message names the file, the field and the fix. */
export class ConfigError extends Error {}

/** An origin by which a server is known to clients. */
export const serverNameSchema = z
  .string()
  .max(300)
  .refine(
    text => parseServerOrigin(text) !== undefined,
    'must be an origin such as https://chat.example.com or http://10.0.0.1:3001',
  )
  .refine(text => !text.includes('*'), 'must be an origin without wildcards; list each origin')
  .transform(text => parseServerOrigin(text) ?? text)
const originsSchema = z.array(serverNameSchema, 'must be a list of origins').max(100).optional()
const OBJECT = 'must be a JSON object'
const SERVER_ID = 'must be 1 to 64 letters, digits or any of . _ - /'
const PORT = 'must be a whole number from 1 to 65535'
const LIMIT = 'must be a number, 0 or more'

const fileSchema = z.string('must be a file name').min(1, 'must be a file name')
const serverSchema = z.strictObject(
  {
    id: z.string(SERVER_ID).refine(id => parseServerId(id).ok, SERVER_ID),
    ip: hostSchema,
    port: z.int(PORT).min(1, PORT).max(65_535, PORT),
    /** Origins at which clients reach this server, besides its address. */
    names: originsSchema,
  },
  OBJECT,
)
/** The URL of a NATS server. */
export const backboneUrlSchema = z
  .url({ protocol: /^(nats|tls)$/, error: 'must be nats://HOST:PORT or tls://HOST:PORT' })
  .max(300, 'must be at most 300 characters long')

const claimSchema = z.string('must be a text').min(1, 'must not be empty').max(200, 'must have at most 200 characters')
const limitSchema = z.number(LIMIT).min(0, LIMIT).optional()
const limitNames = Object.keys(DEFAULT_LIMITS) as (keyof Limits)[]
const limitsSchema = z.strictObject(
  Object.fromEntries(limitNames.map(name => [name, limitSchema])) as Record<keyof Limits, typeof limitSchema>,
  OBJECT,
)

/** The error of a field says what the field must be: `describeIssue` puts the field's name before it. */
const configSchema = z.strictObject(
  {
    servers: z.array(serverSchema, 'must be a list of servers').min(1, 'must list at least one server'),
    /** File with the secret that all servers of the mesh share. */
    secretFile: fileSchema.optional(),
    /** While the secret is rotated: file with the previous one. */
    previousSecretFile: fileSchema.optional(),
    /** Origins at which clients reach the servers through a proxy or balancer. */
    names: originsSchema,
    /** Origins of pages in a browser that may connect, besides the servers' own. */
    origins: originsSchema,
    /** How users prove their names. */
    auth: z.enum(AUTH_MODES, `must be one of ${AUTH_MODES.join(', ')}`).optional(),
    /** With `auth: token`: file with the key that verifies tokens. */
    tokenKeyFile: fileSchema.optional(),
    /** `aud` and `iss` that every token must have. */
    tokenAudience: claimSchema.optional(),
    tokenIssuer: claimSchema.optional(),
    /** PEM files with certificate, key and CA; encrypts clients and links. */
    tls: z.strictObject({ cert: fileSchema, key: fileSchema, ca: fileSchema.optional() }, OBJECT).optional(),
    /** NATS servers that carry the links, instead of a connection between each pair of servers. */
    backbone: z.preprocess(
      one => (typeof one === 'string' ? [one] : one),
      z
        .array(backboneUrlSchema, 'must be a NATS URL or a list of NATS URLs')
        .min(1, 'must list at least one NATS URL')
        .optional(),
    ),
    /** Rooms with settings; users can open others. */
    rooms: roomsSchema.optional(),
    limits: limitsSchema.optional(),
  },
  OBJECT,
)

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
  /** Undefined if tokens need none. */
  tokenAudience: string | undefined
  tokenIssuer: string | undefined
  tls: TlsFiles | undefined
  backbone: string[] | undefined
  rooms: readonly RoomSettings[]
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
      throw new ConfigError(`cannot read ${file}: ${readErrorReason(error)}; choose another with --config FILE`)
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
    raw = parseJson(text)
  } catch (error) {
    throw new ConfigError(`${file} is not JSON: ${(error as Error).message}; fix the syntax`)
  }
  const parsed = configSchema.safeParse(raw)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw new ConfigError(`${file}: ${issue === undefined ? 'it is invalid' : describeIssue(issue, raw)}`)
  }
  const { servers, limits, secretFile, previousSecretFile, names = [], origins = [], auth } = parsed.data
  const { tokenKeyFile, tokenAudience, tokenIssuer, tls, backbone, rooms = [] } = parsed.data
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
    tokenAudience,
    tokenIssuer,
    tls,
    backbone,
    rooms,
  }
}

/** An issue of the config as a sentence: the field, what is wrong, and the fix. */
function describeIssue(issue: z.core.$ZodIssue, config: unknown): string {
  const field = fieldName(issue.path)
  if (issue.code === 'unrecognized_keys') {
    const [key = ''] = issue.keys
    const name = fieldName([...issue.path, key])
    const isLimit = field === 'limits'
    const suggestion = didYouMean(key, knownKeys(field))
    const help = suggestion === '' ? `; remove it; the known names are ${knownKeys(field).join(', ')}` : suggestion
    return `${name} is not a ${isLimit ? 'limit' : 'field'}${help}`
  }
  if (field !== '' && valueAt(config, issue.path) === undefined) return `${field} is missing; add it`
  // Some messages have their own fix.
  const fix = issue.message.includes('; ') ? '' : `; correct ${field === '' ? 'the file' : 'this field'}`
  return `${field || 'the file'} ${issue.message}${fix}`
}

/** The names that an object of the config may have. @param field its field; empty: the config itself */
function knownKeys(field: string): string[] {
  if (field === 'limits') return limitNames
  if (field === 'tls') return ['cert', 'key', 'ca']
  if (field.startsWith('rooms[')) return ROOM_FIELDS
  return Object.keys(field === '' ? configSchema.shape : serverSchema.shape)
}

/** A path as in JavaScript: `servers[0].port`. */
function fieldName(path: readonly PropertyKey[]): string {
  return path.map((key, at) => (typeof key === 'number' ? `[${key}]` : `${at === 0 ? '' : '.'}${String(key)}`)).join('')
}

function valueAt(config: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key], config)
}

/** A server's id and URL. An IPv6 address is put in brackets (RFC 3986). */
export function toServerAddress({ id, ip, port }: ConfiguredServer, secure = false): ServerAddress {
  return { id, url: `${secure ? 'https' : 'http'}://${ip.includes(':') ? `[${ip}]` : ip}:${port}` }
}
