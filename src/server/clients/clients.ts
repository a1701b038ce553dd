import { isLoopbackAddress } from '../../common/loopback.ts'
import { ConnectionCounts } from '../../presence/connection-counts.ts'
import { exceeds } from '../../protocol/limits.ts'
import type { ErrorCode, KeyHolder, Refusal, RosterSnapshot, ServerAddress } from '../../protocol/messages.ts'
import { parseUserName } from '../../protocol/names.ts'
import { type Context, log } from '../context.ts'
import type { ClientEvent, ClientInput } from '../types.ts'
import { AddressCounts } from './address-counts.ts'
import { Admission, type Denial } from './admission.ts'
import { Connection } from './connection.ts'
import { PublishSchedule } from './publish-schedule.ts'

/** A connection whose identification is refused so often is closed. */
const MAX_REFUSALS = 10

/** This server's connections: who they are, and what they are told of the roster. */
export class Clients {
  readonly #context: Context
  readonly #servers: () => ServerAddress[]
  #connections = new Map<number, Connection>()
  /** Connections that have not said who they are, with the time when patience ends; oldest first. */
  #unidentified = new Map<number, { deadline: number; refusals: number; askedRoster: boolean; isLoopback: boolean }>()
  readonly #addressCounts = new AddressCounts()
  readonly #admission: Admission
  /** Original clients, which want the list when they identify even if it did not change. */
  #awaitingList = new Set<number>()
  readonly #connectionCounts = new ConnectionCounts()
  #publishAt = Number.POSITIVE_INFINITY
  readonly #publishSchedule = new PublishSchedule()

  constructor(context: Context, servers: () => ServerAddress[]) {
    this.#context = context
    this.#servers = servers
    this.#admission = new Admission(context)
  }

  get size(): number {
    return this.#connections.size
  }

  /** Connections with more than so many messages that they have not confirmed. */
  countSlow(unconfirmed: number): number {
    let slow = 0
    for (const connection of this.#connections.values()) if (connection.unconfirmedCount > unconfirmed) slow++
    return slow
  }

  get deadline(): number {
    const deadline = Math.min(this.#publishAt, this.#admission.deadline)
    for (const { deadline: until } of this.#unidentified.values()) return Math.min(until, deadline)
    return deadline
  }

  get(connection: number): Connection | undefined {
    return this.#connections.get(connection)
  }

  /** @param address where it comes from, if that is known */
  handleConnected(id: number, address?: string): void {
    const { now, options, draining } = this.#context
    const { connections, connectionsPerAddress, identifyMs } = options.limits
    if (draining) return this.#close(id, 'draining')
    if (exceeds(this.#connections.size + this.#unidentified.size + 1, connections)) {
      return this.#refuseConnection(id, 'the server is full')
    }
    if (address !== undefined && !this.#addressCounts.tryAdd(id, address, connectionsPerAddress)) {
      return this.#refuseConnection(id, `too many come from ${address}`)
    }
    this.#unidentified.set(id, {
      deadline: identifyMs > 0 ? now + identifyMs : Number.POSITIVE_INFINITY,
      refusals: 0,
      askedRoster: false,
      isLoopback: address !== undefined && isLoopbackAddress(address),
    })
  }

  handleIdentify(input: Extract<ClientInput, { type: 'identify' }>): void {
    const context = this.#context
    const { options, directory } = context
    const known = this.#connections.get(input.connection)
    // It was closed already, for want of room or of patience; this came before it noticed.
    if (known === undefined && !this.#unidentified.has(input.connection)) return
    const name = parseUserName(input.user)
    if (!name.ok) return this.#refuseIdentify(input, 'bad-name', name.reason)
    if (context.draining) return this.#refuseIdentify(input, 'draining', 'this server is shutting down; use another')
    if (known !== undefined && known.user !== name.value) {
      return this.#refuseIdentify(input, 'already-identified', 'this connection has identified as another user')
    }
    // Each answer holds the whole roster: a known connection pays for it as for a message.
    const wait = known?.rateLimiter.take(context.now) ?? 0
    if (wait > 0) return this.#refuseIdentify(input, 'rate-limited', `too many events; wait ${wait} ms`)
    if (known === undefined) {
      const denied = this.#admission.check(name.value, input.credential)
      if (denied !== undefined) return this.#refuseIdentify(input, denied.code, denied.message)
      if (exceeds(directory.connectionsOf(name.value).length + 1, options.limits.connectionsPerUser)) {
        const most = `a user may have ${options.limits.connectionsPerUser} connections to a server`
        return this.#refuseIdentify(input, 'too-many-connections', most)
      }
      const { connection: id, protocol, connections = false } = input
      this.#admission.admit(id, name.value, input.credential)
      this.#addConnection(new Connection(id, name.value, protocol, connections, options.limits, context.now))
    }
    if (input.protocol === 1) {
      this.#awaitingList.add(input.connection)
      this.#schedulePublish()
    }
    if (input.call === undefined) return
    context.effects.push({
      type: 'answer',
      connection: input.connection,
      call: input.call,
      payload: {
        ok: true,
        server: options.id,
        incarnation: options.incarnation,
        connection: `${options.id}:${input.connection}`,
        roster: context.roster.snapshot(),
        ...(input.connections === true ? { connections: this.#connectionCounts.snapshot() } : {}),
        ...(options.auth === 'open' ? {} : { auth: options.auth }),
        time: context.wall,
        servers: this.#servers(),
      },
    })
  }

  /** A client asks for the whole roster; one that has not said who it is may ask once. */
  handleRosterRequest(id: number, call: number): void {
    const { effects, now, roster, options } = this.#context
    const answer = (payload: RosterSnapshot | Refusal) => {
      effects.push({ type: 'answer', connection: id, call, payload })
    }
    const connection = this.#connections.get(id)
    if (connection === undefined) {
      const unidentified = this.#unidentified.get(id)
      if (unidentified === undefined || unidentified.askedRoster) {
        return answer({ ok: false, code: 'not-identified', message: 'identify first' })
      }
      if (options.auth !== 'open') {
        return answer({ ok: false, code: 'unauthorized', message: 'this mesh tells only its users who is online' })
      }
      unidentified.askedRoster = true
      return answer(roster.snapshot())
    }
    const wait = connection.rateLimiter.take(now)
    if (wait === 0) return answer(roster.snapshot())
    answer({ ok: false, code: 'rate-limited', message: `too many events; wait ${wait} ms`, retryAfter: wait })
  }

  /** Why a connection may not be told how the mesh stands; undefined: it may. */
  checkStatusAccess(id: number): Denial | undefined {
    if (this.#connections.has(id)) return undefined
    const unidentified = this.#unidentified.get(id)
    if (unidentified === undefined) return { code: 'not-identified', message: 'identify first' }
    if (unidentified.isLoopback || this.#context.options.auth === 'open') return undefined
    return { code: 'unauthorized', message: 'this mesh tells only its users, and its own machines, how it stands' }
  }

  /** A client asks which key holds a name. */
  handleKeyRequest({ connection: id, user, call }: Extract<ClientInput, { type: 'key' }>): void {
    const { effects, now } = this.#context
    const answer = (payload: KeyHolder) => void effects.push({ type: 'answer', connection: id, call, payload })
    const connection = this.#connections.get(id)
    if (connection === undefined) return answer({ ok: false, code: 'not-identified', message: 'identify first' })
    const name = parseUserName(user)
    if (!name.ok) return answer({ ok: false, code: 'bad-name', message: name.reason })
    const wait = connection.rateLimiter.take(now)
    if (wait > 0) {
      return answer({ ok: false, code: 'rate-limited', message: `too many events; wait ${wait} ms`, retryAfter: wait })
    }
    const claim = this.#admission.oldestClaim(name.value)
    answer(claim === undefined ? { ok: true } : { ok: true, key: claim.key })
  }

  /** The connection is gone; answers with what it was, for its deliveries. */
  handleDisconnected(id: number): Connection | undefined {
    this.#unidentified.delete(id)
    this.#addressCounts.remove(id)
    this.#admission.release(id)
    this.#awaitingList.delete(id)
    const connection = this.#connections.get(id)
    if (connection === undefined) return undefined
    this.#connections.delete(id)
    const left = this.#context.directory.removeConnection(connection)
    log(this.#context, { event: 'user-disconnected', user: connection.user, connections: left })
    this.#recordPresenceChange(connection.user, left)
    return connection
  }

  /** Marks that a name's connections changed, here or on a peer. */
  handlePresenceChange(name: string): void {
    this.#context.directory.invalidateHolders(name)
    this.#context.roster.markChanged(name)
    this.#connectionCounts.markChanged(name)
    this.#context.siblingsToNotify.add(name)
    this.#context.needsFlush = true
    this.#schedulePublish()
    this.#admission.handlePresenceChange(name)
    if (this.#admission.hasLostName(name)) this.#releaseName(name)
  }

  /** Tells the clients of users whose connections changed in this turn that there are others to compare with. */
  flush(): void {
    const { siblingsToNotify, directory } = this.#context
    for (const name of siblingsToNotify) {
      const connections = directory.connectionsOf(name)
      if (connections.length > 0) {
        const payload = { connections: directory.connectionCount(name) }
        this.emitToProtocol2(connections, { event: 'siblings', payload })
      }
    }
    siblingsToNotify.clear()
  }

  tick(): void {
    const { now } = this.#context
    if (this.#publishAt <= now) this.#publishRoster()
    for (const id of this.#admission.takeExpired()) {
      this.#evict(id, 'unauthorized', 'the token has expired; get a new one')
    }
    for (const [id, { deadline }] of this.#unidentified) {
      if (deadline > now) break
      this.#unidentified.delete(id)
      this.#close(id, 'it did not identify itself in time')
    }
  }

  /** Asks every client to go to another server. */
  askToMove(): void {
    const servers = this.#servers().filter(server => server.id !== this.#context.options.id)
    this.emitToProtocol2([...this.#connections.values()], { event: 'move', payload: { servers } })
    for (const id of this.#unidentified.keys()) this.#close(id, 'draining')
  }

  closeAll(reason: string): void {
    for (const id of [...this.#connections.keys(), ...this.#unidentified.keys()]) this.#close(id, reason)
  }

  /** Emits to those of the connections that speak protocol 2. */
  emitToProtocol2(connections: readonly Connection[], message: ClientEvent): void {
    const to: number[] = []
    for (const connection of connections) if (connection.protocol === 2) to.push(connection.id)
    if (to.length > 0) this.#context.effects.push({ type: 'emit', to, message })
  }

  /** Two held a name in two parts of the mesh that did not see each other: the claim here is the younger. */
  #releaseName(name: string): void {
    const why = `${name} was taken with another key before you took it, in a part of the mesh that was out of sight`
    for (const { id } of [...this.#context.directory.connectionsOf(name)]) this.#evict(id, 'name-taken', why)
  }

  /** Tells a connection why it may not be who it said any more, and closes it. */
  #evict(id: number, code: ErrorCode, message: string): void {
    const refused: ClientEvent = { event: 'refused', payload: { ok: false, code, message, event: 'identify' } }
    this.#context.effects.push({ type: 'emit', to: [id], message: refused })
    log(this.#context, { event: 'connection-refused', code, reason: message })
    this.#close(id, message)
  }

  #addConnection(connection: Connection): void {
    this.#unidentified.delete(connection.id)
    this.#connections.set(connection.id, connection)
    const connections = this.#context.directory.addConnection(connection)
    log(this.#context, { event: 'user-connected', user: connection.user, connections })
    this.#recordPresenceChange(connection.user, connections)
    // Who is alone need not be told so: a client that has just come takes itself for that.
    const { directory, siblingsToNotify } = this.#context
    if (connections === 1 && directory.connectionCount(connection.user) === 1) siblingsToNotify.delete(connection.user)
  }

  #recordPresenceChange(user: string, connections: number): void {
    this.#context.stream.recordChange(user, connections)
    this.handlePresenceChange(user)
    log(this.#context, { event: 'updating-peers', user })
  }

  #schedulePublish(): void {
    if (this.#publishAt < Number.POSITIVE_INFINITY) return
    this.#publishAt = this.#publishSchedule.nextPublishAt(this.#context.now, this.#connections.size)
  }

  /** Gives the roster's changes to every client: once, and the same object to all of a kind. */
  #publishRoster(): void {
    const { roster, directory, effects } = this.#context
    this.#publishAt = Number.POSITIVE_INFINITY
    const delta = roster.publish(directory.isOnline)
    this.#publishConnectionCounts()
    const lists: number[] = []
    const deltas: number[] = []
    if (delta === undefined) lists.push(...this.#awaitingList)
    else for (const { id, protocol } of this.#connections.values()) (protocol === 1 ? lists : deltas).push(id)
    this.#awaitingList.clear()
    if (lists.length + deltas.length === 0) return
    this.#publishSchedule.recordPublish(this.#context.now, this.#connections.size)
    log(this.#context, { event: 'updating-clients', clients: lists.length + deltas.length, online: roster.size })
    if (delta !== undefined && deltas.length > 0) {
      effects.push({ type: 'emit', to: deltas, message: { event: 'roster', payload: delta } })
    }
    if (lists.length > 0) {
      const list = roster.snapshot().users
      effects.push({ type: 'emit', to: lists, message: { event: 'update_client', payload: { list } } })
    }
  }

  /** Gives the changed numbers of connections to those who asked for them. */
  #publishConnectionCounts(): void {
    const changes = this.#connectionCounts.publish(name => this.#context.directory.connectionCount(name))
    if (changes.length === 0) return
    const subscribers = [...this.#connections.values()].filter(connection => connection.wantsConnectionCounts)
    this.emitToProtocol2(subscribers, { event: 'connections', payload: changes })
  }

  #refuseConnection(id: number, reason: string): void {
    log(this.#context, { event: 'connection-refused', code: 'too-many-connections', reason })
    this.#close(id, reason)
  }

  #refuseIdentify(input: Extract<ClientInput, { type: 'identify' }>, code: ErrorCode, message: string): void {
    const { effects } = this.#context
    const payload: Refusal = { ok: false, code, message }
    const unidentified = this.#unidentified.get(input.connection)
    // What a known connection asks for in vain is its own affair, and no news for the log.
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
