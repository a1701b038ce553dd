/**
 * Bytes of a block. A look-up walks through half a block on average, and every block wastes some of its room; this one
 * takes the longest name that is passed on.
 */
const BLOCK = 1_024
const BLOCKS_PER_SEGMENT = 64
/** Before its entries, a block has their length in bytes. */
const HEAD = 2
const ROOM = BLOCK - HEAD
/** Names that come in their order fill blocks up to here, so that what changes later finds room. */
const FULL = Math.floor(ROOM * 0.95)
/** A block with fewer bytes than this is joined with a neighbour that has room for it. */
const SPARSE = Math.floor(ROOM / 3)
/** Longest name, in UTF-16 units: three bytes each, its entry fits a block. */
const MAX_UNITS = 300

/** When blocks overflow, they and their neighbours, up to so many on each side, are laid out anew: … */
const AROUND = 2
/** … in as many blocks while this share of them is enough, else in one more. So four fifths are in use, or more. */
const ENOUGH = 0.93

/** In an entry's first byte, of 4 bits: that many bytes shared, or more; … */
const MANY_SHARED = 15
/** … and: how many bytes follow, and the count, come as numbers. */
const AS_NUMBERS = 15

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
  #order = new Uint32Array(4)
  #blocks = 0
  #size = 0

  /** How many names there are. */
  get size(): number {
    return this.#size
  }

  /** Bytes that it holds. */
  get bytes(): number {
    let bytes = this.#size === 0 ? 0 : this.#order.byteLength
    for (const segment of this.#segments) bytes += segment.length
    return bytes
  }

  /** The name's count; 0 when it is not there. */
  get(name: string): number {
    if (this.#blocks === 0 || name.length > MAX_UNITS) return 0
    const length = encode(name)
    this.#open(found, this.#placeOf(length))
    return found.seek(length) ? found.count : 0
  }

  /**
   * Sets the name's count, a whole number; 0 removes it. Answers with what it was.
   * @throws RangeError for a name of more than 300 UTF-16 units
   */
  set(name: string, count: number): number {
    if (name.length > MAX_UNITS) throw new RangeError(`a name of ${name.length} UTF-16 units is too long`)
    const length = encode(name)
    if (this.#blocks === 0) {
      if (count === 0) return 0
      this.#resize(0, 1)
    }
    const place = this.#placeOf(length)
    this.#open(found, place)
    const start = found.next
    const there = found.seek(length)
    const before = there ? found.count : 0
    if (before === count) return before
    if (before === 0) this.#size++
    else if (count === 0) this.#size--

    // What stands before the name stays; then comes the name; then the next one, whose neighbour is another now.
    const { bytes, at, sharedBefore, sharedAfter, end } = found
    let written = at - start
    spliced.set(bytes.subarray(start, at))
    if (count !== 0) {
      written = writeHead(spliced, written, sharedBefore, length - sharedBefore, count)
      spliced.set(key.subarray(sharedBefore, length), written)
      written += length - sharedBefore
    }
    const next = there ? found.next : at
    const appended = next >= end
    if (!appended) {
      const { shared } = found
      found.read(next)
      const keep = count === 0 ? Math.min(shared, found.shared) : there ? found.shared : sharedAfter
      const { restAt, rest } = found
      written = writeHead(spliced, written, keep, found.shared + rest - keep, found.count)
      // What it shared with a name that goes are that name's bytes, which are the key's.
      if (keep < found.shared) spliced.set(key.subarray(keep, found.shared), written)
      written += Math.max(0, found.shared - keep)
      spliced.set(bytes.subarray(restAt + Math.max(0, keep - found.shared), restAt + rest), written)
      written += rest - Math.max(0, keep - found.shared)
      spliced.set(bytes.subarray(found.next, end), written)
      written += end - found.next
    }
    this.#store(place, written, appended)
    return before
  }

  clear(): void {
    this.#segments = []
    this.#order = new Uint32Array(4)
    this.#blocks = 0
    this.#size = 0
  }

  /** Names with their counts, sorted. What is changed meanwhile may be missed or come twice. */
  *[Symbol.iterator](): Generator<[string, number]> {
    const entry = new Entry()
    const name = new Uint8Array(MAX_UNITS * 3)
    for (let place = 0; place < this.#blocks; place++) {
      this.#open(entry, place)
      while (entry.next < entry.end) {
        entry.read(entry.next)
        name.set(entry.bytes.subarray(entry.restAt, entry.next), entry.shared)
        yield [decode(name, entry.shared + entry.rest), entry.count]
      }
    }
  }

  /** Puts the `length` bytes of `spliced` in place of a block's entries: there, in several blocks, or in a neighbour's. */
  #store(place: number, length: number, appended: boolean): void {
    if (length === 0) return this.#resize(place, -1)
    if (length <= ROOM && length >= SPARSE) return this.#write(place, length)
    const last = this.#blocks - 1
    if (length < SPARSE) {
      const first = place === last ? place - 1 : place
      const together = first < 0 ? ROOM : this.#used(first === place ? place + 1 : first) + length
      return together <= FULL * 0.8 ? this.#lay(first, 2, place, length, 1) : this.#write(place, length)
    }
    // Names that come in their order are not to leave half-empty blocks behind.
    if (appended && place === last) return this.#lay(place, 1, place, length, 0)
    const first = Math.max(0, place - AROUND)
    const count = Math.min(last, place + AROUND) - first + 1
    let total = length
    for (let other = first; other < first + count; other++) total += other === place ? 0 : this.#used(other)
    this.#lay(first, count, place, length, total <= count * ROOM * ENOUGH ? count : count + 1)
  }

  #write(place: number, length: number): void {
    const block = this.#block(place)
    block.set(spliced.subarray(0, length), HEAD)
    setUsed(block, length)
  }

  /**
   * Lays out the entries of `count` blocks anew, in about so many `pieces` of like length; 0: filled one by one.
   * `changed`: the block in whose place the `length` bytes of `spliced` stand.
   */
  #lay(first: number, count: number, changed: number, length: number, pieces: number): void {
    let total = 0
    for (let place = first; place < first + count; place++) total += place === changed ? length : this.#used(place)
    const most = pieces === 0 ? FULL : Math.min(ROOM, Math.ceil(total / pieces))
    const laid: Uint8Array[] = []
    let to = HEAD
    let piece = new Uint8Array(BLOCK)
    let last = 0
    const end = () => {
      setUsed(piece, to - HEAD)
      laid.push(piece)
      piece = new Uint8Array(BLOCK)
      to = HEAD
    }
    for (let place = first; place < first + count; place++) {
      if (place === changed) entry.open(spliced, 0, length)
      else this.#open(entry, place)
      for (let start = true; entry.next < entry.end; start = false) {
        entry.read(entry.next)
        const own = entry.bytes.subarray(entry.restAt, entry.next)
        // The first of a block shares nothing there; here it follows the last of the block before.
        const shared = start ? sharedBytes(last, own) : entry.shared
        lastName.set(own, entry.shared)
        last = entry.shared + entry.rest
        const size = writeHead(spare, 0, shared, last - shared, entry.count) + last - shared
        if (to > HEAD && (to - HEAD + size / 2 > most || to + size > BLOCK)) end()
        const from = to === HEAD ? 0 : shared
        to = writeHead(piece, to, from, last - from, entry.count)
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
      const number = this.#blocks++
      this.#provide(number)
      if (this.#order.length < this.#blocks) {
        const order = new Uint32Array(Math.ceil(this.#blocks * 1.25))
        order.set(this.#order)
        this.#order = order
      }
      this.#order.copyWithin(place + 1, place, number)
      this.#order[place] = number
      setUsed(this.#block(place), 0)
    }
    for (; by < 0; by++) {
      const number = this.#order[place] ?? 0
      const last = --this.#blocks
      this.#order.copyWithin(place, place + 1, last + 1)
      if (number !== last) {
        // The last block moves to where this one was, so that no segment keeps holes.
        this.#bytesOf(number).set(this.#bytesOf(last))
        this.#order[this.#order.indexOf(last)] = number
      }
      // Half a segment is kept, lest one at the border comes and goes.
      if (last <= (this.#segments.length - 1.5) * BLOCKS_PER_SEGMENT) this.#segments.pop()
    }
    if (this.#blocks === 0) this.clear()
  }

  /** Makes room for a block; the first segment grows, the others are whole at once. */
  #provide(number: number): void {
    const at = Math.floor(number / BLOCKS_PER_SEGMENT)
    const [first] = this.#segments
    if (at === this.#segments.length) {
      this.#segments.push(new Uint8Array(at === 0 ? BLOCK : BLOCKS_PER_SEGMENT * BLOCK))
    } else if (first !== undefined && at === 0 && first.length < (number + 1) * BLOCK) {
      this.#segments[0] = new Uint8Array(first.length * 2)
      this.#segments[0].set(first)
    }
  }

  /** Puts an entry before the first of a block. */
  #open(entry: Entry, place: number): void {
    const number = this.#order[place] ?? 0
    const segment = this.#segments[Math.floor(number / BLOCKS_PER_SEGMENT)] ?? NOTHING
    const start = (number % BLOCKS_PER_SEGMENT) * BLOCK
    entry.open(segment, start + HEAD, ((segment[start] ?? 0) << 8) | (segment[start + 1] ?? 0))
  }

  #block(place: number): Uint8Array {
    return this.#bytesOf(this.#order[place] ?? 0)
  }

  #bytesOf(number: number): Uint8Array {
    const start = (number % BLOCKS_PER_SEGMENT) * BLOCK
    return (this.#segments[Math.floor(number / BLOCKS_PER_SEGMENT)] ?? NOTHING).subarray(start, start + BLOCK)
  }

  #used(place: number): number {
    this.#open(entry, place)
    return entry.end - entry.next
  }

  /** The last block whose first name is not after the key; the first block where there is none. */
  #placeOf(length: number): number {
    let low = 0
    let high = this.#blocks - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      this.#open(entry, middle)
      entry.read(entry.next)
      if (isUpToKey(entry, length)) low = middle
      else high = middle - 1
    }
    return low
  }
}

/** An entry of a block, read in place; `read` goes from one to the next. */
class Entry {
  bytes: Uint8Array = NOTHING
  /** Where it starts, where its own bytes are, where the next one starts, and where the block's entries end. */
  at = 0
  restAt = 0
  next = 0
  end = 0
  /** Bytes that it shares with the one before, and its own. */
  shared = 0
  rest = 0
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
    this.rest = first & 15
    this.count = 1
    if (this.shared === MANY_SHARED) this.shared += this.#number()
    if (this.rest === AS_NUMBERS) {
      this.rest = this.#number()
      this.count = this.#number()
    }
    this.restAt = this.next
    this.next += this.rest
  }

  /** Seven bits a byte, the low ones first; the last byte is below 128. */
  #number(): number {
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
      const { bytes, restAt, rest } = this
      let n = 0
      while (n < rest && same < length && bytes[restAt + n] === key[same]) {
        n++
        same++
      }
      this.sharedAfter = same
      if (same === length) return n === rest
      if (n < rest && (bytes[restAt + n] ?? 0) > (key[same] ?? 0)) return false
    }
    this.at = this.end
    this.sharedBefore = same
    return false
  }
}

const NOTHING = new Uint8Array(0)
/** What one call works with; no call outlives its turn. */
const entry = new Entry()
const found = new Entry()
const key = new Uint8Array(MAX_UNITS * 3)
const lastName = new Uint8Array(MAX_UNITS * 3)
const spliced = new Uint8Array(4 * BLOCK)
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
function writeHead(bytes: Uint8Array, at: number, shared: number, rest: number, count: number): number {
  let to = at
  const plain = count === 1 && rest < AS_NUMBERS
  bytes[to++] = (Math.min(shared, MANY_SHARED) << 4) | (plain ? rest : AS_NUMBERS)
  if (shared >= MANY_SHARED) to = writeNumber(bytes, to, shared - MANY_SHARED)
  if (plain) return to
  to = writeNumber(bytes, to, rest)
  return writeNumber(bytes, to, count)
}

function writeNumber(bytes: Uint8Array, at: number, number: number): number {
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
function isUpToKey({ bytes, restAt, rest }: Entry, length: number): boolean {
  for (let at = 0; at < rest; at++) {
    if (at === length) return false
    const [one, other] = [bytes[restAt + at] ?? 0, key[at] ?? 0]
    if (one !== other) return one < other
  }
  return true
}
