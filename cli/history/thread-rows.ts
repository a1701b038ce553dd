import { lowerBound } from '../../src/client/history/positions.ts'
import type { IndexColumns } from './index-columns.ts'

/** Room for later rows when a list grows. */
const GROWTH = 1.5
/** If more than this share of the rows has changed, all lists are made again. */
const MAX_CHANGED_SHARE = 0.25

/** Ascending row numbers. Those that a view shows never change. */
class RowList {
  #rows: Uint32Array
  #length: number

  constructor(rows: Uint32Array) {
    this.#rows = rows
    this.#length = rows.length
  }

  get view(): Uint32Array {
    return this.#rows.subarray(0, this.#length)
  }

  /** Drops the rows from this one on. Views keep their memory. */
  cut(end: number): void {
    const length = lowerBound(this.#length, at => (this.#rows[at] ?? 0) < end)
    if (length === this.#length) return
    this.#rows = this.#rows.slice(0, length)
    this.#length = length
  }

  push(row: number): void {
    if (this.#length === this.#rows.length) {
      const grown = new Uint32Array(Math.ceil(this.#length * GROWTH) + 4)
      grown.set(this.#rows)
      this.#rows = grown
    }
    this.#rows[this.#length++] = row
  }
}

/** The rows of all threads, in the order of their numbers. */
export interface PackedRows {
  readonly rows: Uint32Array
  /** The number of rows of each thread. */
  readonly counts: readonly number[]
}

/**
 * The rows of an index by thread: a page, a search or an archive of a thread costs what the thread has, not what the history
 * has. Takes 8 bytes for each message.
 */
export class ThreadRows {
  /** By number of the correspondent or room. */
  #threads: RowList[] = []
  /** The rows of all users together; undefined: not asked for yet. */
  #users: RowList | undefined
  #peers: Int32Array = new Int32Array()
  readonly #isRoom: (peer: number) => boolean

  /** @param isRoom whether a number is that of a room */
  constructor(isRoom: (peer: number) => boolean) {
    this.#isRoom = isRoom
  }

  /** The rows of a correspondent or room, ascending. Later updates make other lists. */
  of(peer: number): Uint32Array {
    return this.#threads[peer]?.view ?? new Uint32Array()
  }

  /** The rows of messages from and to users. */
  get ofUsers(): Uint32Array {
    this.#users ??= new RowList(this.#selectUsers())
    return this.#users.view
  }

  #selectUsers(): Uint32Array {
    const peers = this.#peers
    const areRooms = Uint8Array.from(this.#threads, (_, number) => Number(this.#isRoom(number)))
    let size = 0
    for (let number = 0; number < this.#threads.length; number++)
      if (areRooms[number] === 0) size += this.of(number).length
    const users = new Uint32Array(size)
    let user = 0
    for (let row = 0; row < peers.length; row++) if (areRooms[peers[row] ?? 0] === 0) users[user++] = row
    return users
  }

  /** All rows, thread after thread, and the number of rows of each. */
  pack(): PackedRows {
    const rows = new Uint32Array(this.#peers.length)
    const counts: number[] = []
    let total = 0
    for (let number = 0; number < this.#threads.length; number++) {
      const ofThread = this.of(number)
      rows.set(ofThread, total)
      total += ofThread.length
      counts.push(ofThread.length)
    }
    return { rows, counts }
  }

  /** Takes over the packed rows of columns, in place of all others. */
  unpack({ peer }: IndexColumns, { rows, counts }: PackedRows): void {
    let start = 0
    this.#threads = counts.map(count => {
      const list = new RowList(rows.subarray(start, start + count))
      start += count
      return list
    })
    this.#users = undefined
    this.#peers = peer
  }

  /**
   * Takes over the rows of new columns.
   * @param kept the number of rows at their start that are the same as before
   */
  update({ peer }: IndexColumns, kept: number): void {
    if (peer.length - kept > peer.length * MAX_CHANGED_SHARE) this.#rebuild(peer)
    else {
      const changed = new Set(this.#peers.subarray(kept))
      for (const number of changed) this.#threads[number]?.cut(kept)
      if (changed.size > 0) this.#users?.cut(kept)
      for (let row = kept; row < peer.length; row++) {
        const number = peer[row] ?? 0
        this.#threads[number] ??= new RowList(new Uint32Array())
        this.#threads[number].push(row)
        if (this.#users !== undefined && !this.#isRoom(number)) this.#users.push(row)
      }
    }
    this.#peers = peer
  }

  /** Sorts all rows by thread: counts those of each, then puts each at its place. */
  #rebuild(peer: Int32Array): void {
    let threads = 0
    for (const number of peer) threads = Math.max(threads, number + 1)
    const ends = new Uint32Array(threads)
    for (const number of peer) ends[number] = (ends[number] ?? 0) + 1
    let total = 0
    for (let number = 0; number < threads; number++) {
      const count = ends[number] ?? 0
      ends[number] = total
      total += count
    }
    const starts = ends.slice()
    const rows = new Uint32Array(total)
    for (let row = 0; row < peer.length; row++) {
      const number = peer[row] ?? 0
      const end = ends[number] ?? 0
      rows[end] = row
      ends[number] = end + 1
    }
    this.#threads = Array.from(starts, (start, number) => new RowList(rows.subarray(start, ends[number])))
    this.#users = undefined
  }
}
