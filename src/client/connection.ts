import { Backoff } from '../common/backoff.ts'
import type { Challenge } from '../protocol/credentials.ts'
import { type ErrorCode, type Identified, type Identify, PROTOCOL, type ServerAddress } from '../protocol/messages.ts'
import { type Context, tell } from './context.ts'
import type { ConnectionState } from './events.ts'
import type { Keys } from './keys/known-keys.ts'
import type { Identity } from './keys/message-sealing.ts'

/** How long a dial and the identification may take before the next server is tried, ms. */
const CONNECT_MS = 3_000
/** Servers that are known at most: of those that were told, the latest. */
const MOST_SERVERS = 1_000

type Phase =
  | { name: 'idle' | 'closed' | 'refused' }
  | { name: 'connecting'; dial: number; url: string; until: number; openedAt: number }
  | { name: 'online'; dial: number; url: string; since: number }
  | { name: 'waiting'; url: string; retryAt: number }

/** A server's answer to one whom it takes. */
type Welcome = Extract<Identified, { ok: true }>

/** What begins and ends with a connection. */
interface Hooks {
  online(welcome: Welcome): void
  lost(): void
}

/** The one connection of this client: dialled, identified, lost, and then dialled to another server. */
export class Connection {
  readonly #context: Context
  readonly #keys: Keys
  readonly #hooks: Hooks
  readonly #backoff: Backoff
  #phase: Phase = { name: 'idle' }
  #urls: string[]
  #dials = 0

  constructor(context: Context, keys: Keys, hooks: Hooks) {
    const { servers, random } = context.options
    this.#context = context
    this.#keys = keys
    this.#hooks = hooks
    this.#urls = [...new Set(servers)]
    this.#backoff = new Backoff(random, 400, 5_000)
  }

  /** The number of the connection that there is, or that is being made. */
  get dial(): number | undefined {
    return this.#phase.name === 'connecting' || this.#phase.name === 'online' ? this.#phase.dial : undefined
  }

  get isClosed(): boolean {
    return this.#phase.name === 'closed'
  }

  /** When `tick` is due, monotonic ms. */
  get deadline(): number {
    if (this.#phase.name === 'connecting') return this.#phase.until
    return this.#phase.name === 'waiting' ? this.#phase.retryAt : Number.POSITIVE_INFINITY
  }

  start(): void {
    const [first] = this.#urls
    if (first !== undefined) this.#connect(first)
  }

  opened(): void {
    if (this.#phase.name !== 'connecting') return
    this.#phase.openedAt = this.#context.now
    this.#identify({})
  }

  identified(answer: Identified): void {
    const phase = this.#phase
    if (phase.name !== 'connecting') return
    const { options, effects, now } = this.#context
    if (!answer.ok) {
      if (answer.code === 'draining') return this.lost(answer.message)
      const { challenge } = answer
      if (challenge === undefined) return this.refused(answer.code, answer.message)
      effects.push({ type: 'prove', dial: phase.dial, challenge })
      return
    }
    // A mesh that asked for a key once does not do without.
    const auth = this.#keys.inUse ? 'key' : options.auth
    if (auth !== undefined && (answer.auth ?? 'open') !== auth) {
      const why = `${phase.url} does not know its users by keys, and ${options.user} has one: it could read and forge messages`
      return this.refused('unauthorized', `${why}; if that is as it should be, give --insecure`)
    }
    // Without this user's key nothing would be sealed, and what comes would be taken as it is.
    if (answer.auth === 'key' && !this.#keys.inUse) {
      return this.refused('unauthorized', `${phase.url} says that it knows its users by keys, and asked for none`)
    }
    // The server's clock as of now: half of the round trip has passed since it told it.
    this.#context.offset = answer.time + (now - phase.openedAt) / 2 - now
    this.#enter({ name: 'online', dial: phase.dial, url: phase.url, since: now })
    this.#meet(answer.servers)
    this.#tell({ phase: 'online', server: answer.server, url: phase.url })
    this.#hooks.online(answer)
  }

  /** Identifies with this user's key. */
  prove(identity: Identity, challenge: Challenge): void {
    this.#identify(this.#keys.prove(identity, challenge))
  }

  /** No server will take this user. */
  refused(code: ErrorCode, message: string): void {
    this.#hangUp()
    this.#enter({ name: 'refused' })
    this.#tell({ phase: 'refused', code, message })
  }

  /** The connection is no more, or was never made: on to another server. */
  lost(reason: string): void {
    const phase = this.#phase
    if (phase.name !== 'connecting' && phase.name !== 'online') return
    const { now, wall } = this.#context
    this.#hangUp()
    this.#hooks.lost()
    if (phase.name === 'online') this.#backoff.ended(now - phase.since)
    const retryAt = now + this.#backoff.next()
    this.#enter({ name: 'waiting', url: this.#other(phase.url), retryAt })
    this.#tell({ phase: 'waiting', reason, retryAt: wall + retryAt - now, attempt: this.#backoff.failures })
  }

  /** The server shuts down, and names others. */
  move(servers: readonly ServerAddress[]): void {
    this.#meet(servers)
    this.lost('the server is shutting down')
  }

  close(): void {
    this.#hangUp()
    this.#enter({ name: 'closed' })
    this.#tell({ phase: 'closed' })
  }

  tick(): void {
    const phase = this.#phase
    const { now } = this.#context
    if (phase.name === 'waiting' && phase.retryAt <= now) return this.#connect(phase.url)
    if (phase.name === 'connecting' && phase.until <= now) return this.lost('no answer')
  }

  #connect(url: string): void {
    const { now, effects } = this.#context
    const dial = ++this.#dials
    this.#enter({ name: 'connecting', dial, url, until: now + CONNECT_MS, openedAt: now })
    this.#tell({ phase: 'connecting', server: url, attempt: this.#backoff.failures + 1 })
    effects.push({ type: 'dial', dial, url })
  }

  #identify(shown: Pick<Identify, 'key' | 'proof'>): void {
    if (this.#phase.name !== 'connecting') return
    const { user, client, token } = this.#context.options
    this.#context.effects.push({
      type: 'identify',
      dial: this.#phase.dial,
      hello: {
        user,
        client,
        protocol: PROTOCOL,
        connections: true,
        ...(token === undefined ? {} : { token }),
        ...shown,
      },
    })
  }

  /** A server other than that at `url`, by chance, so that a dead server's clients spread. */
  #other(url: string): string {
    const others = this.#urls.filter(other => other !== url)
    return others[Math.floor(this.#context.options.random() * others.length)] ?? url
  }

  #meet(servers: readonly ServerAddress[]): void {
    const given = this.#context.options.servers
    // Nobody who was given encrypted servers only goes to others because a server says so.
    const encrypted = given.every(isEncrypted)
    const told = servers.map(server => server.url).filter(url => !encrypted || isEncrypted(url))
    this.#urls = [...new Set([...given, ...told, ...this.#urls])].slice(0, MOST_SERVERS)
    tell(this.#context, { type: 'servers', servers })
  }

  #hangUp(): void {
    const { dial } = this
    if (dial !== undefined) this.#context.effects.push({ type: 'hang-up', dial })
  }

  #enter(phase: Phase): void {
    this.#phase = phase
    this.#context.online = phase.name === 'online' ? phase.dial : undefined
  }

  #tell(state: ConnectionState): void {
    tell(this.#context, { type: 'connection', state })
  }
}

function isEncrypted(url: string): boolean {
  return url.startsWith('https:')
}
