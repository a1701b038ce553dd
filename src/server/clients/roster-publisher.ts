import { ConnectionCounts } from '../../presence/connection-counts.ts'
import { exceeds } from '../../protocol/limits.ts'
import type { Connections } from '../../protocol/messages.ts'
import { type Context, log } from '../context.ts'
import type { Connection } from './connection.ts'
import { PublishSchedule } from './publish-schedule.ts'
import { RosterViews } from './roster-views.ts'

/** A version has at most this number of changes, some 10 ms of work; the rest follows in the next turns of the event loop. */
const MAX_CHANGES = 1_000

/** Publishes changes of the roster and of connection counts to clients, batched by the publish schedule. */
export class RosterPublisher {
  readonly #context: Context
  readonly #connections: ReadonlyMap<number, Connection>
  readonly #connectionCounts = new ConnectionCounts()
  readonly #schedule = new PublishSchedule()
  /** The connections that hold the whole roster; the others hold a view. */
  readonly #wholeHolders = new Set<number>()
  readonly views: RosterViews
  /** Clients with a view that were told of the last versions: their number, halved with each version. */
  #recentViewers = 0
  /** Original clients that identified since the last publish: they get the list even if it did not change. */
  #awaitingList = new Set<number>()
  /** Whether the list has changed since original clients got it: they get it whole, so only when all changes are published. */
  #isListOutdated = false
  #publishAt = Number.POSITIVE_INFINITY

  /** @param connections the identified connections */
  constructor(context: Context, connections: ReadonlyMap<number, Connection>) {
    this.#context = context
    this.#connections = connections
    this.views = new RosterViews(context, connections, this.#connectionCounts)
  }

  /** When the next version is due; monotonic ms, Infinity if nothing changed. */
  get deadline(): number {
    return Math.min(this.#publishAt, this.views.deadline)
  }

  /** Users with more than one connection, as last published. */
  get connectionCounts(): Connections {
    return this.#connectionCounts.snapshot()
  }

  /** Marks a user whose number of connections changed, here or on a peer. */
  markChanged(name: string): void {
    this.#context.roster.markChanged(name)
    this.#connectionCounts.markChanged(name)
    this.#schedulePublish()
  }

  /** A connection has identified: it holds a view if the roster is long and the client takes one. */
  handleConnected(connection: Connection): void {
    if (connection.takesViews && this.#isLong) this.views.add(connection)
    else this.#wholeHolders.add(connection.id)
  }

  /** Whether a connection holds the whole roster. */
  holdsWhole(connection: number): boolean {
    return this.#wholeHolders.has(connection)
  }

  /** Sends the list to an original client with the next publish. */
  requestList(connection: number): void {
    this.#awaitingList.add(connection)
    this.#schedulePublish()
  }

  handleDisconnected(connection: Connection): void {
    this.#awaitingList.delete(connection.id)
    if (!this.#wholeHolders.delete(connection.id)) this.views.handleDisconnected(connection)
  }

  tick(): void {
    if (this.#publishAt <= this.#context.now) this.#publish()
    this.views.tick()
  }

  get #isLong(): boolean {
    return exceeds(this.#context.roster.size, this.#context.options.limits.wholeRoster)
  }

  /** Number of clients that a version costs. */
  get #audience(): number {
    return this.#wholeHolders.size + this.#recentViewers
  }

  #schedulePublish(): void {
    if (this.#publishAt < Number.POSITIVE_INFINITY) return
    this.#publishAt = this.#schedule.nextPublishAt(this.#context.now, this.#audience)
  }

  /** Publishes one version: a delta to protocol 2 clients, the whole list to original clients. */
  #publish(): void {
    const { roster, directory, effects } = this.#context
    this.#publishAt = Number.POSITIVE_INFINITY
    const delta = roster.publish(directory.isOnline, MAX_CHANGES)
    const isComplete = roster.changedCount === 0
    if (!isComplete) this.#publishAt = this.#context.now
    if (this.#isLong) this.#convertToViews()
    const viewers = delta === undefined ? 0 : this.views.publish(delta)
    this.#recentViewers = Math.max(viewers, Math.floor(this.#recentViewers / 2))
    this.#publishConnectionCounts()
    this.#isListOutdated ||= delta !== undefined
    const lists = isComplete ? this.#takeListReaders() : []
    const deltas = delta === undefined ? [] : [...this.#wholeHolders].filter(id => !this.#isOriginal(id))
    const told = lists.length + deltas.length + viewers
    if (told === 0) return
    this.#schedule.recordPublish(this.#context.now, this.#audience)
    log(this.#context, { event: 'updating-clients', clients: told, online: roster.size })
    if (delta !== undefined && deltas.length > 0) {
      effects.push({ type: 'emit', to: deltas, message: { event: 'roster', payload: delta } })
    }
    if (lists.length > 0) {
      const list = roster.snapshot().users
      effects.push({ type: 'emit', to: lists, message: { event: 'update_client', payload: { list } } })
    }
  }

  /** The original clients that get the list now. */
  #takeListReaders(): number[] {
    const all = this.#isListOutdated ? this.#wholeHolders : this.#awaitingList
    const readers = [...all].filter(id => this.#isOriginal(id))
    this.#isListOutdated = false
    this.#awaitingList.clear()
    return readers
  }

  #isOriginal(connection: number): boolean {
    return this.#connections.get(connection)?.protocol === 1
  }

  /** The roster has become long: the clients that take a view hold one from now on. */
  #convertToViews(): void {
    const to: number[] = []
    for (const id of this.#wholeHolders) {
      const connection = this.#connections.get(id)
      if (connection?.takesViews !== true) continue
      this.#wholeHolders.delete(id)
      this.views.add(connection)
      to.push(id)
    }
    if (to.length === 0) return
    const payload = { total: this.#context.roster.size, reset: true as const }
    this.#context.effects.push({ type: 'emit', to, message: { event: 'view', payload } })
  }

  /** Sends changed connection counts to the clients that subscribed to them. */
  #publishConnectionCounts(): void {
    const changes = this.#connectionCounts.publish(name => this.#context.directory.connectionCount(name), MAX_CHANGES)
    if (changes.length === 0) return
    this.views.publishConnections(changes)
    const to = [...this.#wholeHolders].filter(id => {
      const connection = this.#connections.get(id)
      return connection?.protocol === 2 && connection.wantsConnectionCounts
    })
    if (to.length > 0)
      this.#context.effects.push({ type: 'emit', to, message: { event: 'connections', payload: changes } })
  }
}
