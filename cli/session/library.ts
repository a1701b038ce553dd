import { createPrivateKey, type KeyObject } from 'node:crypto'
import * as z from 'zod'
import type { ConnectionState, SessionEvent, SessionRequest } from '../../src/client/events.ts'
import { urlSchema } from '../../src/protocol/messages.ts'
import { parseUserName } from '../../src/protocol/names.ts'
import { keySchema } from '../../src/protocol/proofs/credentials.ts'
import { sanitizeLine } from '../../src/protocol/text.ts'
import type { ClientEvent } from '../common/client-events.ts'
import { ChatClient } from './chat-client.ts'
import { KnownMeshes } from './known-meshes.ts'
import { MessageLookup } from './message-lookup.ts'
import { PinnedSession } from './pinned-session.ts'

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
  /**
   * With `history`: whether a message must be safe on disk, also after a power cut, before it is sent or confirmed to its
   * sender. Default: `true`.
   */
  sync?: boolean
  /**
   * The key of the mesh, 43 characters; `mesh-chat mesh list --json` prints it. Servers that do not prove it are refused.
   * Default: the first key that is met, for as long as the program runs; with `history`, the key that `mesh-chat` knows.
   */
  meshKey?: string
  /** Whether to ask servers who is writing a message: the event `typing`. Default: `false`. */
  typing?: boolean
}

const optionsSchema = z.strictObject({
  user: z.string(),
  servers: z.union([urlSchema.transform(url => [url]), z.array(urlSchema).min(1)]),
  token: z.string().optional(),
  key: z.string().optional(),
  ca: z.string().optional(),
  history: z.boolean().default(false),
  sync: z.boolean().default(true),
  meshKey: keySchema.optional(),
  typing: z.boolean().default(false),
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
  const { servers, token, ca, key, history, sync, meshKey, typing } = parsed.data
  const name = parseUserName(parsed.data.user)
  if (!name.ok) throw new Error(`connect: user: ${name.reason}`)
  const user = name.value
  const loadKey = createKeyLoader(key)
  let session: PinnedSession | undefined
  const lookup = new MessageLookup(user, () => session?.history)
  const open = (listener: (event: SessionEvent) => void) => {
    const opened = new PinnedSession(
      {
        user,
        client: 'mesh-chat-library',
        servers,
        token,
        ca,
        // A program with a key requires key mode: otherwise a server could downgrade the client to open mode.
        auth: key === undefined ? undefined : 'key',
        meshKey,
        typing,
        pins: history ? KnownMeshes.onDisk() : processPins,
        loadKey,
        hasKey: key !== undefined,
        disk: history ? 'all' : 'none',
        durable: sync,
      },
      event => {
        if (isSessionEvent(event)) listener(event)
        else if (event.type === 'notice' && event.code === 'not-stored') client.emit('storage', event.text)
        else if (event.type === 'notice' && event.code === 'stored-again') client.emit('storage', undefined)
        if (event.type === 'connection' && isEnded(event.state)) opened.closeFiles()
      },
    )
    session = opened
    opened.start()
    return (request: SessionRequest) => opened.request(request)
  }
  const client = new ChatClient(user, open, lookup)
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

/** Pins of clients without a history on disk: they last as long as the process. */
const processPins = KnownMeshes.inMemory()

function isSessionEvent(event: ClientEvent): event is SessionEvent {
  return event.type !== 'notice' && event.type !== 'storage'
}

function isEnded({ phase }: ConnectionState): boolean {
  return phase === 'closed' || phase === 'refused'
}

/** Loads the user's own key from the option `key`. */
function createKeyLoader(pem: string | undefined): () => KeyObject {
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
  return () => {
    if (own !== undefined) return own
    throw new Error("this mesh requires a key; pass the user's private key as the option key")
  }
}
