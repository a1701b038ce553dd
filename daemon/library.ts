import { createSecureContext } from 'node:tls'
import * as z from 'zod'
import { backboneUrlSchema, ConfigError, serverNameSchema } from '../src/programs/config.ts'
import { type ConfiguredRoom, roomsSchema } from '../src/programs/configured-rooms.ts'
import { hostSchema } from '../src/programs/host.ts'
import { DEFAULT_LIMITS, type Limits } from '../src/protocol/limits.ts'
import { serverAddressSchema, serverIdSchema, urlSchema } from '../src/protocol/messages.ts'
import { AUTH_MODES } from '../src/protocol/proofs/credentials.ts'
import { parseTokenKey } from './auth/tokens.ts'
import { explainListenError } from './explain-listen-error.ts'
import { createCallbackLog, SILENT_LOG } from './log/log.ts'
import { startServer } from './runtime.ts'
import { checkExposure, exposureWarnings } from './settings/exposure.ts'
import { checkRotation, checkSecretLength, isWildcard } from './settings/secret.ts'
import { checkAdvertised } from './settings/settings.ts'

/** A line of a server's log. */
export interface LogLine {
  level: 'debug' | 'info' | 'warn' | 'error'
  message: string
}

/** How to start a server; see {@link createServer}. */
export interface CreateServerOptions {
  /** The id of the server in its mesh: 1 to 64 letters, digits or any of `. _ - /`. */
  id: string
  /** The address to listen on; default: `127.0.0.1`, reachable from this machine only. */
  host?: string
  /** The port to listen on; default: 0, any free port. */
  port?: number
  /** The URL at which others reach the server, if it is not `host` and `port`. */
  advertise?: string
  /** The other servers of the mesh, by id and URL. */
  peers?: readonly { id: string; url: string }[]
  /** URLs of servers to join; the other servers are discovered through them. */
  join?: readonly string[]
  /** URLs of NATS servers that carry the links, instead of direct links between servers: `nats://host:port`. */
  backbone?: readonly string[]
  /** The shared secret of the mesh's servers, at least 16 characters. Required unless `host` is loopback. */
  secret?: string
  /** While the secret is rotated: the previous one; '' if there was none, which counts as no secret until it is removed. */
  previousSecret?: string
  /** Origins at which clients reach the server through a proxy or balancer, such as `https://chat.example.com`. */
  names?: readonly string[]
  /** Origins of pages in a browser that may connect, such as `https://example.com`; default: the server's own only. */
  origins?: readonly string[]
  /** Certificate and key as PEM; encrypts clients and links. `ca` signs the peers' certificates; default: Node's CAs. */
  tls?: { cert: string; key: string; ca?: string }
  /** How users prove their names, the same on all servers. Required unless `host` is loopback; default: `open`. */
  auth?: 'open' | 'token' | 'key'
  /** With `auth: 'token'`, the key to verify tokens: a secret of at least 32 characters, or an Ed25519 key as PEM. */
  tokenKey?: string
  /** The `aud` and `iss` that every token must have; default: none required. */
  tokenAudience?: string
  tokenIssuer?: string
  /** Limits that differ from the defaults; 0 turns a limit off. */
  limits?: Partial<Limits>
  /** Rooms with a topic, members or other settings, the same on all servers; users can open others. */
  rooms?: readonly ConfiguredRoom[]
  /** Allow a reachable `host` without `secret` and `auth`: anyone can join as a server and use any name. */
  insecure?: boolean
  /** Receives each log line; default: `false`, no log. */
  log?: false | ((line: LogLine) => void)
}

/** A running server in this program. */
export interface ChatServer {
  readonly id: string
  /** The URL for clients. */
  readonly url: string
  /** The users online in the whole mesh, sorted. */
  roster(): readonly string[]
  /**
   * Drains the server: asks clients to reconnect elsewhere and informs peers. Resolves when the port is free, within a
   * few seconds. Further calls wait for the same shutdown.
   */
  close(): Promise<void>
  /**
   * Resolves when the server has stopped: with `undefined` after `close`, or with the error that stopped it (another
   * server of the mesh has the same id).
   */
  readonly ended: Promise<Error | undefined>
}

const limitsSchema = z.partialRecord(z.enum(Object.keys(DEFAULT_LIMITS) as (keyof Limits)[]), z.number().min(0))
/** Validates the options at run time, for callers in plain JavaScript. */
const optionsSchema = z.strictObject({
  id: serverIdSchema,
  host: hostSchema.default('127.0.0.1'),
  port: z.int().min(0).max(65_535).default(0),
  advertise: urlSchema.optional(),
  peers: z.array(serverAddressSchema).default([]),
  join: z.array(urlSchema).default([]),
  backbone: z.array(backboneUrlSchema).default([]),
  secret: z.string().default(''),
  previousSecret: z.string().optional(),
  names: z.array(serverNameSchema).max(100).default([]),
  origins: z.array(serverNameSchema).max(100).default([]),
  tls: z.object({ cert: z.string(), key: z.string(), ca: z.string().optional() }).optional(),
  auth: z.enum(AUTH_MODES).optional(),
  tokenKey: z.string().optional(),
  tokenAudience: z.string().min(1).optional(),
  tokenIssuer: z.string().min(1).optional(),
  limits: limitsSchema.default({}),
  rooms: roomsSchema.optional(),
  insecure: z.boolean().default(false),
  log: z.union([z.literal(false), z.custom<(line: LogLine) => void>(log => typeof log === 'function')]).default(false),
})

/** Error hints in terms of the library's options. */
const FIX_HINTS = {
  address: ' with advertise',
  secret: 'set secret, or insecure: true',
  auth: 'auth',
  tokenKey: 'set tokenKey',
}

/**
 * Starts a server of the mesh in this program. It installs no signal handlers and never exits the process.
 *
 * The safety rules of `mesh-chatd` apply: a server that is reachable from other machines needs `secret` and `auth`,
 * unless `insecure` is set.
 *
 * @example
 * ```ts
 * const server = await createServer({ id: 'server-1', port: 3001 })
 * console.log(`${server.id} accepts clients at ${server.url}`)
 * ```
 * @returns the server, once it listens
 * @throws Error (rejects) if an option is invalid or the port is in use
 */
export async function createServer(options: CreateServerOptions): Promise<ChatServer> {
  const { id, host, port, advertise, names, peers, join, secret, previousSecret, tls, tokenKey, ...given } =
    parseOptions(options)
  const { limits, backbone, insecure } = given
  if (secret !== '') checkSecretLength(secret, 'secret')
  if (previousSecret) checkSecretLength(previousSecret, 'previousSecret')
  checkRotation(secret, previousSecret)
  checkAdvertised(advertise, tls !== undefined)
  const hasAddress = !isWildcard(host) || advertise !== undefined
  const hasTokenKey = tokenKey !== undefined
  // Any server without a secret can join until the rotation is over.
  const exposed = { host, secret: previousSecret === '' ? '' : secret }
  const auth = checkExposure({ ...exposed, hasAddress, auth: given.auth, hasTokenKey, backbone, insecure }, FIX_HINTS)
  const material = tls && { cert: tls.cert, key: tls.key, ...(tls.ca === undefined ? {} : { ca: tls.ca }) }
  if (material !== undefined) createSecureContext(material)
  const onLine = given.log
  const log =
    onLine === false
      ? SILENT_LOG
      : createCallbackLog({ level: 'info', text: false }, (level, message) => onLine({ level, message }))
  for (const warning of exposureWarnings(host, secret, auth)) log.write('warn', warning)
  let resolveEnded: (reason: Error | undefined) => void = () => {}
  const ended = new Promise<Error | undefined>(resolve => {
    resolveEnded = resolve
  })
  const running = await startServer({
    id,
    host,
    publicHost: host,
    port,
    advertise,
    // Callers may pass the list of all servers, this one included.
    peers: peers.filter(peer => peer.id !== id),
    seeds: join,
    backbone,
    limits: { ...DEFAULT_LIMITS, ...(limits as Partial<Limits>) },
    rooms: given.rooms ?? [],
    secret,
    previousSecret,
    names,
    origins: given.origins,
    auth,
    tokenKey:
      auth === 'token' && tokenKey !== undefined
        ? parseTokenKey(tokenKey.trim(), 'tokenKey', { audience: given.tokenAudience, issuer: given.tokenIssuer })
        : undefined,
    tls: material,
    log,
    narrateMessages: false,
    exit: (code, reason) => resolveEnded(code === 0 ? undefined : new Error(reason)),
  }).catch(error => {
    throw explainListenError(error, { host, port }, { host: 'host', port: 'port', linkPort: 'port' })
  })
  return {
    id,
    url: running.url,
    roster: running.roster,
    ended,
    close: async () => {
      running.drain()
      await ended
    },
  }
}

function parseOptions(options: unknown): z.infer<typeof optionsSchema> {
  const parsed = optionsSchema.safeParse(options)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new ConfigError(`createServer: ${issue?.path.join('.') || 'the options'}: ${issue?.message}`)
}
