import { SortedNames } from '../common/sorted-names.ts'
import {
  type Connections,
  MAX_LISTED_NAMES,
  MAX_WATCHED_NAMES,
  type NamesPage,
  type NamesRequest,
  type RosterDelta,
  type RosterSnapshot,
  type RosterViewEvent,
  type WatchedNames,
} from '../protocol/messages.ts'
import { compareNames } from '../protocol/names.ts'
import { type Context, emit } from './context.ts'

/** Most names of a roster that are kept: a server could send any number. */
const MAX_ROSTER_NAMES = 2_000_000
/** When to ask again after a rejection without a time, ms. */
const RETRY_MS = 1_000

/** The part of the sorted roster that the user interface shows. */
interface Range {
  readonly after: string
  readonly count: number
  /** The last name of the part; undefined: it reaches to the end of the roster, or is not known yet. */
  last: string | undefined
}

/**
 * The client's copy of the roster and of the connection counts. A server with many users online gives a view instead: the
 * names that this client watches and a part of the sorted list, each with its changes, and the total.
 */
export class RosterCopy {
  readonly #context: Context
  readonly #names = new SortedNames()
  /** Users with more than one connection. */
  readonly connectionCounts = new Map<string, number>()
  #version = 0
  /** Whether a snapshot was requested and has not arrived yet. */
  #snapshotRequested = false
  /** Number of users online, while this is a view; undefined: this is the whole roster. */
  #viewTotal: number | undefined
  /** The names whose presence matters to this client, the oldest first. */
  readonly #watched = new Set<string>()
  #range: Range | undefined
  /** Whether the answer to the request for the range is awaited. */
  #rangeRequested = false
  /** When to ask for the view again, because the server has rejected it; monotonic ms. */
  #retryAt = Number.POSITIVE_INFINITY

  constructor(context: Context) {
    this.#context = context
  }

  /** The names online, sorted: in the whole mesh, or in the view. */
  get names(): string[] {
    return this.#names.toArray()
  }

  get isView(): boolean {
    return this.#viewTotal !== undefined
  }

  /** When `tick` is due, monotonic ms. */
  get deadline(): number {
    return this.#retryAt
  }

  /** Whether a user is online. In a view, watch the user first: see `watch`. */
  has(user: string): boolean {
    return this.#names.has(user)
  }

  /** Applies the first snapshot of a connection. Returns who came online. */
  onConnected(snapshot: RosterSnapshot, connections: Connections): string[] {
    this.#retryAt = Number.POSITIVE_INFINITY
    this.connectionCounts.clear()
    if (snapshot.total !== undefined) {
      this.#startView(snapshot.total)
      return []
    }
    this.#viewTotal = undefined
    const joined = this.applySnapshot(snapshot)
    this.applyConnectionCounts(connections)
    return joined
  }

  /** Applies a delta; requests a snapshot if one before it is missing. Returns who came online. */
  applyDelta({ version, joined, left }: RosterDelta): string[] {
    const { onlineConnection, effects } = this.#context
    if (onlineConnection === undefined || this.isView || version <= this.#version) return []
    if (version > this.#version + 1) {
      if (!this.#snapshotRequested) effects.push({ type: 'ask-roster', dial: onlineConnection })
      this.#snapshotRequested = true
      return []
    }
    this.#version = version
    return this.#change(joined, left)
  }

  /** Replaces the roster. Returns who came online. */
  applySnapshot({ version, users: all }: RosterSnapshot): string[] {
    this.#snapshotRequested = false
    if (this.isView) return []
    const users = all.length > MAX_ROSTER_NAMES ? all.slice(0, MAX_ROSTER_NAMES) : all
    this.#version = version
    const joined = users.filter(name => !this.#names.has(name))
    const current = new Set(users)
    const left = this.#names.toArray().filter(name => !current.has(name))
    this.#names.reset(users)
    this.#emit(joined, left)
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

  /** Has the server tell whether users are online, from now on and after each reconnect, if it gives a view. */
  watch(names: readonly string[]): void {
    const added = names.filter(name => !this.#watched.has(name))
    if (added.length === 0) return
    for (const name of added) this.#watched.add(name)
    const dropped = [...this.#watched].slice(0, Math.max(0, this.#watched.size - MAX_WATCHED_NAMES))
    for (const name of dropped) this.#watched.delete(name)
    // The server drops the oldest, too, and does not tell of them any more.
    if (this.isView && dropped.length > 0)
      this.#change(
        [],
        dropped.filter(name => !this.#isInRange(name)),
      )
    this.#askWatched(added.filter(name => this.#watched.has(name)))
  }

  /** Shows `count` names of the sorted list, those after `after`. */
  show(after: string, count: number): void {
    this.#range = { after, count: Math.min(Math.max(1, count), MAX_LISTED_NAMES), last: undefined }
    this.#askRange()
  }

  /** A change of the view. Returns who came online. */
  applyView({ total, joined = [], left = [], reset }: RosterViewEvent): string[] {
    if (reset === true) {
      this.#startView(total)
      return []
    }
    if (!this.isView) return []
    this.#viewTotal = total
    // The server tells of a part of the list that is somewhat longer; of the rest it does not tell who leaves.
    const seen = joined.filter(name => this.#watched.has(name) || this.#isInRange(name))
    const added = this.#change(seen, left)
    this.#checkRange()
    return added
  }

  /** The answer to `watch`. Returns who came online. */
  applyWatched(names: readonly string[], answer: WatchedNames): string[] {
    if (!this.isView) return []
    if (!answer.ok) return this.#retryLater(answer.retryAfter)
    const online = new Set(answer.users)
    this.#viewTotal = answer.total
    const offline = names.filter(name => !online.has(name))
    return this.#applyPart(
      offline,
      answer.users.filter(name => this.#watched.has(name)),
      answer,
    )
  }

  /** The answer to `names` for the part that is shown. Returns who came online. */
  applyRange({ after, count }: Pick<NamesRequest, 'after' | 'count'>, answer: NamesPage): string[] {
    this.#rangeRequested = false
    const range = this.#range
    if (!this.isView || range === undefined) return []
    if (!answer.ok) return this.#retryLater(answer.retryAfter)
    if (range.after !== after || range.count !== count) {
      this.#askRange()
      return []
    }
    const { users, total } = answer
    this.#viewTotal = total
    range.last = users.length < range.count ? undefined : users.at(-1)
    const online = new Set(users)
    const gone = this.#names
      .toArray()
      .filter(name => !online.has(name) && (this.#isInRange(name) || !this.#watched.has(name)))
    return this.#applyPart(gone, users, answer)
  }

  /** Asks again for a view that the server has rejected. */
  tick(): void {
    if (this.#retryAt > this.#context.now) return
    this.#retryAt = Number.POSITIVE_INFINITY
    this.#askView()
  }

  onDisconnected(): void {
    this.#retryAt = Number.POSITIVE_INFINITY
    this.#rangeRequested = false
  }

  /** The server gives a view from now on. What it does not show any more is forgotten. */
  #startView(total: number): void {
    this.#viewTotal = total
    this.#rangeRequested = false
    const left = this.#names.toArray().filter(name => !this.#watched.has(name) && !this.#isInRange(name))
    this.#change([], left)
    this.#askView()
  }

  #askView(): void {
    this.#askWatched([...this.#watched])
    this.#askRange()
  }

  #askWatched(names: readonly string[]): void {
    const { onlineConnection, effects } = this.#context
    if (onlineConnection === undefined || !this.isView || names.length === 0) return
    effects.push({ type: 'watch', dial: onlineConnection, names })
  }

  #askRange(): void {
    const { onlineConnection, effects } = this.#context
    if (onlineConnection === undefined || !this.isView || this.#range === undefined || this.#rangeRequested) return
    this.#rangeRequested = true
    const { after, count } = this.#range
    effects.push({ type: 'names', dial: onlineConnection, request: { after, count, follow: true } })
  }

  /** Asks for the part again when it has become much longer or shorter. */
  #checkRange(): void {
    if (this.#range?.last === undefined) return
    const { after, last, count } = this.#range
    const size = this.#names.after(after, 2 * count + 1).filter(name => compareNames(name, last) <= 0).length
    if (size > 2 * count || size < count / 2) this.#askRange()
  }

  #isInRange(name: string): boolean {
    if (this.#range === undefined || compareNames(name, this.#range.after) <= 0) return false
    const { last } = this.#range
    return last === undefined || compareNames(name, last) <= 0
  }

  #applyPart(
    left: readonly string[],
    users: readonly string[],
    { connections = [] }: { connections?: Connections | undefined },
  ): string[] {
    for (const name of [...left, ...users]) this.connectionCounts.delete(name)
    const joined = this.#change(users, left)
    this.applyConnectionCounts(connections)
    return joined
  }

  #retryLater(ms = RETRY_MS): string[] {
    this.#retryAt = Math.min(this.#retryAt, this.#context.now + ms)
    return []
  }

  #change(joined: readonly string[], left: readonly string[]): string[] {
    const added = joined.filter(name => this.#names.size < MAX_ROSTER_NAMES && this.#names.add(name))
    const removed = left.filter(name => this.#names.delete(name))
    this.#emit(added, removed)
    return added
  }

  #emit(joined: readonly string[], left: readonly string[]): void {
    const total = this.#viewTotal
    emit(this.#context, { type: 'roster', users: this.#names, joined, left, ...(total === undefined ? {} : { total }) })
  }
}
