import { ConnectionCounts } from '../../presence/connection-counts.ts'
import type { Connections } from '../../protocol/messages.ts'
import { type Context, emitToProtocol2, log } from '../context.ts'
import type { Connection } from './connection.ts'
import { PublishSchedule } from './publish-schedule.ts'

/** Publishes changes of the roster and of connection counts to clients, batched by the publish schedule. */
export class RosterPublisher {
  readonly #context: Context
  readonly #connections: ReadonlyMap<number, Connection>
  readonly #connectionCounts = new ConnectionCounts()
  readonly #schedule = new PublishSchedule()
  /** Original clients that identified since the last publish: they get the list even if it did not change. */
  #awaitingList = new Set<number>()
  #publishAt = Number.POSITIVE_INFINITY

  /** @param connections the identified connections */
  constructor(context: Context, connections: ReadonlyMap<number, Connection>) {
    this.#context = context
    this.#connections = connections
  }

  /** When the next version is due; monotonic ms, Infinity if nothing changed. */
  get deadline(): number {
    return this.#publishAt
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

  /** Sends the list to an original client with the next publish. */
  requestList(connection: number): void {
    this.#awaitingList.add(connection)
    this.#schedulePublish()
  }

  handleDisconnected(connection: number): void {
    this.#awaitingList.delete(connection)
  }

  tick(): void {
    if (this.#publishAt <= this.#context.now) this.#publish()
  }

  #schedulePublish(): void {
    if (this.#publishAt < Number.POSITIVE_INFINITY) return
    this.#publishAt = this.#schedule.nextPublishAt(this.#context.now, this.#connections.size)
  }

  /** Publishes one version: a delta to protocol 2 clients, the whole list to original clients. */
  #publish(): void {
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
    this.#schedule.recordPublish(this.#context.now, this.#connections.size)
    log(this.#context, { event: 'updating-clients', clients: lists.length + deltas.length, online: roster.size })
    if (delta !== undefined && deltas.length > 0) {
      effects.push({ type: 'emit', to: deltas, message: { event: 'roster', payload: delta } })
    }
    if (lists.length > 0) {
      const list = roster.snapshot().users
      effects.push({ type: 'emit', to: lists, message: { event: 'update_client', payload: { list } } })
    }
  }

  /** Sends changed connection counts to the clients that subscribed to them. */
  #publishConnectionCounts(): void {
    const changes = this.#connectionCounts.publish(name => this.#context.directory.connectionCount(name))
    if (changes.length === 0) return
    const subscribers = [...this.#connections.values()].filter(connection => connection.wantsConnectionCounts)
    emitToProtocol2(this.#context, subscribers, { event: 'connections', payload: changes })
  }
}
