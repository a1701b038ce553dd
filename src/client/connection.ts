import { Backoff } from '../common/backoff.ts'
import type { Challenge } from '../protocol/credentials.ts'
import {
  type ErrorCode,
  type IdentifyRequest,
  type IdentifyResponse,
  PROTOCOL_VERSION,
  type ServerAddress,
} from '../protocol/messages.ts'
import { type Context, emit, MAX_CLOCK_DIFFERENCE_MS } from './context.ts'
import type { ConnectionState } from './events.ts'
import type { Identity } from './keys/keyring.ts'
import type { KnownKeys } from './keys/known-keys.ts'

/** Time limit for connecting and identifying before the next server is tried, ms. */
const CONNECT_TIMEOUT_MS = 3_000
/** Most server URLs kept: the configured ones and the latest announced ones. */
const MAX_SERVERS = 1_000

/** `openedAt`: when the connection was opened, for the round-trip time. All times are monotonic ms. */
type Phase =
  | { name: 'idle' | 'closed' | 'refused' }
  | { name: 'connecting'; dial: number; url: string; deadline: number; openedAt: number }
  | { name: 'online'; dial: number; url: string; since: number }
  | { name: 'waiting'; url: string; retryAt: number }

/** The answer to a successful identification. */
type IdentifySuccess = Extract<IdentifyResponse, { ok: true }>

/** Called when a connection is identified, and when one is lost or could not be made. */
interface ConnectionHooks {
  onOnline(answer: IdentifySuccess): void
  onLost(): void
}

/** The one connection of this client: it is dialled, identified, lost, and then dialled to another server. */
export class Connection {
  readonly #context: Context
  readonly #keys: KnownKeys
  readonly #hooks: ConnectionHooks
  readonly #backoff: Backoff
  #phase: Phase = { name: 'idle' }
  #urls: string[]
  #dialCount = 0

  constructor(context: Context, keys: KnownKeys, hooks: ConnectionHooks) {
    const { servers, random } = context.options
    this.#context = context
    this.#keys = keys
    this.#hooks = hooks
    this.#urls = [...new Set(servers)]
    this.#backoff = new Backoff(random, 400, 5_000)
  }

  /** The number of the current connection, dialling or online. */
  get dial(): number | undefined {
    return this.#phase.name === 'connecting' || this.#phase.name === 'online' ? this.#phase.dial : undefined
  }

  get isClosed(): boolean {
    return this.#phase.name === 'closed'
  }

  /** When `tick` is due, monotonic ms. */
  get deadline(): number {
    if (this.#phase.name === 'connecting') return this.#phase.deadline
    return this.#phase.name === 'waiting' ? this.#phase.retryAt : Number.POSITIVE_INFINITY
  }

  start(): void {
    const [first] = this.#urls
    if (first !== undefined) this.#connect(first)
  }

  handleOpened(): void {
    if (this.#phase.name !== 'connecting') return
    this.#phase.openedAt = this.#context.now
    this.#identify({})
  }

  handleIdentified(answer: IdentifyResponse): void {
    const phase = this.#phase
    if (phase.name !== 'connecting') return
    const { options, effects, now, wall } = this.#context
    if (!answer.ok) {
      if (answer.code === 'draining') return this.failover(answer.message)
      const { challenge } = answer
      if (challenge === undefined) return this.handleRefused(answer.code, answer.message)
      effects.push({ type: 'prove', dial: phase.dial, challenge })
      return
    }
    // Once a server of the mesh has asked for a key, the others must require keys too.
    const auth = this.#keys.isEnabled ? 'key' : options.auth
    if (auth !== undefined && (answer.auth ?? 'open') !== auth) {
      const why = `${phase.url} does not use keys but ${options.user} has one: this server could read and forge messages`
      return this.handleRefused('unauthorized', `${why}; to connect anyway, use --insecure`)
    }
    // Without this user's key, messages would be sent unsealed and accepted unverified.
    if (answer.auth === 'key' && !this.#keys.isEnabled) {
      return this.handleRefused('unauthorized', `${phase.url} is in key mode but asked for no key; use another server`)
    }
    // With a time from years ahead, messages would not be delivered for years.
    if (Math.abs(answer.time - wall) > MAX_CLOCK_DIFFERENCE_MS)
      return this.failover(describeClockDifference(answer.time - wall))
    // `time` is half of a round trip old.
    this.#context.clockOffset = answer.time + (now - phase.openedAt) / 2 - now
    this.#setPhase({ name: 'online', dial: phase.dial, url: phase.url, since: now })
    this.#addServers(answer.servers)
    this.#emitState({ phase: 'online', server: answer.server, url: phase.url })
    this.#hooks.onOnline(answer)
  }

  /** Identifies with this user's key, in answer to a challenge. */
  identifyWithKey(identity: Identity, challenge: Challenge): void {
    this.#identify(this.#keys.signChallenge(identity, challenge))
  }

  /** Ends the session: no server would accept this user. */
  handleRefused(code: ErrorCode, message: string): void {
    this.#hangUp()
    this.#setPhase({ name: 'refused' })
    this.#emitState({ phase: 'refused', code, message })
  }

  /** The connection is lost or could not be made: schedules an attempt at another server. */
  failover(reason: string): void {
    const phase = this.#phase
    if (phase.name !== 'connecting' && phase.name !== 'online') return
    const { now, wall } = this.#context
    this.#hangUp()
    this.#hooks.onLost()
    if (phase.name === 'online') this.#backoff.connectionEnded(now - phase.since)
    const retryAt = now + this.#backoff.nextDelay()
    this.#setPhase({ name: 'waiting', url: this.#pickOtherServer(phase.url), retryAt })
    this.#emitState({ phase: 'waiting', reason, retryAt: wall + retryAt - now, attempt: this.#backoff.failures })
  }

  /** The server drains and names others. */
  handleMove(servers: readonly ServerAddress[]): void {
    this.#addServers(servers)
    this.failover('the server is shutting down')
  }

  close(): void {
    this.#hangUp()
    this.#setPhase({ name: 'closed' })
    this.#emitState({ phase: 'closed' })
  }

  tick(): void {
    const phase = this.#phase
    const { now } = this.#context
    if (phase.name === 'waiting' && phase.retryAt <= now) return this.#connect(phase.url)
    if (phase.name === 'connecting' && phase.deadline <= now) return this.failover('no answer')
  }

  #connect(url: string): void {
    const { now, effects } = this.#context
    const dial = ++this.#dialCount
    this.#setPhase({ name: 'connecting', dial, url, deadline: now + CONNECT_TIMEOUT_MS, openedAt: now })
    this.#emitState({ phase: 'connecting', server: url, attempt: this.#backoff.failures + 1 })
    effects.push({ type: 'dial', dial, url })
  }

  #identify(credentials: Pick<IdentifyRequest, 'key' | 'proof'>): void {
    if (this.#phase.name !== 'connecting') return
    const { user, client, token } = this.#context.options
    this.#context.effects.push({
      type: 'identify',
      dial: this.#phase.dial,
      request: {
        user,
        client,
        protocol: PROTOCOL_VERSION,
        connections: true,
        ...(token === undefined ? {} : { token }),
        ...credentials,
      },
    })
  }

  /** A random server other than `url`, so that the clients of a dead server spread. */
  #pickOtherServer(url: string): string {
    const others = this.#urls.filter(other => other !== url)
    return others[Math.floor(this.#context.options.random() * others.length)] ?? url
  }

  #addServers(servers: readonly ServerAddress[]): void {
    const configured = this.#context.options.servers
    // A server must not be able to downgrade a client whose configured servers are all encrypted.
    const encrypted = configured.every(isEncrypted)
    const announced = servers.map(server => server.url).filter(url => !encrypted || isEncrypted(url))
    this.#urls = [...new Set([...configured, ...announced, ...this.#urls])].slice(0, MAX_SERVERS)
    emit(this.#context, { type: 'servers', servers })
  }

  #hangUp(): void {
    const { dial } = this
    if (dial !== undefined) this.#context.effects.push({ type: 'hang-up', dial })
  }

  #setPhase(phase: Phase): void {
    this.#phase = phase
    this.#context.onlineConnection = phase.name === 'online' ? phase.dial : undefined
  }

  #emitState(state: ConnectionState): void {
    emit(this.#context, { type: 'connection', state })
  }
}

function describeClockDifference(ms: number): string {
  const hours = Math.round(Math.abs(ms) / 3_600_000)
  return `the clock of the server is ${hours} hours ${ms < 0 ? 'behind' : 'ahead of'} the clock of this machine; set the wrong one`
}

function isEncrypted(url: string): boolean {
  return url.startsWith('https:')
}
