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

/**
 * The rows of an index by thread: a page, a search or an archive of a thread costs what the thread has, not what the history
 * has. Takes 8 bytes for each message.
 */
export class ThreadRows {
  /** By number of the correspondent or room. */
  #threads: RowList[] = []
  /** The rows of all users together. */
  #users = new RowList(new Uint32Array())
  #peers: Int32Array = new Int32Array()

  /** The rows of a correspondent or room, ascending. Later updates make other lists. */
  of(peer: number): Uint32Array {
    return this.#threads[peer]?.view ?? new Uint32Array()
  }

  /** The rows of messages from and to users. */
  get ofUsers(): Uint32Array {
    return this.#users.view
  }

  /**
   * Takes over the rows of new columns.
   * @param kept the number of rows at their start that are the same as before
   * @param isRoom whether a number is that of a room
   */
  update({ peer }: IndexColumns, kept: number, isRoom: (peer: number) => boolean): void {
    if (peer.length - kept > peer.length * MAX_CHANGED_SHARE) this.#rebuild(peer, isRoom)
    else {
      const changed = new Set(this.#peers.subarray(kept))
      for (const number of changed) this.#threads[number]?.cut(kept)
      if (changed.size > 0) this.#users.cut(kept)
      for (let row = kept; row < peer.length; row++) {
        const number = peer[row] ?? 0
        this.#threads[number] ??= new RowList(new Uint32Array())
        this.#threads[number].push(row)
        if (!isRoom(number)) this.#users.push(row)
      }
    }
    this.#peers = peer
  }

  /** Sorts all rows by thread: counts those of each, then puts each at its place. */
  #rebuild(peer: Int32Array, isRoom: (peer: number) => boolean): void {
    let threads = 0
    for (const number of peer) threads = Math.max(threads, number + 1)
    const ends = new Uint32Array(threads)
    for (const number of peer) ends[number] = (ends[number] ?? 0) + 1
    const areRooms = Uint8Array.from(ends, (_, number) => Number(isRoom(number)))
    let total = 0
    let ofUsers = 0
    for (let number = 0; number < threads; number++) {
      const count = ends[number] ?? 0
      ends[number] = total
      total += count
      if (areRooms[number] === 0) ofUsers += count
    }
    const starts = ends.slice()
    const rows = new Uint32Array(total)
    const users = new Uint32Array(ofUsers)
    let user = 0
    for (let row = 0; row < peer.length; row++) {
      const number = peer[row] ?? 0
      const end = ends[number] ?? 0
      rows[end] = row
      ends[number] = end + 1
      if (areRooms[number] === 0) users[user++] = row
    }
    this.#threads = Array.from(starts, (start, number) => new RowList(rows.subarray(start, ends[number])))
    this.#users = new RowList(users)
  }
}
