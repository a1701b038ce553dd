import { createSecureContext } from 'node:tls'
import * as z from 'zod'
import { backboneUrlSchema, ConfigError } from '../src/programs/config.ts'
import { AUTH_MODES } from '../src/protocol/credentials.ts'
import { DEFAULT_LIMITS, type Limits } from '../src/protocol/limits.ts'
import { serverAddressSchema, serverIdSchema, urlSchema } from '../src/protocol/messages.ts'
import { parseTokenKey } from './auth/tokens.ts'
import { createCallbackLog, SILENT_LOG } from './log/log.ts'
import { startServer } from './runtime.ts'
import { checkExposure, exposureWarnings } from './settings/exposure.ts'
import { checkSecretLength, isWildcard } from './settings/secret.ts'

/** A line of a server's log. */
export interface LogLine {
  level: 'debug' | 'info' | 'warn' | 'error'
  message: string
}

/** How to start a server; see {@link createServer}. */
export interface CreateServerOptions {
  /** What the server is called in its mesh: 1 to 64 letters, digits or any of `. _ - /`. */
  id: string
  /** The address to listen on; default: `127.0.0.1`, which only this machine reaches. */
  host?: string
  /** The port to listen on; default: 0, any that is free. */
  port?: number
  /** The URL at which others reach the server, where that is not `host` and `port`. */
  advertise?: string
  /** The other servers of the mesh, by id and URL. */
  peers?: readonly { id: string; url: string }[]
  /** URLs of servers to join, whoever they are; they tell of the others. */
  join?: readonly string[]
  /** URLs of NATS servers that carry the links, instead of a link from each server to each: `nats://host:port`. */
  backbone?: readonly string[]
  /** What all servers of the mesh know and nobody else: 16 characters or more. Needed where others reach `host`. */
  secret?: string
  /** Certificate and key as PEM: clients and links are encrypted. `ca` vouches for peers; default: whom Node trusts. */
  tls?: { cert: string; key: string; ca?: string }
  /** How users prove their names, the same on all servers. Has to be said where others reach `host`; else `open`. */
  auth?: 'open' | 'token' | 'key'
  /** With `auth: 'token'`, what checks tokens: a secret of 32 characters or more, or an Ed25519 key as PEM. */
  tokenKey?: string
  /** Bounds other than the default ones; 0 turns one off. */
  limits?: Partial<Limits>
  /** Whether strangers who reach `host` may be peers, and anybody may be anybody: no secret and no `auth` are needed. */
  insecure?: boolean
  /** Takes the lines of the log; default: `false`, none. */
  log?: false | ((line: LogLine) => void)
}

/** A server at work in this program. */
export interface ChatServer {
  readonly id: string
  /** Where clients reach it. */
  readonly url: string
  /** The names online in the whole mesh, sorted. */
  roster(): readonly string[]
  /**
   * Drains: clients are asked to move, peers are told goodbye. Resolves when the port is free, a few seconds later at
   * most; called again, it is the same end.
   */
  close(): Promise<void>
  /**
   * Resolves when the server has ended: with `undefined` after `close`, or with the reason why it had to end by itself
   * (another server of the mesh has its id).
   */
  readonly ended: Promise<Error | undefined>
}

const limitsSchema = z.partialRecord(z.enum(Object.keys(DEFAULT_LIMITS) as (keyof Limits)[]), z.number().min(0))
/** Programs are not all typed: what is wrong is said before anything listens. */
const optionsSchema = z.strictObject({
  id: serverIdSchema,
  host: z.string().min(1).default('127.0.0.1'),
  port: z.int().min(0).max(65_535).default(0),
  advertise: urlSchema.optional(),
  peers: z.array(serverAddressSchema).default([]),
  join: z.array(urlSchema).default([]),
  backbone: z.array(backboneUrlSchema).default([]),
  secret: z.string().default(''),
  tls: z.object({ cert: z.string(), key: z.string(), ca: z.string().optional() }).optional(),
  auth: z.enum(AUTH_MODES).optional(),
  tokenKey: z.string().optional(),
  limits: limitsSchema.default({}),
  insecure: z.boolean().default(false),
  log: z.union([z.literal(false), z.custom<(line: LogLine) => void>(log => typeof log === 'function')]).default(false),
})

/** How what is missing is said here. */
const FIX_HINTS = {
  address: ' with advertise',
  secret: 'give it one with secret; or say insecure: true',
  auth: ' with auth',
  tokenKey: 'give it with tokenKey',
}

/**
 * Starts a server of the mesh in this program. It takes no signals and never ends the process: that is the program's.
 *
 * What `mesh-chatd` refuses is refused here, too: a server that others reach has a secret and says how users prove their
 * names, unless `insecure` says that neither is meant.
 *
 * @example
 * ```ts
 * const server = await createServer({ id: 'server-1', port: 3001 })
 * console.log(`${server.id} takes clients at ${server.url}`)
 * ```
 * @returns the server, once it listens
 * @throws Error (rejects) for options that cannot be used, or a port that cannot be had
 */
export async function createServer(options: CreateServerOptions): Promise<ChatServer> {
  const { id, host, port, advertise, peers, join, secret, tls, tokenKey, limits, backbone, insecure, ...given } =
    parseOptions(options)
  if (secret !== '') checkSecretLength(secret, 'secret')
  const hasAddress = !isWildcard(host) || advertise !== undefined
  const hasTokenKey = tokenKey !== undefined
  const auth = checkExposure({ host, hasAddress, secret, auth: given.auth, hasTokenKey, backbone, insecure }, FIX_HINTS)
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
    // The list of all servers does as well.
    peers: peers.filter(peer => peer.id !== id),
    seeds: join,
    backbone,
    limits: { ...DEFAULT_LIMITS, ...(limits as Partial<Limits>) },
    secret,
    auth,
    tokenKey: auth === 'token' && tokenKey !== undefined ? parseTokenKey(tokenKey.trim(), 'tokenKey') : undefined,
    tls: material,
    log,
    narrateMessages: false,
    exit: (code, reason) => resolveEnded(code === 0 ? undefined : new Error(reason)),
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
