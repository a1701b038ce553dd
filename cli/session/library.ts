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
  /** As whom. */
  user: string
  /** The URL of a server, or several, in the order in which to try them; the mesh's others are tried after these. */
  servers: string | readonly string[]
  /** What the mesh's operator has signed, where it knows its users by tokens. */
  token?: string
  /** The user's Ed25519 private key as PEM (`mesh-chat identity export` prints one), where it knows them by keys. */
  key?: string
  /** Who vouches for the servers' certificates, as PEM; default: whom Node trusts. */
  ca?: string
  /**
   * Whether to keep what is said, and what waits, where `mesh-chat` keeps it for this user; default: `false`, nothing is
   * left on disk.
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
 * Connects to the mesh as a user, for a bot or any other program.
 *
 * @example
 * ```ts
 * const bot = await connect({ user: 'Echo', servers: 'http://127.0.0.1:3001' })
 * for await (const { from, text } of bot) void bot.send(from, `You said: ${text}`)
 * ```
 * @returns the client, once it is online; whatever is awaited next, no message is missed before
 * @throws Error (rejects) for options that cannot be used, where the user is refused, or where none of `servers` answers
 */
export async function connect(options: ConnectOptions): Promise<ChatClient> {
  const parsed = optionsSchema.safeParse(options)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw new Error(`connect: ${issue?.path.join('.') || 'the options'}: ${issue?.message}`)
  }
  const { servers, token, ca, key, history } = parsed.data
  const name = parseUserName(parsed.data.user)
  if (!name.ok) throw new Error(`connect: user: ${name.reason}`)
  const user = name.value
  const keys = createKeyStore(key)
  const storage = history ? new History(user) : undefined
  const instance = randomBytes(12).toString('base64url')
  // Who gives a key is not to be talked out of it.
  const auth = key === undefined ? undefined : ('key' as const)
  const session = { user, client: 'mesh-chat-library', instance, servers, token, ca, auth, keys, random: Math.random }
  const client = new ChatClient(user, listener => openSession(session, storage ?? NO_STORAGE, listener))
  client.once('close', () => storage?.close())
  return new Promise((resolve, reject) => {
    let failures = 0
    const handleConnection = (state: ConnectionState) => {
      if (state.phase === 'waiting' && ++failures < servers.length) return
      if (state.phase === 'connecting') return
      client.off('connection', handleConnection)
      if (state.phase === 'online') {
        resolve(client)
        // What comes in this very turn, the awaiting program is told when it has gone on.
        setImmediate(() => client.flushBuffered())
        return
      }
      if (state.phase === 'waiting') client.close()
      const reason = 'reason' in state ? `no server answers at ${servers.join(', ')} (${state.reason})` : undefined
      reject(new Error(sanitizeLine(reason ?? ('message' in state ? state.message : 'closed'))))
    }
    client.on('connection', handleConnection)
  })
}

/** The user's own key, and those of others for as long as this client lives. */
function createKeyStore(pem: string | undefined): KeyStore {
  const known = new Map<string, string>()
  let own: KeyObject | undefined
  if (pem !== undefined) {
    try {
      own = createPrivateKey(pem)
    } catch {
      // Said below.
    }
    if (own?.asymmetricKeyType !== 'ed25519') throw new Error('connect: key: this is no Ed25519 private key in PEM')
  }
  return {
    load: () => {
      if (own !== undefined) return own
      throw new Error("this mesh knows its users by their keys: give the user's with key")
    },
    knownKeys: () => known,
    pin: (user, key) => void known.set(user, key),
  }
}
