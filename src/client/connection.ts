import { Backoff } from '../common/backoff.ts'
import { isLoopbackUrl } from '../common/loopback.ts'
import {
  type ErrorCode,
  type IdentifyRequest,
  type IdentifyResponse,
  PROTOCOL_VERSION,
  type ServerAddress,
} from '../protocol/messages.ts'
import type { AuthMode, Challenge } from '../protocol/proofs/credentials.ts'
import { NONCE_PREFIX, toOrigin } from '../protocol/proofs/mesh-identity.ts'
import type { ClaimKeeper } from './claim-keeper.ts'
import { type Context, emit, MAX_CLOCK_DIFFERENCE_MS, serverTime } from './context.ts'
import type { ConnectionState } from './events.ts'
import type { Identity } from './keys/keyring.ts'
import type { KnownKeys } from './keys/known-keys.ts'
import type { DialledServer, MeshTrust } from './mesh-trust.ts'
import { ServerList } from './server-list.ts'
import { describeClockDifference, ServerTimes } from './server-times.ts'
import type { IdentifyAnswer } from './types.ts'

/** Time limit for connecting and identifying before the next server is tried, ms. */
const CONNECT_TIMEOUT_MS = 3_000
/** A change of the mesh time that matters, ms: a smaller one may be latency. */
const MIN_TIME_CHANGE_MS = 1_000
/** The user is told of a larger difference between this machine's clock and the time of the mesh, ms. */
const WARN_CLOCK_DIFFERENCE_MS = 300_000

/** A connection that is not identified yet. `openedAt`: when it was opened, for the round-trip time. */
interface Attempt extends DialledServer {
  name: 'connecting'
  dial: number
  deadline: number
  openedAt: number
  exporter: string | undefined
  /** The mesh and mode that the server has proven on this connection; a key of undefined: a server of 0.1. */
  proven: { key: string | undefined; channel: string | undefined; mode: AuthMode } | undefined
  /** The answer that waits for the caller to accept the server's mesh. */
  waiting: { answer: IdentifyAnswer; mode: AuthMode } | undefined
  /** Whether the token or the proof of the user's key was sent on this connection. */
  sentCredentials: boolean
}

/** All times are monotonic ms. */
type Phase =
  | { name: 'idle' | 'closed' | 'refused' }
  | Attempt
  | { name: 'online'; dial: number; url: string; since: number }
  | { name: 'waiting'; url: string; retryAt: number }

/** The answer to a successful identification. */
type IdentifySuccess = Extract<IdentifyResponse, { ok: true }>
type IdentifyRefusal = Extract<IdentifyResponse, { ok: false }>

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
  readonly #trust: MeshTrust
  readonly #claims: ClaimKeeper
  readonly #backoff: Backoff
  readonly #servers: ServerList
  #phase: Phase = { name: 'idle' }
  #dialCount = 0
  #wasOnline = false
  readonly #serverTimes = new ServerTimes()
  #hasWarnedOfClock = false

  constructor(context: Context, keys: KnownKeys, trust: MeshTrust, claims: ClaimKeeper, hooks: ConnectionHooks) {
    const { servers, random } = context.options
    this.#context = context
    this.#keys = keys
    this.#trust = trust
    this.#claims = claims
    this.#hooks = hooks
    this.#servers = new ServerList(servers, random)
    this.#backoff = new Backoff(random, 400, 5_000)
  }

  /** The number of the current connection, dialling or online. */
  get dial(): number | undefined {
    return this.#phase.name === 'connecting' || this.#phase.name === 'online' ? this.#phase.dial : undefined
  }

  /** Whether the server has let the client in, and the caller has not accepted the server's mesh yet. */
  get isWaitingForAcceptance(): boolean {
    return this.#phase.name === 'connecting' && this.#phase.waiting?.answer.ok === true
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
    const { first } = this.#servers
    if (first !== undefined) this.#connect(first)
  }

  handleOpened(exporter: string | undefined): void {
    if (this.#phase.name !== 'connecting') return
    this.#phase.openedAt = this.#context.now
    this.#phase.exporter = exporter
    this.#identify({})
  }

  handleIdentified(answer: IdentifyAnswer): void {
    const attempt = this.#phase
    if (attempt.name !== 'connecting' || attempt.waiting !== undefined) return
    const mode = authModeOf(answer, attempt, this.#context.options.token)
    if (mode === undefined) return this.#handleRejection(attempt, answer as IdentifyRefusal)
    if (attempt.proven?.mode === mode) return this.#proceed(attempt, answer, mode)
    const check = this.#trust.check(attempt, answer, mode)
    switch (check.result) {
      case 'unproven':
        // It may be announced again: a server that proves the mesh then is used.
        this.#servers.forget(attempt.url)
        return this.failover(check.reason)
      case 'changed':
        return this.handleRefused('unauthorized', check.message)
      case 'ask':
        attempt.waiting = { answer, mode }
        attempt.proven = { key: check.event.key, channel: check.channel, mode }
        return emit(this.#context, check.event)
      case 'expected':
        attempt.proven = { key: check.key, channel: check.channel, mode }
        return this.#proceed(attempt, answer, mode)
      default:
        check satisfies never
    }
  }

  /** The caller has accepted the mesh of this connection's server. */
  handleAccepted(): void {
    const attempt = this.#phase
    if (attempt.name !== 'connecting' || attempt.waiting === undefined || !this.#trust.accept()) return
    const { answer, mode } = attempt.waiting
    attempt.waiting = undefined
    this.#proceed(attempt, answer, mode)
  }

  /** Identifies with this user's key, in answer to a challenge. */
  identifyWithKey(identity: Identity, challenge: Challenge): void {
    const attempt = this.#phase
    if (attempt.name !== 'connecting' || attempt.proven?.mode !== 'key' || attempt.waiting !== undefined) return
    const { origin, proven } = attempt
    const { key: meshKey, channel } = proven
    const binding = meshKey === undefined || origin === undefined ? undefined : { origin, meshKey, channel }
    attempt.sentCredentials = true
    const claim = binding === undefined ? undefined : this.#claims.ticketOf(identity.key)
    const credentials = this.#keys.signChallenge(identity, challenge, binding)
    this.#identify(claim === undefined ? credentials : { ...credentials, claim })
  }

  /** Ends the session: no server would accept this user. */
  handleRefused(code: ErrorCode, message: string): void {
    this.#hangUp()
    this.#setPhase({ name: 'refused' })
    this.#emitState({ phase: 'refused', code, message })
  }

  /**
   * Whether a rejection may end by itself. Another key may hold the name only until this server links with those that
   * remember its owner. A user who was online before must not be locked out by what others do meanwhile.
   */
  #isRetryable(code: ErrorCode): boolean {
    if (code === 'name-taken') return true
    return this.#wasOnline && (code === 'look-alike' || code === 'too-many-connections')
  }

  /** The connection is lost or could not be made: schedules an attempt at another server. */
  failover(reason: string, code?: ErrorCode): void {
    const phase = this.#phase
    if (phase.name !== 'connecting' && phase.name !== 'online') return
    const { now, wall } = this.#context
    this.#hangUp()
    this.#hooks.onLost()
    this.#trust.onDisconnected()
    if (phase.name === 'online') this.#backoff.connectionEnded(now - phase.since)
    const retryAt = now + this.#backoff.nextDelay()
    this.#setPhase({ name: 'waiting', url: this.#servers.pickOther(phase.url), retryAt })
    const attempt = this.#backoff.failures
    const rejection = code === undefined ? {} : { code }
    this.#emitState({ phase: 'waiting', reason, retryAt: wall + retryAt - now, attempt, ...rejection })
  }

  /** The server tells its mesh time. Returns whether it differs from what this client knew. */
  handleTime(time: number): boolean {
    const { clockOffset = 0, now } = this.#context
    const change = Math.abs(time - now - clockOffset)
    if (change <= MIN_TIME_CHANGE_MS) return false
    if (change > MAX_CLOCK_DIFFERENCE_MS) {
      this.failover('the clock of the server has changed by more than 24 hours')
      return false
    }
    this.#context.clockOffset = time - now
    return true
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
    const { now, effects, options } = this.#context
    const dial = ++this.#dialCount
    this.#setPhase({
      name: 'connecting',
      dial,
      url,
      origin: toOrigin(url),
      nonce: `${NONCE_PREFIX}${options.makeNonce()}`,
      exporter: undefined,
      isConfigured: this.#servers.isConfigured(url),
      deadline: now + CONNECT_TIMEOUT_MS,
      openedAt: now,
      proven: undefined,
      waiting: undefined,
      sentCredentials: false,
    })
    this.#emitState({ phase: 'connecting', server: url, attempt: this.#backoff.failures + 1 })
    effects.push({ type: 'dial', dial, url })
  }

  /** The server has proven its mesh, as far as it must: gives it what it asks for, or goes online. */
  #proceed(attempt: Attempt, answer: IdentifyAnswer, mode: AuthMode): void {
    if (answer.ok) return this.#goOnline(attempt, answer)
    const { challenge } = answer
    if (attempt.sentCredentials) return this.#handleRejection(attempt, answer)
    if (mode === 'token') return this.#sendToken(attempt)
    if (challenge !== undefined) this.#context.effects.push({ type: 'prove', dial: attempt.dial, challenge })
  }

  #sendToken(attempt: Attempt): void {
    const { token } = this.#context.options
    if (token === undefined) {
      return this.handleRefused('unauthorized', 'this mesh requires a token from its operator')
    }
    if (attempt.proven?.key === undefined && !attempt.url.startsWith('https:') && !isLoopbackUrl(attempt.url)) {
      const why = `${attempt.url} neither proves its mesh nor encrypts the connection: it could be an impostor`
      return this.handleRefused('unauthorized', `${why}; the token is not sent; use https, or update the server`)
    }
    attempt.sentCredentials = true
    this.#identify({ token })
  }

  /** A rejection that asks for nothing. */
  #handleRejection(attempt: Attempt, { code, message }: IdentifyRefusal): void {
    if (code === 'draining') return this.failover(message)
    if (this.#isRetryable(code)) return this.failover(message, code)
    // Only a server that the user chose, or that has proven the mesh, may end the session.
    const isFinal = attempt.isConfigured || attempt.proven !== undefined
    if (isFinal && !(code === 'wrong-origin' && this.#trust.isAccepted)) return this.handleRefused(code, message)
    this.#servers.forget(attempt.url)
    this.failover(message)
  }

  #goOnline({ dial, url, openedAt }: Attempt, answer: Extract<IdentifyAnswer, { ok: true }>): void {
    const { now, wall } = this.#context
    // Without this user's key, messages would be sent unsealed and accepted unverified.
    if (answer.auth === 'key' && !this.#keys.isEnabled) {
      return this.handleRefused('unauthorized', `${url} is in key mode but asked for no key; use another server`)
    }
    const roster = typeof answer.roster === 'function' ? answer.roster() : answer.roster
    if (roster === undefined) return this.failover('the server sent an invalid roster')
    const isNewLimit = this.#context.maxTextBytes !== answer.textBytes
    this.#context.maxTextBytes = answer.textBytes
    if (isNewLimit) emit(this.#context, { type: 'text-limit', bytes: answer.textBytes })
    // `time` is half of a round trip old.
    const offset = answer.time + (now - openedAt) / 2 - now
    const trust = this.#serverTimes.judge(offset, this.#context)
    if (trust === 'ask-again') return this.#askAgain(url)
    if (trust === 'wrong') return this.failover(describeClockDifference(answer.time - wall))
    this.#context.clockOffset = offset
    this.#wasOnline = true
    this.#setPhase({ name: 'online', dial, url, since: now })
    this.#addServers(answer.servers)
    this.#emitState({ phase: 'online', server: answer.server, url })
    this.#hooks.onOnline({ ...answer, roster })
    this.#warnOfWrongClock(wall - serverTime(this.#context))
  }

  /** The first server with another time than this machine may be wrong: asks another one at once, or the same again. */
  #askAgain(url: string): void {
    this.#hangUp()
    this.#hooks.onLost()
    this.#trust.onDisconnected()
    this.#connect(this.#servers.pickOther(url))
  }

  #warnOfWrongClock(ahead: number): void {
    if (this.#hasWarnedOfClock || Math.abs(ahead) <= WARN_CLOCK_DIFFERENCE_MS) return
    this.#hasWarnedOfClock = true
    emit(this.#context, { type: 'clock-wrong', ahead })
  }

  #identify(credentials: Pick<IdentifyRequest, 'token' | 'key' | 'proof' | 'proofVersion' | 'claim'>): void {
    if (this.#phase.name !== 'connecting') return
    const { dial, nonce, origin } = this.#phase
    const { user, client, views, typing = false } = this.#context.options
    this.#context.effects.push({
      type: 'identify',
      dial,
      request: {
        user,
        client,
        protocol: PROTOCOL_VERSION,
        connections: true,
        rooms: true,
        typing,
        ...(views === true ? { views } : {}),
        ...(origin === undefined ? {} : { nonce, origin }),
        ...credentials,
      },
    })
  }

  #addServers(servers: readonly ServerAddress[]): void {
    const known = this.#servers.announce(servers, origin => this.#trust.mayFollowTo(origin))
    emit(this.#context, { type: 'servers', servers: known })
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

/**
 * The auth mode that an answer shows; undefined for a rejection that asks for no credential. A token server of 0.1 rejects
 * an identification without a token as `unauthorized`.
 */
function authModeOf(answer: IdentifyAnswer, attempt: Attempt, token: string | undefined): AuthMode | undefined {
  if (answer.ok) return answer.auth ?? 'open'
  if (answer.code === 'prove-key') return answer.challenge === undefined ? undefined : 'key'
  if (answer.code === 'prove-token') return 'token'
  const isLegacyToken = answer.code === 'unauthorized' && token !== undefined && answer.mesh === undefined
  return isLegacyToken && !attempt.sentCredentials && attempt.proven === undefined ? 'token' : undefined
}
