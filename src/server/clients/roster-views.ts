import { TokenBucket } from '../../common/token-bucket.ts'
import type { ConnectionCounts } from '../../presence/connection-counts.ts'
import { type PageChange, RosterPages } from '../../presence/roster-pages.ts'
import {
  type Connections,
  type FoundNames,
  MAX_WATCHED_NAMES,
  type NamesPage,
  type Refusal,
  type RosterDelta,
  type RosterViewEvent,
  type WatchedNames,
} from '../../protocol/messages.ts'
import type { Context } from '../context.ts'
import { NOT_IDENTIFIED, rateLimited } from '../refusals.ts'
import type { ClientInput } from '../types.ts'
import type { Connection } from './connection.ts'

/** All clients with a view are told the total after this time, ms, … */
const TOTAL_INTERVAL_MS = 60_000
/** … or, when it differs from what they were told by this share, … */
const TOLD_SHARE = 0.02
/** … after this time, ms, plus this time per client: telling one costs some 20 µs of CPU. */
const MIN_TOTAL_INTERVAL_MS = 500
const TOTAL_INTERVAL_PER_CLIENT_MS = 0.4

/** A request for more names costs as much as several messages: one for each of this number. */
const NAMES_PER_TOKEN = 50
/** Watched names of all connections together: each takes some 100 bytes. */
const MAX_WATCHED_IN_ALL = 2_000_000
const FULL_RETRY_MS = 60_000

/** More changes of watched names in one version are gathered by client; an event for each name is encoded once for all. */
const MAX_SHARED_CHANGES = 8

/** Searches of the whole roster: each takes some ms with 100,000 users. The rest finds only the start of names. */
const SEARCHES_PER_SECOND = 5
const SEARCH_BURST = 20
/** A shorter text is only searched at the start of names. */
const MIN_SEARCH_LENGTH = 2

/**
 * Clients that hold a view of the roster: above `limits.wholeRoster` users the total, the names that they watch, and the
 * part of the sorted list that they follow. A change goes only to those that see it.
 */
export class RosterViews {
  readonly #context: Context
  readonly #connections: ReadonlyMap<number, Connection>
  readonly #connectionCounts: Pick<ConnectionCounts, 'get'>
  /** The connections that hold a view. */
  readonly #holders = new Set<number>()
  /** By watched name. */
  readonly #watchers = new Map<string, Set<number>>()
  /** Number of watched names, summed over all connections. */
  #watchedInAll = 0
  /** Created with the first connection that follows a part of the list. */
  #pages: RosterPages | undefined
  #toldTotal = 0
  #totalToldAt = 0
  /** For the most holders since then: a deadline that moved with each that leaves would cost a timer each. */
  #totalIntervalMs = MIN_TOTAL_INTERVAL_MS
  #searches: TokenBucket

  /** @param connections the identified connections */
  constructor(
    context: Context,
    connections: ReadonlyMap<number, Connection>,
    connectionCounts: Pick<ConnectionCounts, 'get'>,
  ) {
    this.#context = context
    this.#connections = connections
    this.#connectionCounts = connectionCounts
    this.#searches = new TokenBucket(SEARCHES_PER_SECOND, SEARCH_BURST, context.now)
  }

  /** When the total is told; monotonic ms, Infinity if the clients know it. */
  get deadline(): number {
    const { size } = this.#context.roster
    if (this.#holders.size === 0 || this.#toldTotal === size) return Number.POSITIVE_INFINITY
    const isFarOff = Math.abs(size - this.#toldTotal) > this.#toldTotal * TOLD_SHARE
    return this.#totalToldAt + (isFarOff ? this.#totalIntervalMs : TOTAL_INTERVAL_MS)
  }

  /** Sizes of all state. */
  get counts(): { holders: number; watched: number; watchedInAll: number; followers: number } {
    return {
      holders: this.#holders.size,
      watched: this.#watchers.size,
      watchedInAll: this.#watchedInAll,
      followers: this.#pages?.followerCount ?? 0,
    }
  }

  add({ id }: Connection): void {
    if (this.#holders.size === 0) this.#recordTold()
    this.#holders.add(id)
    this.#totalIntervalMs = Math.max(this.#totalIntervalMs, totalInterval(this.#holders.size))
  }

  handleDisconnected({ id, watched }: Connection): void {
    if (!this.#holders.delete(id)) return
    for (const name of watched) this.#unwatch(id, name)
    this.#unfollow(id)
  }

  /** Adds names whose presence a connection is told. Answers with those who are online. */
  watch({ connection: id, names, call }: Extract<ClientInput, { type: 'watch' }>): void {
    const { effects, roster } = this.#context
    const answer = (payload: WatchedNames) => void effects.push({ type: 'answer', connection: id, call, payload })
    const connection = this.#admit(id, names.length)
    if ('code' in connection) return answer(connection)
    if (this.#holders.has(id)) {
      if (this.#watchedInAll + names.length > MAX_WATCHED_IN_ALL)
        return answer(rateLimited(FULL_RETRY_MS, 'the clients of this server watch too many names'))
      for (const name of names) this.#watch(connection, name)
    }
    const users = names.filter(name => roster.names.has(name))
    answer({ ok: true, total: roster.size, users, ...this.#connectionsOf(users) })
  }

  /** Answers with a part of the sorted roster; with `follow`, the connection is told of its changes from now on. */
  list({ connection: id, after, count, follow, call }: Extract<ClientInput, { type: 'names' }>): void {
    const { effects, roster } = this.#context
    const answer = (payload: NamesPage) => void effects.push({ type: 'answer', connection: id, call, payload })
    const connection = this.#admit(id, count)
    if ('code' in connection) return answer(connection)
    const users = roster.names.after(after, count)
    const [start] = users
    const first = start === undefined ? roster.size : roster.names.rank(start)
    if (follow && this.#holders.has(id)) {
      this.#pages ??= new RosterPages(roster.names)
      const last = users.length < count ? undefined : users.at(-1)
      this.#pages.follow(id, last === undefined ? { after } : { after, last })
    }
    answer({ ok: true, total: roster.size, first, users, ...this.#connectionsOf(users) })
  }

  /** Answers with names that start with a text, then those that contain it. */
  find({ connection: id, text, count, call }: Extract<ClientInput, { type: 'find' }>): void {
    const { effects, roster, now } = this.#context
    const answer = (payload: FoundNames) => void effects.push({ type: 'answer', connection: id, call, payload })
    const connection = this.#admit(id, count)
    if ('code' in connection) return answer(connection)
    const found = new Set<string>()
    for (const start of spellings(text)) {
      const first = roster.names.rank(start)
      for (const name of roster.names.slice(first, first + count)) if (name.startsWith(start)) found.add(name)
    }
    if (found.size < count && text.length >= MIN_SEARCH_LENGTH && this.#searches.take(now) === 0) {
      const folded = text.toLowerCase()
      for (const name of roster.names) {
        if (found.size >= count) break
        if (name.toLowerCase().includes(folded)) found.add(name)
      }
    }
    answer({ ok: true, total: roster.size, users: [...found].slice(0, count) })
  }

  /** Tells the changes of a version to the clients that see them. Returns their number. */
  publish({ joined, left }: Pick<RosterDelta, 'joined' | 'left'>): number {
    const pageChanges = this.#pages?.recordChanges(joined, left) ?? []
    return this.#holders.size === 0 ? 0 : this.#tellViewers(pageChanges, joined, left)
  }

  /** Tells changed connection counts to the clients that see their users. */
  publishConnections(changes: Connections): void {
    if (this.#holders.size === 0) return
    for (const change of changes) {
      const [name] = change
      const viewers = new Set([...(this.#watchers.get(name) ?? []), ...(this.#pages?.followersOf(name) ?? [])])
      const to = [...viewers].filter(id => this.#connections.get(id)?.wantsConnectionCounts === true)
      if (to.length === 0) continue
      this.#context.effects.push({ type: 'emit', to, message: { event: 'connections', payload: [change] } })
    }
  }

  tick(): void {
    if (this.deadline <= this.#context.now) this.#tellTotal()
  }

  #recordTold(): void {
    this.#toldTotal = this.#context.roster.size
    this.#totalToldAt = this.#context.now
    this.#totalIntervalMs = totalInterval(this.#holders.size)
  }

  #tellTotal(): void {
    this.#recordTold()
    this.#emit([...this.#holders], {})
  }

  #tellViewers(pageChanges: readonly PageChange[], joined: readonly string[], left: readonly string[]): number {
    let told = 0
    for (const { followers, joined, left } of pageChanges) {
      told += followers.length
      const changes = { ...(joined.length > 0 ? { joined } : {}), ...(left.length > 0 ? { left } : {}) }
      this.#emit(followers, changes)
    }
    // A client that both follows and watches a name is told twice: what it holds is a set.
    if (joined.length + left.length > MAX_SHARED_CHANGES) return told + this.#tellEachWatcher(joined, left)
    for (const name of joined) told += this.#tellWatchers(name, { joined: [name] })
    for (const name of left) told += this.#tellWatchers(name, { left: [name] })
    return told
  }

  /** Tells each client that watches some of many names of all of them at once. Returns the number of clients. */
  #tellEachWatcher(joined: readonly string[], left: readonly string[]): number {
    const changes = new Map<number, { joined: string[]; left: string[] }>()
    const collect = (name: string, list: 'joined' | 'left') => {
      for (const id of this.#watchers.get(name) ?? []) {
        let change = changes.get(id)
        if (change === undefined) {
          change = { joined: [], left: [] }
          changes.set(id, change)
        }
        change[list].push(name)
      }
    }
    for (const name of joined) collect(name, 'joined')
    for (const name of left) collect(name, 'left')
    for (const [id, change] of changes) this.#emit([id], change)
    return changes.size
  }

  #tellWatchers(name: string, change: Partial<RosterViewEvent>): number {
    const watchers = this.#watchers.get(name)
    if (watchers === undefined) return 0
    this.#emit([...watchers], change)
    return watchers.size
  }

  #emit(to: readonly number[], change: Partial<RosterViewEvent>): void {
    const payload: RosterViewEvent = { total: this.#context.roster.size, ...change }
    this.#context.effects.push({ type: 'emit', to, message: { event: 'view', payload } })
  }

  #watch(connection: Connection, name: string): void {
    const { id, watched } = connection
    if (watched.has(name)) return
    // The oldest makes room.
    if (watched.size >= MAX_WATCHED_NAMES)
      for (const oldest of watched) {
        this.#unwatch(id, oldest)
        connection.removeWatched(oldest)
        break
      }
    connection.addWatched(name)
    this.#watchedInAll++
    const watchers = this.#watchers.get(name)
    if (watchers === undefined) this.#watchers.set(name, new Set([id]))
    else watchers.add(id)
  }

  #unwatch(id: number, name: string): void {
    const watchers = this.#watchers.get(name)
    if (watchers?.delete(id)) this.#watchedInAll--
    if (watchers?.size === 0) this.#watchers.delete(name)
  }

  #unfollow(id: number): void {
    this.#pages?.unfollow(id)
    if (this.#pages?.followerCount === 0) this.#pages = undefined
  }

  #connectionsOf(users: readonly string[]): { connections?: Connections } {
    const connections = users.flatMap((user): Connections => {
      // As published: a change since then may be undone before it is told.
      const count = this.#connectionCounts.get(user)
      return count > 1 ? [[user, count]] : []
    })
    return connections.length === 0 ? {} : { connections }
  }

  /** The connection, if it may ask for this number of names now. */
  #admit(id: number, names: number): Connection | Refusal {
    const connection = this.#connections.get(id)
    if (connection === undefined) return NOT_IDENTIFIED
    const wait = connection.takeToken(this.#context.now)
    if (wait > 0) return rateLimited(wait)
    connection.spendTokens(Math.floor(names / NAMES_PER_TOKEN))
    return connection
  }
}

/** Time between two totals that differ, ms. */
function totalInterval(holders: number): number {
  return Math.min(TOTAL_INTERVAL_MS, MIN_TOTAL_INTERVAL_MS + holders * TOTAL_INTERVAL_PER_CLIENT_MS)
}

/** A text in the usual spellings of names: unchanged, in lower case, with a capital, in capitals. */
function spellings(text: string): Set<string> {
  const lower = text.toLowerCase()
  const [initial = ''] = lower
  return new Set([text, lower, initial.toUpperCase() + lower.slice(initial.length), text.toUpperCase()])
}
