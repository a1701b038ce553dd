import { isLoopbackAddress } from '../../common/loopback.ts'
import type { MembershipChange } from '../../presence/replica.ts'
import type { RememberedClaims } from '../../protocol/frames.ts'
import { exceeds } from '../../protocol/limits.ts'
import type { ErrorCode, Refusal, ServerAddress } from '../../protocol/messages.ts'
import { parseUserName } from '../../protocol/names.ts'
import type { Claim } from '../../protocol/proofs/credentials.ts'
import { isRoom } from '../../protocol/rooms.ts'
import { type Context, emitToProtocol2, log, type UserObserver } from '../context.ts'
import { Rooms } from '../rooms/rooms.ts'
import type { ClientEvent, ClientInput } from '../types.ts'
import { AddressCounts } from './address-counts.ts'
import { Admission } from './admission.ts'
import { ClientRequests, type UnidentifiedConnection } from './client-requests.ts'
import { Connection } from './connection.ts'
import { RosterPublisher } from './roster-publisher.ts'
import type { RosterViews } from './roster-views.ts'

/** Refused identifications before the server closes the connection. */
const MAX_REFUSALS = 10
/** How long a server that has just started waits for the claims of its peers before it gives names away, ms. */
const CLAIM_SYNC_MS = 2_000

type IdentifyInput = Extract<ClientInput, { type: 'identify' }>

/** The connections of clients: admission, identification, requests, and notifications about their users. */
export class Clients implements UserObserver {
  readonly #context: Context
  readonly #servers: () => ServerAddress[]
  readonly #connections = new Map<number, Connection>()
  /** Connections that have not identified yet, oldest first. */
  readonly #unidentified = new Map<number, UnidentifiedConnection>()
  /**
   * Identifications that wait, by connection: for the claims of peers, because this server has just started, or until the
   * connections of another key are closed.
   */
  readonly #deferredIdentifies = new Map<number, IdentifyInput>()
  #isSynced = false
  readonly #addressCounts = new AddressCounts()
  readonly #admission: Admission
  readonly #rosterPublisher: RosterPublisher
  /** Answers the requests of clients that read the state of the mesh. */
  readonly requests: ClientRequests
  readonly rooms: Rooms
  /** Users whose clients are told at the end of the turn to compare histories. */
  #siblingsToNotify = new Set<string>()

  /** @param servers returns the servers that clients may connect to */
  constructor(context: Context, servers: () => ServerAddress[]) {
    this.#context = context
    this.#servers = servers
    this.#admission = new Admission(context)
    this.#rosterPublisher = new RosterPublisher(context, this.#connections)
    this.rooms = new Rooms(context, this.#connections)
    this.requests = new ClientRequests(context, this.#connections, this.#unidentified, this.#admission)
  }

  /** What the clients that hold a view of the roster ask for. */
  get rosterViews(): RosterViews {
    return this.#rosterPublisher.views
  }

  /** The identified connections. */
  get connections(): ReadonlyMap<number, Connection> {
    return this.#connections
  }

  get deadline(): number {
    const isWaiting = this.#deferredIdentifies.size > 0 && !this.#isSynced
    const syncDeadline = isWaiting ? this.#syncDeadline : Number.POSITIVE_INFINITY
    const deadline = Math.min(
      this.#rosterPublisher.deadline,
      this.#admission.deadline,
      this.rooms.deadline,
      syncDeadline,
    )
    for (const unidentified of this.#unidentified.values()) return Math.min(unidentified.deadline, deadline)
    return deadline
  }

  /** @param address remote network address, if known */
  handleConnected(id: number, address?: string): void {
    const { now, options, draining } = this.#context
    const { connections, connectionsPerAddress, identifyMs } = options.limits
    if (draining) return this.#close(id, 'draining')
    if (exceeds(this.#connections.size + this.#unidentified.size + 1, connections)) {
      return this.#refuseConnection(id, 'too many connections to this server')
    }
    if (address !== undefined && !this.#addressCounts.tryAdd(id, address, connectionsPerAddress)) {
      return this.#refuseConnection(id, `too many connections from ${address}`)
    }
    this.#unidentified.set(id, {
      deadline: identifyMs > 0 ? now + identifyMs : Number.POSITIVE_INFINITY,
      refusals: 0,
      askedRoster: false,
      isLoopback: address !== undefined && isLoopbackAddress(address),
    })
  }

  handleIdentify(input: IdentifyInput): void {
    const context = this.#context
    const { options, directory } = context
    const known = this.#connections.get(input.connection)
    // The server has already closed this connection, and the edge had the event in its queue.
    if (known === undefined && !this.#unidentified.has(input.connection)) return
    const name = parseUserName(input.user)
    if (!name.ok) return this.#refuseIdentify(input, 'bad-name', name.reason)
    if (context.draining) {
      return this.#refuseIdentify(input, 'draining', 'this server is shutting down; connect to another server')
    }
    if (input.denial !== undefined) return this.#refuseIdentify(input, input.denial.code, input.denial.message)
    if (known !== undefined && known.user !== name.value) {
      return this.#refuseIdentify(input, 'already-identified', `this connection is already identified as ${known.user}`)
    }
    // Each answer contains the whole roster, so an identified connection pays for it as for a message.
    const wait = known?.takeToken(context.now) ?? 0
    if (wait > 0) return this.#refuseIdentify(input, 'rate-limited', `too many requests; retry in ${wait} ms`)
    if (known === undefined) {
      if (this.#mustDefer(name.value, input)) return this.#defer(input)
      const denied = this.#admission.check(name.value, input.credential)
      if (denied !== undefined) return this.#refuseIdentify(input, denied.code, denied.message)
      const { connectionsPerUser } = options.limits
      if (exceeds(directory.connectionsOf(name.value).length + 1, connectionsPerUser)) {
        const message = `${name.value} already has ${connectionsPerUser} connections to this server; close one first`
        return this.#refuseIdentify(input, 'too-many-connections', message)
      }
      if (this.#admission.mustDisplace(name.value, input.credential)) {
        this.#releaseName(name.value)
        return this.#defer(input)
      }
      const { connection: id } = input
      this.#admission.admit(id, name.value, input.credential)
      const allowedRooms = input.credential?.kind === 'token' ? input.credential.rooms : undefined
      this.#addConnection(new Connection(id, name.value, input, options.limits, allowedRooms))
    }
    if (input.protocol === 1) this.#rosterPublisher.requestList(input.connection)
    if (input.call === undefined) return
    const holdsWhole = this.#rosterPublisher.holdsWhole(input.connection)
    context.effects.push({
      type: 'answer',
      connection: input.connection,
      call: input.call,
      payload: {
        ok: true,
        server: options.id,
        incarnation: options.incarnation,
        connection: `${options.id}:${input.connection}`,
        roster: holdsWhole ? context.roster.snapshot() : context.roster.emptyView(),
        ...(input.connections === true && holdsWhole ? { connections: this.#rosterPublisher.connectionCounts } : {}),
        ...(options.auth === 'open' ? {} : { auth: options.auth }),
        time: context.wall,
        ...(options.limits.textBytes > 0 ? { textBytes: options.limits.textBytes } : {}),
        ...(input.rooms === true ? { rooms: true as const } : {}),
        ...(input.typing === undefined ? {} : { typing: true as const }),
        servers: this.#servers(),
      },
    })
  }

  /** All known peers have sent their users and the claims that they remember. */
  handlePeersSynced(): void {
    this.#isSynced = true
    this.#resumeIdentifies()
  }

  get #syncDeadline(): number {
    return this.#context.startedAt + CLAIM_SYNC_MS
  }

  /** Whether to wait with an identification: a peer may know that the name belongs to another key. */
  #mustDefer(name: string, { credential }: IdentifyInput): boolean {
    const { now, options } = this.#context
    if (this.#isSynced || credential?.kind !== 'key' || now >= this.#syncDeadline) return false
    const { seeds = [], backbone = [] } = options
    const hasPeers = this.#servers().length > 1 || seeds.length + backbone.length > 0
    return hasPeers && !this.#admission.isHeld(name, credential)
  }

  #defer(input: IdentifyInput): void {
    if (!this.#deferredIdentifies.has(input.connection)) {
      this.#deferredIdentifies.set(input.connection, input)
      return
    }
    this.#refuseIdentify(input, 'rate-limited', 'another identification of this connection is under way; wait for it')
  }

  #resumeIdentifies(): void {
    const inputs = [...this.#deferredIdentifies.values()]
    this.#deferredIdentifies.clear()
    for (const input of inputs) this.handleIdentify(input)
  }

  /** Whether a name belongs to a key, at least since the time of a claim. */
  isClaimKnown(name: string, { key, at }: Claim): boolean {
    const known = this.#admission.oldestClaim(name)
    return known?.key === key && known.at <= at
  }

  /** Forgets a closed connection. Returns it if it was identified. */
  handleDisconnected(id: number): Connection | undefined {
    this.#unidentified.delete(id)
    this.#deferredIdentifies.delete(id)
    this.#addressCounts.remove(id)
    this.#admission.release(id)
    const connection = this.#connections.get(id)
    if (connection === undefined) return undefined
    this.#connections.delete(id)
    this.#rosterPublisher.handleDisconnected(connection)
    this.rooms.handleDisconnected(connection)
    const { directory } = this.#context
    const claim = directory.ownClaim(connection.user)
    const left = directory.removeConnection(connection)
    log(this.#context, { event: 'user-disconnected', user: connection.user, connections: left })
    this.#recordPresenceChange(connection.user, left, left === 0 ? claim : undefined)
    if (left === 0) this.#resumeIdentifies()
    return connection
  }

  handlePresenceChange(name: string, lostClaim?: Claim): void {
    this.#rosterPublisher.markChanged(name)
    this.notifySiblings(name)
    this.#admission.handlePresenceChange(name, lostClaim)
    if (this.#admission.hasLostName(name)) this.#releaseName(name)
  }

  handleClaims(claims: RememberedClaims): void {
    for (const name of this.#admission.mergeClaims(claims)) {
      if (this.#admission.hasLostName(name)) this.#releaseName(name)
    }
  }

  handleMemberships(peer: string, changes: readonly MembershipChange[]): void {
    this.rooms.handleMemberships(peer, changes)
  }

  notifySiblings(name: string): void {
    if (isRoom(name)) return this.rooms.notifyMissed(name)
    if (this.#context.directory.connectionsOf(name).length === 0) return
    this.#siblingsToNotify.add(name)
    this.#context.needsFlush = true
  }

  /** Sends the sibling notifications of this turn. */
  flush(): void {
    const { directory } = this.#context
    for (const name of this.#siblingsToNotify) {
      const connections = directory.connectionsOf(name)
      if (connections.length === 0) continue
      const payload = { connections: directory.connectionCount(name) }
      emitToProtocol2(this.#context, connections, { event: 'siblings', payload })
    }
    this.#siblingsToNotify.clear()
    this.rooms.flush()
  }

  tick(): void {
    const { now } = this.#context
    this.#rosterPublisher.tick()
    this.rooms.tick()
    this.#admission.forgetClaims()
    if (!this.#isSynced && this.#syncDeadline <= now) this.handlePeersSynced()
    for (const id of this.#admission.takeExpired()) {
      this.#evict(id, 'unauthorized', 'the token has expired; get a new one')
    }
    for (const [id, { deadline }] of this.#unidentified) {
      if (deadline > now) break
      this.#unidentified.delete(id)
      this.#close(id, 'not identified in time')
    }
  }

  /** Asks all clients to connect to another server. */
  askToMove(): void {
    const servers = this.#servers().filter(server => server.id !== this.#context.options.id)
    emitToProtocol2(this.#context, this.#connections.values(), { event: 'move', payload: { servers } })
    for (const id of this.#unidentified.keys()) this.#close(id, 'draining')
  }

  /** Tells the mesh time to all clients: it has changed. */
  tellTime(): void {
    const time = this.#context.wall
    emitToProtocol2(this.#context, this.#connections.values(), { event: 'time', payload: { time } })
  }

  closeAll(reason: string): void {
    for (const id of [...this.#connections.keys(), ...this.#unidentified.keys()]) this.#close(id, reason)
  }

  /** Evicts the local connections of a name: an older claim with another key appeared when a partition healed. */
  #releaseName(name: string): void {
    const message = `${name} was claimed earlier with another key, in another part of the mesh`
    for (const { id } of [...this.#context.directory.connectionsOf(name)]) this.#evict(id, 'name-taken', message)
  }

  /** Withdraws a connection's identity: tells it why, and closes it. */
  #evict(id: number, code: ErrorCode, message: string): void {
    const refused: ClientEvent = { event: 'refused', payload: { ok: false, code, message, event: 'identify' } }
    this.#context.effects.push({ type: 'emit', to: [id], message: refused })
    log(this.#context, { event: 'connection-refused', code, reason: message })
    this.#close(id, message)
  }

  #addConnection(connection: Connection): void {
    const { directory } = this.#context
    const { id, user } = connection
    this.#unidentified.delete(id)
    this.#connections.set(id, connection)
    this.#rosterPublisher.handleConnected(connection)
    const connections = directory.addConnection(connection)
    log(this.#context, { event: 'user-connected', user, connections })
    this.#recordPresenceChange(user, connections)
    // A client assumes that it has no siblings until it is told otherwise.
    if (connections === 1 && directory.connectionCount(user) === 1) this.#siblingsToNotify.delete(user)
  }

  #recordPresenceChange(user: string, connections: number, lostClaim?: Claim): void {
    this.#context.stream.recordChange(user, connections)
    this.#context.needsFlush = true
    this.handlePresenceChange(user, lostClaim)
    log(this.#context, { event: 'updating-peers', user })
  }

  #refuseConnection(id: number, reason: string): void {
    log(this.#context, { event: 'connection-refused', code: 'too-many-connections', reason })
    this.#close(id, reason)
  }

  #refuseIdentify(input: IdentifyInput, code: ErrorCode, message: string): void {
    const { effects } = this.#context
    const payload: Refusal = { ok: false, code, message }
    const unidentified = this.#unidentified.get(input.connection)
    // Log only connections that never identified: a known user's failed request is not an incident.
    if (unidentified !== undefined) log(this.#context, { event: 'connection-refused', code, reason: message })
    if (unidentified !== undefined && ++unidentified.refusals >= MAX_REFUSALS) this.#close(input.connection, message)
    if (input.call !== undefined) {
      effects.push({ type: 'answer', connection: input.connection, call: input.call, payload })
    } else {
      const refused: ClientEvent = { event: 'refused', payload: { ...payload, event: 'identify' } }
      effects.push({ type: 'emit', to: [input.connection], message: refused })
    }
  }

  #close(connection: number, reason: string): void {
    this.#context.effects.push({ type: 'close', connection, reason })
  }
}
