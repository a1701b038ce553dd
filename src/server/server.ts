import { HybridClock } from '../common/hybrid-clock.ts'
import { clampTime } from '../common/time.ts'
import { ClaimMemory } from '../presence/claim-memory.ts'
import { Directory } from '../presence/directory.ts'
import { PresenceStream } from '../presence/presence-stream.ts'
import { RoomDirectory } from '../presence/room-directory.ts'
import { Roster } from '../presence/roster.ts'
import type { Claim } from '../protocol/proofs/credentials.ts'
import type { ServerStatus } from '../protocol/status.ts'
import { Clients } from './clients/clients.ts'
import { ClusterStatusCollector } from './cluster-status.ts'
import { type Context, log } from './context.ts'
import { MeshClock } from './mesh-clock.ts'
import { Links } from './peers/links.ts'
import { Membership } from './peers/membership.ts'
import { OutboundMessages } from './peers/outbound-messages.ts'
import { Peers } from './peers/peers.ts'
import { Router } from './router.ts'
import { statusOf } from './server-status.ts'
import type { Effect, Input, ServerOptions } from './types.ts'

/** A heartbeat that is late by more than this, ms, means that this process stalled. */
const STALL_THRESHOLD_MS = 1_000
/** A change of the mesh time that clients are told, ms. */
const TOLD_TIME_CHANGE_MS = 1_000
/** How long a draining server waits for its clients to disconnect, ms. */
const DRAIN_TIMEOUT_MS = 3_000
/** How long it then waits for a link to a peer that takes over its claims, ms since the start of the shutdown. */
const CLAIM_HANDOVER_TIMEOUT_MS = 8_000

/**
 * One server of the mesh as a state machine: `step` takes an input and the time, and returns effects. It has no clock,
 * socket or timer. The edge steps `tick` when `deadline` has passed, and `flush` at the end of each event-loop turn in
 * which `needsFlush` became true.
 */
export class MeshServer {
  readonly #context: Context
  readonly #membership: Membership
  readonly #links: Links
  readonly #clients: Clients
  readonly #router: Router
  readonly #clusterStatus: ClusterStatusCollector
  readonly #peers: Peers
  #drainDeadline = Number.POSITIVE_INFINITY
  #drainStartedAt = 0
  /** Whether a draining server waits only for a link on which it can hand over its claims. */
  #isHandingOver = false
  /** The offset of the mesh time that clients were told last. */
  #toldOffset = Number.NaN

  constructor(options: ServerOptions) {
    const context: Context = {
      options,
      directory: new Directory(),
      roster: new Roster(),
      rooms: new RoomDirectory(),
      rememberedClaims: new ClaimMemory(options.limits),
      stream: new PresenceStream(options.incarnation, options.entriesPerFrame),
      clock: new HybridClock(),
      meshClock: new MeshClock(options.id),
      messageCounts: { accepted: 0, roomAccepted: 0, refused: 0, forwarded: 0, delivered: 0 },
      startedAt: 0,
      now: 0,
      wall: 0,
      draining: false,
      needsFlush: false,
      effects: [],
    }
    const membership = new Membership(context)
    const links = new Links(context)
    const outboundMessages = new OutboundMessages(context, links, membership.peers)
    const clients = new Clients(context, membership.servers)
    const router = new Router(context, clients.connections, outboundMessages, clients, clients.rooms)
    const clusterStatus = new ClusterStatusCollector(context, clients, membership)
    this.#context = context
    this.#membership = membership
    this.#links = links
    this.#clients = clients
    this.#router = router
    this.#clusterStatus = clusterStatus
    this.#peers = new Peers(context, {
      membership,
      links,
      outboundMessages,
      users: clients,
      messages: router,
      statuses: clusterStatus,
    })
  }

  /** When `tick` is due; monotonic ms, Infinity if nothing is pending. */
  get deadline(): number {
    const { deadline } = this.#clusterStatus
    return Math.min(this.#clients.deadline, this.#peers.deadline, this.#router.deadline, deadline, this.#drainDeadline)
  }

  /** Whether to step `flush` at the end of this event-loop turn. */
  get needsFlush(): boolean {
    return this.#context.needsFlush
  }

  /** The users online in the whole mesh, sorted, as last published to clients. */
  get roster(): readonly string[] {
    return this.#context.roster.snapshot().users
  }

  /** Number of users online in the whole mesh, as last published to clients. */
  get onlineCount(): number {
    return this.#context.roster.size
  }

  /** The members of a room, sorted; none if it does not exist. */
  membersOf(room: string): string[] {
    return [...(this.#context.rooms.get(room)?.members ?? [])].sort()
  }

  /** Number of names that are held for the keys of offline users. */
  get rememberedClaims(): number {
    return this.#context.rememberedClaims.size
  }

  /** The status of this server. O(connections + rooms): do not read it per message. */
  get status(): ServerStatus {
    return statusOf(this.#context, this.#clients, this.#membership.distinctPeers)
  }

  /** Whether a user has identified on a connection. */
  isIdentified(connection: number): boolean {
    return this.#clients.connections.has(connection)
  }

  /** Whether this server knows that a name belongs to a key, at least since the time of a claim. */
  isClaimKnown(name: string, claim: Claim): boolean {
    return this.#clients.isClaimKnown(name, claim)
  }

  /** Whether a user is connected to a peer, as far as this server knows. */
  isUserOnPeer(peer: string, user: string): boolean {
    return this.#context.directory.isUserOnPeer(peer, user)
  }

  /** Whether a peer has a member of a room, as far as this server knows. */
  isRoomOnPeer(peer: string, room: string): boolean {
    return (this.#context.rooms.get(room)?.countOn(peer) ?? 0) > 0
  }

  /**
   * @param now monotonic time, ms
   * @param wall ms since 1970; may jump
   */
  step(input: Input, now: number, wall: number): Effect[] {
    const context = this.#context
    context.now = now
    context.wall = context.meshClock.read(now, wall)
    context.effects = []
    // After a stall, inputs that waited in sockets may arrive before any timer fires.
    const lateBy = now - this.#peers.nextHeartbeatAt
    if (lateBy > STALL_THRESHOLD_MS) {
      log(context, { event: 'stalled', ms: Math.round(lateBy) })
      this.#peers.resetTimeouts()
    }
    this.#handle(input)
    if (!(Math.abs(context.meshClock.offset - this.#toldOffset) <= TOLD_TIME_CHANGE_MS)) this.#tellTime()
    return context.effects
  }

  /** The mesh time has changed, other than by passing: tells the clients, which date messages by it. */
  #tellTime(): void {
    const context = this.#context
    this.#toldOffset = context.meshClock.offset
    context.wall = clampTime(context.now + this.#toldOffset)
    this.#clients.tellTime()
  }

  #handle(input: Input): void {
    switch (input.type) {
      case 'start':
        this.#context.startedAt = this.#context.now
        return this.#peers.start()
      case 'flush':
        return this.#flush()
      case 'tick':
        return this.#tick()
      case 'drain':
        return this.#drain()
      case 'configure':
        if (input.rooms !== undefined) this.#clients.rooms.configure(input.rooms)
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
      case 'typing':
        return this.#router.handleTyping(input)
      case 'join':
        return this.#clients.rooms.join(input)
      case 'part':
        return this.#clients.rooms.part(input)
      case 'rooms':
        return this.#clients.rooms.list(input.connection, input.call)
      case 'got': {
        const connection = this.#clients.connections.get(input.connection)
        if (connection !== undefined) this.#router.handleConfirmation(connection, input.count)
        return
      }
      case 'roster':
        return this.#clients.requests.sendRoster(input.connection, input.call)
      case 'watch':
        return this.#clients.rosterViews.watch(input)
      case 'names':
        return this.#clients.rosterViews.list(input)
      case 'find':
        return this.#clients.rosterViews.find(input)
      case 'survey':
        return this.#clusterStatus.handleRequest(input.connection, input.call)
      case 'key':
        return this.#clients.requests.sendKey(input)
      case 'claim':
        return this.#clients.requests.sendClaim(input.connection, input.call)
      case 'disconnected': {
        const connection = this.#clients.handleDisconnected(input.connection)
        if (connection !== undefined) this.#router.handleDisconnected(connection)
        if (this.#context.draining && this.#clients.connections.size === 0) this.#closeDrained()
        return
      }
      case 'dialled':
        this.#peers.outboundLinks.handleDialled(input)
        if (this.#isHandingOver) this.#finishDrain()
        return
      case 'dial-failed':
        return this.#peers.outboundLinks.handleDialFailed(input)
      case 'accepted':
        return this.#peers.inboundLinks.handleAccepted(input)
      case 'frame':
        return this.#peers.inboundFrames.handle(input.link, input.frame)
      case 'link-closed':
        return this.#links.handleClosed(input.link, input.reason)
      case 'id-in-use':
        return this.#peers.outboundLinks.exitBecauseOfId('is on the backbone')
      default:
        input satisfies never
    }
  }

  #flush(): void {
    this.#context.needsFlush = false
    this.#peers.applyPresence()
    this.#clients.flush()
    this.#router.flush()
    this.#peers.flush()
  }

  #tick(): void {
    this.#clients.tick()
    this.#router.tick()
    this.#peers.tick()
    this.#clusterStatus.tick()
    if (this.#drainDeadline <= this.#context.now) this.#closeDrained()
  }

  #drain(): void {
    if (this.#context.draining) return
    const clients = this.#clients.connections.size
    this.#context.draining = true
    this.#drainStartedAt = this.#context.now
    this.#drainDeadline = this.#context.now + DRAIN_TIMEOUT_MS
    log(this.#context, { event: 'draining', clients })
    this.#clients.askToMove()
    if (this.#holdsClaims) this.#peers.outboundLinks.dialNow()
    if (clients === 0) this.#closeDrained()
  }

  /** Whether this server knows which keys hold names, and would take this knowledge along. */
  get #holdsClaims(): boolean {
    const { options, directory, rememberedClaims } = this.#context
    return options.auth === 'key' && directory.userCount + rememberedClaims.size > 0
  }

  /** Closes the remaining connections. Exits, or waits for a link to a peer that takes over the claims. */
  #closeDrained(): void {
    if (this.#drainDeadline === Number.POSITIVE_INFINITY) return
    const handoverDeadline = this.#drainStartedAt + CLAIM_HANDOVER_TIMEOUT_MS
    const mustHandOver = this.#holdsClaims && this.#membership.hasOthers && this.#membership.isIsolated
    if (!mustHandOver || handoverDeadline <= this.#context.now) return this.#finishDrain()
    this.#clients.closeAll('draining')
    this.#isHandingOver = true
    this.#drainDeadline = handoverDeadline
  }

  /** Says goodbye to the peers, and exits. */
  #finishDrain(): void {
    this.#isHandingOver = false
    this.#drainDeadline = Number.POSITIVE_INFINITY
    this.#clients.closeAll('draining')
    this.#peers.flush()
    this.#peers.handOverClaims()
    this.#peers.goodbye()
    this.#context.effects.push({ type: 'exit', code: 0, reason: 'drained' })
  }
}
