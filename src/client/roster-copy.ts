import { SortedNames } from '../common/sorted-names.ts'
import type { Connections, RosterDelta, RosterSnapshot } from '../protocol/messages.ts'
import { type Context, tell } from './context.ts'

/** The roster as a server tells it, whole and then by its changes: who is online, and how often. */
export class RosterCopy {
  readonly #context: Context
  readonly #joined: (users: readonly string[]) => void
  readonly #names = new SortedNames()
  /** Names with another number of connections than one. */
  readonly connections = new Map<string, number>()
  #version = 0
  /** Whether the whole was asked for and has not come yet. */
  #asked = false

  /** @param joined hears who came online */
  constructor(context: Context, joined: (users: readonly string[]) => void) {
    this.#context = context
    this.#joined = joined
  }

  /** The names online in the whole mesh, sorted. */
  get names(): string[] {
    return this.#names.toArray()
  }

  has(user: string): boolean {
    return this.#names.has(user)
  }

  /** A connection begins. */
  begin(snapshot: RosterSnapshot, connections: Connections): void {
    this.snapshot(snapshot)
    this.connections.clear()
    this.count(connections)
  }

  delta({ version, joined, left }: RosterDelta): void {
    const { online, effects } = this.#context
    if (online === undefined || version <= this.#version) return
    if (version > this.#version + 1) {
      if (!this.#asked) effects.push({ type: 'ask-roster', dial: online })
      this.#asked = true
      return
    }
    this.#version = version
    const came = joined.filter(name => this.#names.add(name))
    const went = left.filter(name => this.#names.delete(name))
    this.#changed(came, went)
  }

  snapshot({ version, users }: RosterSnapshot): void {
    this.#asked = false
    this.#version = version
    const joined = users.filter(name => !this.#names.has(name))
    const now = new Set(users)
    const left = this.#names.toArray().filter(name => !now.has(name))
    this.#names.reset(users)
    this.#changed(joined, left)
  }

  /** How many connections names have now. */
  count(changes: Connections): void {
    for (const [name, connections] of changes) {
      if (connections > 1) this.connections.set(name, connections)
      else this.connections.delete(name)
    }
    tell(this.#context, { type: 'connections', connections: this.connections })
  }

  #changed(joined: string[], left: string[]): void {
    tell(this.#context, { type: 'roster', users: this.#names, joined, left })
    this.#joined(joined)
  }
}
