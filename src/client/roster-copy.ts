import { SortedNames } from '../common/sorted-names.ts'
import type { Connections, RosterDelta, RosterSnapshot } from '../protocol/messages.ts'
import { type Context, emit } from './context.ts'

/** The roster as a server tells it, whole and then by its changes: who is online, and how often. */
export class RosterCopy {
  readonly #context: Context
  readonly #onJoined: (users: readonly string[]) => void
  readonly #names = new SortedNames()
  /** Names with another number of connections than one. */
  readonly connectionCounts = new Map<string, number>()
  #version = 0
  /** Whether the whole was asked for and has not come yet. */
  #snapshotRequested = false

  /** @param onJoined hears who came online */
  constructor(context: Context, onJoined: (users: readonly string[]) => void) {
    this.#context = context
    this.#onJoined = onJoined
  }

  /** The names online in the whole mesh, sorted. */
  get names(): string[] {
    return this.#names.toArray()
  }

  has(user: string): boolean {
    return this.#names.has(user)
  }

  /** A connection begins. */
  onConnected(snapshot: RosterSnapshot, connections: Connections): void {
    this.applySnapshot(snapshot)
    this.connectionCounts.clear()
    this.applyConnectionCounts(connections)
  }

  applyDelta({ version, joined, left }: RosterDelta): void {
    const { onlineConnection, effects } = this.#context
    if (onlineConnection === undefined || version <= this.#version) return
    if (version > this.#version + 1) {
      if (!this.#snapshotRequested) effects.push({ type: 'ask-roster', dial: onlineConnection })
      this.#snapshotRequested = true
      return
    }
    this.#version = version
    const came = joined.filter(name => this.#names.add(name))
    const went = left.filter(name => this.#names.delete(name))
    this.#emitChange(came, went)
  }

  applySnapshot({ version, users }: RosterSnapshot): void {
    this.#snapshotRequested = false
    this.#version = version
    const joined = users.filter(name => !this.#names.has(name))
    const now = new Set(users)
    const left = this.#names.toArray().filter(name => !now.has(name))
    this.#names.reset(users)
    this.#emitChange(joined, left)
  }

  /** How many connections names have now. */
  applyConnectionCounts(changes: Connections): void {
    for (const [name, connections] of changes) {
      if (connections > 1) this.connectionCounts.set(name, connections)
      else this.connectionCounts.delete(name)
    }
    emit(this.#context, { type: 'connections', connections: this.connectionCounts })
  }

  #emitChange(joined: string[], left: string[]): void {
    emit(this.#context, { type: 'roster', users: this.#names, joined, left })
    this.#onJoined(joined)
  }
}
