import { HybridClock } from '../common/hybrid-clock.ts'
import { Directory } from '../presence/directory.ts'
import { PresenceStream } from '../presence/presence-stream.ts'
import { Roster } from '../presence/roster.ts'
import type { ServerStatus } from '../protocol/status.ts'
import { Clients } from './clients/clients.ts'
import type { Connection } from './clients/connection.ts'
import { ClusterStatusCollector } from './cluster-status.ts'
import { type Context, log } from './context.ts'
import { Peers } from './peers/peers.ts'
import { Router } from './router.ts'
import { statusOf } from './server-status.ts'
import type { Effect, Input, ServerOptions } from './types.ts'

/** A beat overslept by more than this, ms, means that this process stood still, not everyone else. */
const STALL_THRESHOLD_MS = 1_000
/** How long a draining server waits for its clients to go, ms. */
const DRAIN_TIMEOUT_MS = 3_000

/**
 * One server of the mesh as a state machine: `step` takes what happened and the time, and answers with what is to be
 * done. It has no clock, socket or timer; the edge calls `tick` when `deadline` has come, and `flush` once at the end
 * of a turn of the event loop in which `gathered` became true.
 */
export class MeshServer {
  readonly #context: Context
  readonly #clients: Clients
  readonly #peers: Peers
  readonly #router: Router
  readonly #clusterStatus: ClusterStatusCollector
  #drainDeadline = Number.POSITIVE_INFINITY

  constructor(options: ServerOptions) {
    const directory = new Directory<Connection>()
    this.#context = {
      options,
      directory,
      roster: new Roster(),
      stream: new PresenceStream(options.incarnation),
      ownEntry: (name, connections) => directory.entry(name, connections),
      clock: new HybridClock(),
      siblingsToNotify: new Set(),
      messageCounts: { accepted: 0, refused: 0, forwarded: 0, delivered: 0 },
      startedAt: 0,
      now: 0,
      wall: 0,
      draining: false,
      needsFlush: false,
      effects: [],
    }
    this.#peers = new Peers(this.#context, name => this.#clients.handlePresenceChange(name))
    this.#clients = new Clients(this.#context, this.#peers.servers)
    this.#router = new Router(this.#context, this.#clients, this.#peers.messageSender)
    this.#peers.messageHandler = this.#router
    this.#clusterStatus = new ClusterStatusCollector(this.#context, this.#clients, this.#peers)
    this.#peers.statusExchange = this.#clusterStatus
  }

  /** When `tick` is due, on the monotonic clock, ms; Infinity when nothing waits. */
  get deadline(): number {
    const { deadline } = this.#clusterStatus
    return Math.min(this.#clients.deadline, this.#peers.deadline, this.#router.deadline, deadline, this.#drainDeadline)
  }

  /** Whether something waits for the end of this turn of the event loop. */
  get needsFlush(): boolean {
    return this.#context.needsFlush
  }

  /** The names online in the whole mesh, sorted, as last told to clients. */
  get roster(): readonly string[] {
    return this.#context.roster.snapshot().users
  }

  /** How this server stands. Looks at every connection: not for each message. */
  get status(): ServerStatus {
    return statusOf(this.#context, this.#clients, this.#peers.distinctPeers)
  }

  /** Whether a peer holds a connection of a user, as far as this server knows. */
  isUserOnPeer(peer: string, user: string): boolean {
    return this.#context.directory.isUserOnPeer(peer, user)
  }

  /**
   * @param now monotonic time, ms
   * @param wall ms since 1970; may jump
   */
  step(input: Input, now: number, wall: number): Effect[] {
    const context = this.#context
    context.now = now
    context.wall = wall
    context.effects = []
    // What waited in the sockets meanwhile may come before any timer.
    const lateBy = now - this.#peers.nextHeartbeatAt
    if (lateBy > STALL_THRESHOLD_MS) {
      log(context, { event: 'stalled', ms: Math.round(lateBy) })
      this.#peers.resetTimeouts()
    }
    this.#handle(input)
    return context.effects
  }

  #handle(input: Input): void {
    switch (input.type) {
      case 'start':
        this.#context.startedAt = this.#context.now
        return this.#peers.start()
      case 'flush':
        this.#context.needsFlush = false
        this.#clients.flush()
        return this.#peers.flush()
      case 'tick':
        return this.#tick()
      case 'drain':
        return this.#drain()
      case 'configure':
        return this.#peers.configure(input.peers)
      case 'learn':
        return this.#peers.learn(input.member)
      case 'connected':
        return this.#clients.handleConnected(input.connection, input.address)
      case 'identify':
        return this.#clients.handleIdentify(input)
      case 'im':
        return this.#router.handleIm(input)
      case 'relay':
        return this.#router.handleRelay(input)
      case 'got': {
        const connection = this.#clients.get(input.connection)
        if (connection !== undefined) this.#router.handleConfirmation(connection, input.count)
        return
      }
      case 'roster':
        return this.#clients.handleRosterRequest(input.connection, input.call)
      case 'survey':
        return this.#clusterStatus.handleRequest(input.connection, input.call)
      case 'key':
        return this.#clients.handleKeyRequest(input)
      case 'disconnected': {
        const connection = this.#clients.handleDisconnected(input.connection)
        if (connection !== undefined) this.#router.handleDisconnected(connection)
        if (this.#context.draining && this.#clients.size === 0) this.#finishDrain()
        return
      }
      default:
        return this.#peers.handle(input)
    }
  }

  #tick(): void {
    this.#clients.tick()
    this.#router.tick()
    this.#peers.tick()
    this.#clusterStatus.tick()
    if (this.#drainDeadline <= this.#context.now) this.#finishDrain()
  }

  #drain(): void {
    if (this.#context.draining) return
    this.#context.draining = true
    this.#drainDeadline = this.#context.now + DRAIN_TIMEOUT_MS
    log(this.#context, { event: 'draining', clients: this.#clients.size })
    this.#clients.askToMove()
    if (this.#clients.size === 0) this.#finishDrain()
  }

  /** Says goodbye to the peers, and ends. */
  #finishDrain(): void {
    if (this.#drainDeadline === Number.POSITIVE_INFINITY) return
    this.#drainDeadline = Number.POSITIVE_INFINITY
    this.#clients.closeAll('draining')
    this.#peers.flush()
    this.#peers.goodbye()
    this.#context.effects.push({ type: 'exit', code: 0, reason: 'drained' })
  }
}
