import { createPrivateKey, type KeyObject, randomBytes } from 'node:crypto'
import * as z from 'zod'
import type { ConnectionState } from '../../src/client/events.ts'
import { urlSchema } from '../../src/protocol/messages.ts'
import { parseUserName } from '../../src/protocol/names.ts'
import { sanitizeLine } from '../../src/protocol/text.ts'
import { History } from '../history/history.ts'
import { ChatClient } from './chat-client.ts'
import { type KeyStore, NO_STORAGE, openSession } from './connection.ts'

/** How to connect; see {@link connect}. */
export interface ConnectOptions {
  /** The user name to connect as. */
  user: string
  /** One or more server URLs, tried in this order. The other servers of the mesh are tried after these. */
  servers: string | readonly string[]
  /** The user's token, signed by the operator; required in token mode. */
  token?: string
  /** The user's Ed25519 private key as PEM; required in key mode. `mesh-chat identity export` prints one. */
  key?: string
  /** Certificate authority of the servers, as PEM; default: those that Node.js trusts. */
  ca?: string
  /**
   * Store messages and undelivered messages on disk, in the files that `mesh-chat` uses for this user. Default: `false`,
   * memory only.
   */
  history?: boolean
}

const optionsSchema = z.strictObject({
  user: z.string(),
  servers: z.union([urlSchema.transform(url => [url]), z.array(urlSchema).min(1)]),
  token: z.string().optional(),
  key: z.string().optional(),
  ca: z.string().optional(),
  history: z.boolean().default(false),
})

/**
 * Connects to the mesh as a user, for bots and other programs.
 *
 * @example
 * ```ts
 * const bot = await connect({ user: 'Echo', servers: 'http://127.0.0.1:3001' })
 * for await (const { from, text } of bot) void bot.send(from, `You said: ${text}`)
 * ```
 * @returns the client, once it is online. Messages are buffered until the awaiting code has run.
 * @throws Error (rejects) if an option is invalid, a server refuses the user, or none of `servers` answers
 */
export async function connect(options: ConnectOptions): Promise<ChatClient> {
  const parsed = optionsSchema.safeParse(options)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw new Error(`connect: ${issue?.path.join('.') || 'options'}: ${issue?.message}`)
  }
  const { servers, token, ca, key, history } = parsed.data
  const name = parseUserName(parsed.data.user)
  if (!name.ok) throw new Error(`connect: user: ${name.reason}`)
  const user = name.value
  const keys = createKeyStore(key)
  const storage = history ? new History(user) : undefined
  const instance = randomBytes(12).toString('base64url')
  // A program with a key requires key mode: otherwise a server could downgrade the client to open mode.
  const auth = key === undefined ? undefined : ('key' as const)
  const session = { user, client: 'mesh-chat-library', instance, servers, token, ca, auth, keys, random: Math.random }
  const client = new ChatClient(user, listener => openSession(session, storage ?? NO_STORAGE, listener))
  client.once('close', () => storage?.close())
  return new Promise((resolve, reject) => {
    let failures = 0
    const handleConnection = (state: ConnectionState) => {
      if (state.phase === 'waiting' && state.code === undefined && ++failures < servers.length) return
      if (state.phase === 'connecting') return
      client.off('connection', handleConnection)
      if (state.phase === 'online') {
        resolve(client)
        // Let the awaiting code add its listeners before buffered messages are emitted.
        setImmediate(() => client.flushBuffered())
        return
      }
      if (state.phase === 'waiting') client.close()
      const isRejected = 'code' in state && state.code !== undefined
      if (isRejected && 'reason' in state) return reject(new Error(sanitizeLine(state.reason)))
      const reason = 'reason' in state ? `no server answers at ${servers.join(', ')} (${state.reason})` : undefined
      reject(new Error(sanitizeLine(reason ?? ('message' in state ? state.message : 'closed'))))
    }
    client.on('connection', handleConnection)
  })
}

/** Keys in memory: the user's own, and those of others while this client lives. */
function createKeyStore(pem: string | undefined): KeyStore {
  const known = new Map<string, string>()
  let own: KeyObject | undefined
  if (pem !== undefined) {
    try {
      own = createPrivateKey(pem)
    } catch {
      // Reported below.
    }
    if (own?.asymmetricKeyType !== 'ed25519') {
      throw new Error('connect: key: not an Ed25519 private key in PEM; use the output of mesh-chat identity export')
    }
  }
  return {
    load: () => {
      if (own !== undefined) return own
      throw new Error("this mesh requires a key; pass the user's private key as the option key")
    },
    knownKeys: () => known,
    pin: (user, key) => void known.set(user, key),
  }
}
