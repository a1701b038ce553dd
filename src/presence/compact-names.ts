/**
 * Bytes of a block. A look-up walks through half a block on average, and every block wastes some of its room; this one
 * takes the longest name that is passed on.
 */
const BLOCK_BYTES = 1_024
const BLOCKS_PER_SEGMENT = 64
/** Before its entries, a block has their length in bytes. */
const HEADER_BYTES = 2
const BLOCK_CAPACITY_BYTES = BLOCK_BYTES - HEADER_BYTES
/** Names that come in their order fill blocks up to here, so that what changes later finds room. */
const FILL_BYTES = Math.floor(BLOCK_CAPACITY_BYTES * 0.95)
/** A block with fewer bytes than this is joined with a neighbour that has room for it. */
const MERGE_BELOW_BYTES = Math.floor(BLOCK_CAPACITY_BYTES / 3)
/** Longest name, in UTF-16 units: three bytes each, its entry fits a block. */
const MAX_NAME_UNITS = 300

/** When blocks overflow, they and their neighbours, up to so many on each side, are laid out anew: … */
const REBALANCE_NEIGHBOURS = 2
/** … in as many blocks while this share of them is enough, else in one more. So four fifths are in use, or more. */
const REBALANCE_FILL = 0.93

/** In an entry's first byte, of 4 bits: that many bytes shared, or more; … */
const SHARED_ESCAPE = 15
/** … and: how many bytes follow, and the count, come as numbers. */
const SUFFIX_ESCAPE = 15

/**
 * Counts by name, in little memory: the names sorted by UTF-16 code units, of each only the bytes that it does not
 * share with the one before (front coding), in blocks of 1 kB. To find a name is a binary search over the blocks and a
 * walk through one of them. `npm run bench -- users` measures it: a `Map` of as many takes eight times the memory.
 *
 * A name's bytes are its code units, each written as UTF-8 would (half a surrogate pair, too): so the bytes sort as
 * the units do, and every string comes back as it was. An entry is a byte that tells how many bytes it shares with the
 * name before (4 bits) and how many of its own follow (4 bits), then what did not fit of these, then its own bytes. Its
 * count is 1, but where the numbers follow.
 */
export class CompactNames {
  #segments: Uint8Array[] = []
  /** The blocks' numbers, in the order of their names. The first so many of the numbers are in use. */
  #blockOrder = new Uint32Array(4)
  #blockCount = 0
  #size = 0

  /** How many names there are. */
  get size(): number {
    return this.#size
  }

  /** Bytes that it holds. */
  get bytes(): number {
    let bytes = this.#size === 0 ? 0 : this.#blockOrder.byteLength
    for (const segment of this.#segments) bytes += segment.length
    return bytes
  }

  /** The name's count; 0 when it is not there. */
  get(name: string): number {
    if (this.#blockCount === 0 || name.length > MAX_NAME_UNITS) return 0
    const length = encode(name)
    this.#open(searchCursor, this.#findPlace(length))
    return searchCursor.seek(length) ? searchCursor.count : 0
  }

  /**
   * Sets the name's count, a whole number; 0 removes it. Answers with what it was.
   * @throws RangeError for a name of more than 300 UTF-16 units
   */
  set(name: string, count: number): number {
    if (name.length > MAX_NAME_UNITS) throw new RangeError(`a name of ${name.length} UTF-16 units is too long`)
    const length = encode(name)
    if (this.#blockCount === 0) {
      if (count === 0) return 0
      this.#resize(0, 1)
    }
    const place = this.#findPlace(length)
    this.#open(searchCursor, place)
    const start = searchCursor.next
    const there = searchCursor.seek(length)
    const before = there ? searchCursor.count : 0
    if (before === count) return before
    if (before === 0) this.#size++
    else if (count === 0) this.#size--

    // What stands before the name stays; then comes the name; then the next one, whose neighbour is another now.
    const { bytes, at, sharedBefore, sharedAfter, end } = searchCursor
    let written = at - start
    spliced.set(bytes.subarray(start, at))
    if (count !== 0) {
      written = writeEntryHeader(spliced, written, sharedBefore, length - sharedBefore, count)
      spliced.set(key.subarray(sharedBefore, length), written)
      written += length - sharedBefore
    }
    const next = there ? searchCursor.next : at
    const appended = next >= end
    if (!appended) {
      const { shared } = searchCursor
      searchCursor.read(next)
      const keep = count === 0 ? Math.min(shared, searchCursor.shared) : there ? searchCursor.shared : sharedAfter
      const { suffixAt, suffixLength } = searchCursor
      written = writeEntryHeader(spliced, written, keep, searchCursor.shared + suffixLength - keep, searchCursor.count)
      // What it shared with a name that goes are that name's bytes, which are the key's.
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

  clear(): void {
    this.#segments = []
    this.#blockOrder = new Uint32Array(4)
    this.#blockCount = 0
    this.#size = 0
  }

  /** Names with their counts, sorted. What is changed meanwhile may be missed or come twice. */
  *[Symbol.iterator](): Generator<[string, number]> {
    const entry = new EntryCursor()
    const name = new Uint8Array(MAX_NAME_UNITS * 3)
    for (let place = 0; place < this.#blockCount; place++) {
      this.#open(entry, place)
      while (entry.next < entry.end) {
        entry.read(entry.next)
        name.set(entry.bytes.subarray(entry.suffixAt, entry.next), entry.shared)
        yield [decode(name, entry.shared + entry.suffixLength), entry.count]
      }
    }
  }

  /** Puts the `length` bytes of `spliced` in place of a block's entries: there, in several blocks, or in a neighbour's. */
  #store(place: number, length: number, appended: boolean): void {
    if (length === 0) return this.#resize(place, -1)
    if (length <= BLOCK_CAPACITY_BYTES && length >= MERGE_BELOW_BYTES) return this.#write(place, length)
    const last = this.#blockCount - 1
    if (length < MERGE_BELOW_BYTES) {
      const first = place === last ? place - 1 : place
      const together = first < 0 ? BLOCK_CAPACITY_BYTES : this.#usedBytes(first === place ? place + 1 : first) + length
      return together <= FILL_BYTES * 0.8 ? this.#rebuildBlocks(first, 2, place, length, 1) : this.#write(place, length)
    }
    // Names that come in their order are not to leave half-empty blocks behind.
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
   * Lays out the entries of `count` blocks anew, in about so many `pieces` of like length; 0: filled one by one.
   * `changed`: the block in whose place the `length` bytes of `spliced` stand.
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
        // The first of a block shares nothing there; here it follows the last of the block before.
        const shared = start ? sharedBytes(last, own) : entry.shared
        lastName.set(own, entry.shared)
        last = entry.shared + entry.suffixLength
        const size = writeEntryHeader(spare, 0, shared, last - shared, entry.count) + last - shared
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

  /** Adds or takes away so many blocks at a place; the others keep their order. */
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
        // The last block moves to where this one was, so that no segment keeps holes.
        this.#bytesOf(number).set(this.#bytesOf(last))
        this.#blockOrder[this.#blockOrder.indexOf(last)] = number
      }
      // Half a segment is kept, lest one at the border comes and goes.
      if (last <= (this.#segments.length - 1.5) * BLOCKS_PER_SEGMENT) this.#segments.pop()
    }
    if (this.#blockCount === 0) this.clear()
  }

  /** Makes room for a block; the first segment grows, the others are whole at once. */
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

  /** Puts an entry before the first of a block. */
  #open(entry: EntryCursor, place: number): void {
    const number = this.#blockOrder[place] ?? 0
    const segment = this.#segments[Math.floor(number / BLOCKS_PER_SEGMENT)] ?? NO_BYTES
    const start = (number % BLOCKS_PER_SEGMENT) * BLOCK_BYTES
    entry.open(segment, start + HEADER_BYTES, ((segment[start] ?? 0) << 8) | (segment[start + 1] ?? 0))
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

  /** The last block whose first name is not after the key; the first block where there is none. */
  #findPlace(length: number): number {
    let low = 0
    let high = this.#blockCount - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      this.#open(entry, middle)
      entry.read(entry.next)
      if (isNotAfterKey(entry, length)) low = middle
      else high = middle - 1
    }
    return low
  }
}

/** An entry of a block, read in place; `read` goes from one to the next. */
class EntryCursor {
  bytes: Uint8Array = NO_BYTES
  /** Where it starts, where its own bytes are, where the next one starts, and where the block's entries end. */
  at = 0
  suffixAt = 0
  next = 0
  end = 0
  /** Bytes that it shares with the one before, and its own. */
  shared = 0
  suffixLength = 0
  count = 0
  /** After `seek`: bytes that the key shares with the name before it, and with the one after it. */
  sharedBefore = 0
  sharedAfter = 0

  open(bytes: Uint8Array, start: number, length: number): void {
    this.bytes = bytes
    this.next = start
    this.end = start + length
  }

  read(at: number): void {
    const { bytes } = this
    const first = bytes[at] ?? 0
    this.at = at
    this.next = at + 1
    this.shared = first >> 4
    this.suffixLength = first & 15
    this.count = 1
    if (this.shared === SHARED_ESCAPE) this.shared += this.#readVarint()
    if (this.suffixLength === SUFFIX_ESCAPE) {
      this.suffixLength = this.#readVarint()
      this.count = this.#readVarint()
    }
    this.suffixAt = this.next
    this.next += this.suffixLength
  }

  /** Seven bits a byte, the low ones first; the last byte is below 128. */
  #readVarint(): number {
    let number = 0
    for (let factor = 1; ; factor *= 128) {
      const byte = this.bytes[this.next++] ?? 0
      number += (byte & 127) * factor
      if (byte < 128) return number
    }
  }

  /**
   * Looks for the key in the block that was opened. False: it stands at the first entry behind it, `at` is the end
   * where there is none. What entries share with each other tells most of how they compare with the key.
   */
  seek(length: number): boolean {
    let same = 0
    while (this.next < this.end) {
      this.read(this.next)
      if (this.shared > same) continue
      this.sharedBefore = same
      this.sharedAfter = this.shared
      if (this.shared < same) return false
      const { bytes, suffixAt, suffixLength } = this
      let n = 0
      while (n < suffixLength && same < length && bytes[suffixAt + n] === key[same]) {
        n++
        same++
      }
      this.sharedAfter = same
      if (same === length) return n === suffixLength
      if (n < suffixLength && (bytes[suffixAt + n] ?? 0) > (key[same] ?? 0)) return false
    }
    this.at = this.end
    this.sharedBefore = same
    return false
  }
}

const NO_BYTES = new Uint8Array(0)
/** What one call works with; no call outlives its turn. */
const entry = new EntryCursor()
const searchCursor = new EntryCursor()
const key = new Uint8Array(MAX_NAME_UNITS * 3)
const lastName = new Uint8Array(MAX_NAME_UNITS * 3)
const spliced = new Uint8Array(4 * BLOCK_BYTES)
const spare = new Uint8Array(32)

/** Writes a name's bytes to `key`; answers with how many they are. */
function encode(name: string): number {
  let to = 0
  for (let at = 0; at < name.length; at++) {
    const unit = name.charCodeAt(at)
    if (unit < 0x80) key[to++] = unit
    else {
      if (unit < 0x800) key[to++] = 0xc0 | (unit >> 6)
      else {
        key[to++] = 0xe0 | (unit >> 12)
        key[to++] = 0x80 | ((unit >> 6) & 0x3f)
      }
      key[to++] = 0x80 | (unit & 0x3f)
    }
  }
  return to
}

function decode(bytes: Uint8Array, length: number): string {
  let name = ''
  for (let at = 0; at < length; ) {
    const first = bytes[at++] ?? 0
    if (first < 0x80) name += String.fromCharCode(first)
    else {
      const second = (bytes[at++] ?? 0) & 0x3f
      if (first < 0xe0) name += String.fromCharCode(((first & 0x1f) << 6) | second)
      else name += String.fromCharCode(((first & 0x0f) << 12) | (second << 6) | ((bytes[at++] ?? 0) & 0x3f))
    }
  }
  return name
}

/** Writes all of an entry but its own bytes; answers with where these go. */
function writeEntryHeader(bytes: Uint8Array, at: number, shared: number, suffixLength: number, count: number): number {
  let to = at
  const plain = count === 1 && suffixLength < SUFFIX_ESCAPE
  bytes[to++] = (Math.min(shared, SHARED_ESCAPE) << 4) | (plain ? suffixLength : SUFFIX_ESCAPE)
  if (shared >= SHARED_ESCAPE) to = writeVarint(bytes, to, shared - SHARED_ESCAPE)
  if (plain) return to
  to = writeVarint(bytes, to, suffixLength)
  return writeVarint(bytes, to, count)
}

function writeVarint(bytes: Uint8Array, at: number, number: number): number {
  let to = at
  let left = number
  for (; left >= 128; left = Math.floor(left / 128)) bytes[to++] = 128 | (left % 128)
  bytes[to++] = left
  return to
}

function setUsed(block: Uint8Array, length: number): void {
  block[0] = length >> 8
  block[1] = length & 0xff
}

/** How many of the first bytes of the last name, `length` long, are those of `own`. */
function sharedBytes(length: number, own: Uint8Array): number {
  let shared = 0
  while (shared < length && shared < own.length && lastName[shared] === own[shared]) shared++
  return shared
}

/** Whether a block's first entry is not after the key. */
function isNotAfterKey({ bytes, suffixAt, suffixLength }: EntryCursor, length: number): boolean {
  for (let at = 0; at < suffixLength; at++) {
    if (at === length) return false
    const [one, other] = [bytes[suffixAt + at] ?? 0, key[at] ?? 0]
    if (one !== other) return one < other
  }
  return true
}
