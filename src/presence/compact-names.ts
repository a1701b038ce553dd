import {
  decodeName,
  EntryCursor,
  encodeKey,
  key,
  MAX_NAME_BYTES,
  MAX_NAME_UNITS,
  NO_BYTES,
  writeEntryHeader,
} from './compact-entries.ts'

/**
 * Size of a block. A look-up walks through half a block on average, and each block wastes some space; this size fits the
 * longest name.
 */
const BLOCK_BYTES = 1_024
const BLOCKS_PER_SEGMENT = 64
/** A block starts with the length of its entries in bytes. */
const HEADER_BYTES = 2
const BLOCK_CAPACITY_BYTES = BLOCK_BYTES - HEADER_BYTES
/** Names that are added in order fill blocks to this level, which leaves room for later changes. */
const FILL_BYTES = Math.floor(BLOCK_CAPACITY_BYTES * 0.95)
/** A block with fewer bytes is merged with a neighbour that has room for it. */
const MERGE_BELOW_BYTES = Math.floor(BLOCK_CAPACITY_BYTES / 3)

/** When a block overflows, it is rebuilt together with this number of neighbours on each side … */
const REBALANCE_NEIGHBOURS = 2
/** … in the same number of blocks up to this fill ratio, else in one more. At least four fifths are used. */
const REBALANCE_FILL = 0.93

/**
 * Counts by name, in little memory: names sorted by UTF-16 code units, front-coded (without the bytes shared with the
 * name before) in blocks of 1 kB. A look-up is a binary search over the blocks and a walk through one of them. A `Map`
 * takes eight times the memory (`npm run bench -- users`).
 */
export class CompactNames {
  #segments: Uint8Array[] = []
  /** The numbers of the blocks, in the order of their names; the first `#blockCount` are used. */
  #blockOrder = new Uint32Array(4)
  #blockCount = 0
  #size = 0

  /** Number of names. */
  get size(): number {
    return this.#size
  }

  /** Memory used, in bytes. */
  get bytes(): number {
    let bytes = this.#size === 0 ? 0 : this.#blockOrder.byteLength
    for (const segment of this.#segments) bytes += segment.length
    return bytes
  }

  /** A name's count; 0 if it is not in the set. */
  get(name: string): number {
    if (this.#blockCount === 0 || name.length > MAX_NAME_UNITS) return 0
    const length = encodeKey(name)
    this.#open(searchCursor, this.#findPlace(length))
    return searchCursor.seek(length) ? searchCursor.count : 0
  }

  /**
   * Sets a name's count, an integer; 0 removes the name. Returns the previous count.
   * @throws RangeError for a name of more than 300 UTF-16 units
   */
  set(name: string, count: number): number {
    if (name.length > MAX_NAME_UNITS) throw new RangeError(`a name of ${name.length} UTF-16 units is too long`)
    const length = encodeKey(name)
    if (this.#blockCount === 0) {
      if (count === 0) return 0
      this.#resize(0, 1)
    }
    const place = this.#findPlace(length)
    this.#open(searchCursor, place)
    const start = searchCursor.next
    const found = searchCursor.seek(length)
    const before = found ? searchCursor.count : 0
    if (before === count) return before
    if (before === 0) this.#size++
    else if (count === 0) this.#size--

    // Copy the entries before the name, write the name, and rewrite the next entry, which has a new predecessor.
    const { bytes, at, sharedBefore, sharedAfter, end } = searchCursor
    let written = at - start
    spliced.set(bytes.subarray(start, at))
    if (count !== 0) {
      written = writeEntryHeader(spliced, written, sharedBefore, length - sharedBefore, count)
      spliced.set(key.subarray(sharedBefore, length), written)
      written += length - sharedBefore
    }
    const next = found ? searchCursor.next : at
    const appended = next >= end
    if (!appended) {
      const { shared } = searchCursor
      searchCursor.read(next)
      const keep = count === 0 ? Math.min(shared, searchCursor.shared) : found ? searchCursor.shared : sharedAfter
      const { suffixAt, suffixLength } = searchCursor
      written = writeEntryHeader(spliced, written, keep, searchCursor.shared + suffixLength - keep, searchCursor.count)
      // The bytes that it shared with a removed name are those of the key.
      if (keep < searchCursor.shared) spliced.set(key.subarray(keep, searchCursor.shared), written)
      written += Math.max(0, searchCursor.shared - keep)
      spliced.set(bytes.subarray(suffixAt + Math.max(0, keep - searchCursor.shared), suffixAt + suffixLength), written)
      written += suffixLength - Math.max(0, keep - searchCursor.shared)
      spliced.set(bytes.subarray(searchCursor.next, end), written)
      written += end - searchCursor.next
    }
    this.#store(place, written, appended)
    return before
  }

  /** At most `count` names after `name`, which need not be in the set, sorted. Unlike an iteration, it can go on after changes. */
  after(name: string, count: number): string[] {
    const names: string[] = []
    if (this.#blockCount === 0) return names
    const length = encodeKey(name)
    const first = this.#findPlace(length)
    const bytes = new Uint8Array(MAX_NAME_BYTES)
    for (let place = first; place < this.#blockCount && names.length < count; place++) {
      this.#open(searchCursor, place)
      while (searchCursor.next < searchCursor.end && names.length < count) {
        searchCursor.read(searchCursor.next)
        bytes.set(searchCursor.bytes.subarray(searchCursor.suffixAt, searchCursor.next), searchCursor.shared)
        const end = searchCursor.shared + searchCursor.suffixLength
        if (place > first || isAfterKey(bytes, end, length)) names.push(decodeName(bytes, end))
      }
    }
    return names
  }

  clear(): void {
    this.#segments = []
    this.#blockOrder = new Uint32Array(4)
    this.#blockCount = 0
    this.#size = 0
  }

  /** Names with their counts, sorted. Changes during the iteration may be missed, or repeat names. */
  *[Symbol.iterator](): Generator<[string, number]> {
    const cursor = new EntryCursor()
    const name = new Uint8Array(MAX_NAME_BYTES)
    for (let place = 0; place < this.#blockCount; place++) {
      this.#open(cursor, place)
      while (cursor.next < cursor.end) {
        cursor.read(cursor.next)
        name.set(cursor.bytes.subarray(cursor.suffixAt, cursor.next), cursor.shared)
        yield [decodeName(name, cursor.shared + cursor.suffixLength), cursor.count]
      }
    }
  }

  /** Replaces a block's entries with the `length` bytes of `spliced`: in place, split up, or merged with a neighbour. */
  #store(place: number, length: number, appended: boolean): void {
    if (length === 0) return this.#resize(place, -1)
    if (length <= BLOCK_CAPACITY_BYTES && length >= MERGE_BELOW_BYTES) return this.#write(place, length)
    const last = this.#blockCount - 1
    if (length < MERGE_BELOW_BYTES) {
      const first = place === last ? place - 1 : place
      const together = first < 0 ? BLOCK_CAPACITY_BYTES : this.#usedBytes(first === place ? place + 1 : first) + length
      return together <= FILL_BYTES * 0.8 ? this.#rebuildBlocks(first, 2, place, length, 1) : this.#write(place, length)
    }
    // Names that are added in order must not leave half-empty blocks.
    if (appended && place === last) return this.#rebuildBlocks(place, 1, place, length, 0)
    const first = Math.max(0, place - REBALANCE_NEIGHBOURS)
    const count = Math.min(last, place + REBALANCE_NEIGHBOURS) - first + 1
    let total = length
    for (let other = first; other < first + count; other++) total += other === place ? 0 : this.#usedBytes(other)
    this.#rebuildBlocks(
      first,
      count,
      place,
      length,
      total <= count * BLOCK_CAPACITY_BYTES * REBALANCE_FILL ? count : count + 1,
    )
  }

  #write(place: number, length: number): void {
    const block = this.#block(place)
    block.set(spliced.subarray(0, length), HEADER_BYTES)
    setUsed(block, length)
  }

  /**
   * Rebuilds `count` blocks as about `pieces` blocks of similar length; 0: fills one after another.
   * `changed`: the block whose entries are replaced with the `length` bytes of `spliced`.
   */
  #rebuildBlocks(first: number, count: number, changed: number, length: number, pieces: number): void {
    let total = 0
    for (let place = first; place < first + count; place++) total += place === changed ? length : this.#usedBytes(place)
    const most = pieces === 0 ? FILL_BYTES : Math.min(BLOCK_CAPACITY_BYTES, Math.ceil(total / pieces))
    const laid: Uint8Array[] = []
    let to = HEADER_BYTES
    let piece = new Uint8Array(BLOCK_BYTES)
    let last = 0
    const end = () => {
      setUsed(piece, to - HEADER_BYTES)
      laid.push(piece)
      piece = new Uint8Array(BLOCK_BYTES)
      to = HEADER_BYTES
    }
    for (let place = first; place < first + count; place++) {
      if (place === changed) entry.open(spliced, 0, length)
      else this.#open(entry, place)
      for (let start = true; entry.next < entry.end; start = false) {
        entry.read(entry.next)
        const own = entry.bytes.subarray(entry.suffixAt, entry.next)
        // The first entry of a block is stored whole; here it follows the last entry of the block before.
        const shared = start ? sharedBytes(last, own) : entry.shared
        lastName.set(own, entry.shared)
        last = entry.shared + entry.suffixLength
        const size = writeEntryHeader(headerScratch, 0, shared, last - shared, entry.count) + last - shared
        if (to > HEADER_BYTES && (to - HEADER_BYTES + size / 2 > most || to + size > BLOCK_BYTES)) end()
        const from = to === HEADER_BYTES ? 0 : shared
        to = writeEntryHeader(piece, to, from, last - from, entry.count)
        piece.set(lastName.subarray(from, last), to)
        to += last - from
      }
    }
    end()
    this.#resize(first, laid.length - count)
    for (const [n, bytes] of laid.entries()) this.#block(first + n).set(bytes)
  }

  /** Inserts (`by` > 0) or removes blocks at a place. */
  #resize(place: number, by: number): void {
    for (; by > 0; by--) {
      const number = this.#blockCount++
      this.#allocate(number)
      if (this.#blockOrder.length < this.#blockCount) {
        const order = new Uint32Array(Math.ceil(this.#blockCount * 1.25))
        order.set(this.#blockOrder)
        this.#blockOrder = order
      }
      this.#blockOrder.copyWithin(place + 1, place, number)
      this.#blockOrder[place] = number
      setUsed(this.#block(place), 0)
    }
    for (; by < 0; by++) {
      const number = this.#blockOrder[place] ?? 0
      const last = --this.#blockCount
      this.#blockOrder.copyWithin(place, place + 1, last + 1)
      if (number !== last) {
        // Move the last block here, so that segments have no holes.
        this.#bytesOf(number).set(this.#bytesOf(last))
        this.#blockOrder[this.#blockOrder.indexOf(last)] = number
      }
      // Keep half a segment in reserve, so that changes at the border do not allocate each time.
      if (last <= (this.#segments.length - 1.5) * BLOCKS_PER_SEGMENT) this.#segments.pop()
    }
    if (this.#blockCount === 0) this.clear()
  }

  /** Allocates a block. The first segment grows by doubling; others are allocated whole. */
  #allocate(number: number): void {
    const at = Math.floor(number / BLOCKS_PER_SEGMENT)
    const [first] = this.#segments
    if (at === this.#segments.length) {
      this.#segments.push(new Uint8Array(at === 0 ? BLOCK_BYTES : BLOCKS_PER_SEGMENT * BLOCK_BYTES))
    } else if (first !== undefined && at === 0 && first.length < (number + 1) * BLOCK_BYTES) {
      this.#segments[0] = new Uint8Array(first.length * 2)
      this.#segments[0].set(first)
    }
  }

  /** Opens a block. */
  #open(cursor: EntryCursor, place: number): void {
    const number = this.#blockOrder[place] ?? 0
    const segment = this.#segments[Math.floor(number / BLOCKS_PER_SEGMENT)] ?? NO_BYTES
    const start = (number % BLOCKS_PER_SEGMENT) * BLOCK_BYTES
    cursor.open(segment, start + HEADER_BYTES, ((segment[start] ?? 0) << 8) | (segment[start + 1] ?? 0))
  }

  #block(place: number): Uint8Array {
    return this.#bytesOf(this.#blockOrder[place] ?? 0)
  }

  #bytesOf(number: number): Uint8Array {
    const start = (number % BLOCKS_PER_SEGMENT) * BLOCK_BYTES
    return (this.#segments[Math.floor(number / BLOCKS_PER_SEGMENT)] ?? NO_BYTES).subarray(start, start + BLOCK_BYTES)
  }

  #usedBytes(place: number): number {
    this.#open(entry, place)
    return entry.end - entry.next
  }

  /** The last block whose first name is not after the key; the first block if there is none. */
  #findPlace(length: number): number {
    let low = 0
    let high = this.#blockCount - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      this.#open(entry, middle)
      entry.read(entry.next)
      if (entry.isNotAfterKey(length)) low = middle
      else high = middle - 1
    }
    return low
  }
}

/** Scratch state, shared by all calls: each call ends within its event-loop turn. */
const entry = new EntryCursor()
const searchCursor = new EntryCursor()
const lastName = new Uint8Array(MAX_NAME_BYTES)
const spliced = new Uint8Array(4 * BLOCK_BYTES)
const headerScratch = new Uint8Array(32)

/** Whether the name of `end` bytes is after the key of `length` bytes. */
function isAfterKey(bytes: Uint8Array, end: number, length: number): boolean {
  for (let at = 0; at < end; at++) {
    if (at === length) return true
    const [one, other] = [bytes[at] ?? 0, key[at] ?? 0]
    if (one !== other) return one > other
  }
  return false
}

function setUsed(block: Uint8Array, length: number): void {
  block[0] = length >> 8
  block[1] = length & 0xff
}

/** Number of leading bytes that `lastName`, `length` bytes long, shares with `own`. */
function sharedBytes(length: number, own: Uint8Array): number {
  let shared = 0
  while (shared < length && shared < own.length && lastName[shared] === own[shared]) shared++
  return shared
}
