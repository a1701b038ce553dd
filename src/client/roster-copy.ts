import { SortedNames } from '../common/sorted-names.ts'
import type { Connections, RosterDelta, RosterSnapshot } from '../protocol/messages.ts'
import { type Context, emit } from './context.ts'

/** Most names of a roster that are kept: a server could send any number. */
const MAX_ROSTER_NAMES = 2_000_000

/** The client's copy of the roster and of the connection counts. */
export class RosterCopy {
  readonly #context: Context
  readonly #names = new SortedNames()
  /** Users with more than one connection. */
  readonly connectionCounts = new Map<string, number>()
  #version = 0
  /** Whether a snapshot was requested and has not arrived yet. */
  #snapshotRequested = false

  constructor(context: Context) {
    this.#context = context
  }

  /** The names online in the whole mesh, sorted. */
  get names(): string[] {
    return this.#names.toArray()
  }

  has(user: string): boolean {
    return this.#names.has(user)
  }

  /** Applies the first snapshot of a connection. Returns who came online. */
  onConnected(snapshot: RosterSnapshot, connections: Connections): string[] {
    const joined = this.applySnapshot(snapshot)
    this.connectionCounts.clear()
    this.applyConnectionCounts(connections)
    return joined
  }

  /** Applies a delta; requests a snapshot if one before it is missing. Returns who came online. */
  applyDelta({ version, joined, left }: RosterDelta): string[] {
    const { onlineConnection, effects } = this.#context
    if (onlineConnection === undefined || version <= this.#version) return []
    if (version > this.#version + 1) {
      if (!this.#snapshotRequested) effects.push({ type: 'ask-roster', dial: onlineConnection })
      this.#snapshotRequested = true
      return []
    }
    this.#version = version
    const added = joined.filter(name => this.#names.size < MAX_ROSTER_NAMES && this.#names.add(name))
    const removed = left.filter(name => this.#names.delete(name))
    emit(this.#context, { type: 'roster', users: this.#names, joined: added, left: removed })
    return added
  }

  /** Replaces the roster. Returns who came online. */
  applySnapshot({ version, users: all }: RosterSnapshot): string[] {
    const users = all.length > MAX_ROSTER_NAMES ? all.slice(0, MAX_ROSTER_NAMES) : all
    this.#snapshotRequested = false
    this.#version = version
    const joined = users.filter(name => !this.#names.has(name))
    const current = new Set(users)
    const left = this.#names.toArray().filter(name => !current.has(name))
    this.#names.reset(users)
    emit(this.#context, { type: 'roster', users: this.#names, joined, left })
    return joined
  }

  applyConnectionCounts(changes: Connections): void {
    for (const [name, connections] of changes) {
      if (connections <= 1) this.connectionCounts.delete(name)
      else if (this.connectionCounts.size < MAX_ROSTER_NAMES || this.connectionCounts.has(name))
        this.connectionCounts.set(name, connections)
    }
    emit(this.#context, { type: 'connections', connections: this.connectionCounts })
  }
}
