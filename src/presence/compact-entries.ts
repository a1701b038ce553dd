/**
 * The entries of `CompactNames`. A name's bytes are its UTF-16 code units, each encoded as in UTF-8 (also half of a
 * surrogate pair): the bytes sort as the units do, and each string is restored exactly.
 *
 * Layout of an entry: one byte with the number of bytes shared with the name before it (4 bits) and the number of suffix
 * bytes (4 bits), varints if these do not fit, and the suffix bytes. The count is 1 unless it follows as a varint.
 */

/** Longest name, in UTF-16 units. With three bytes each, its entry fits a block. */
export const MAX_NAME_UNITS = 300
export const MAX_NAME_BYTES = MAX_NAME_UNITS * 3

/** In the first byte: at least 15 bytes are shared, and a varint with the rest follows. */
const SHARED_ESCAPE = 15
/** In the first byte: the suffix length and the count follow as varints. */
const SUFFIX_ESCAPE = 15

export const NO_BYTES = new Uint8Array(0)
/** The name that is searched. Shared by all calls: each call ends within its event-loop turn. */
export const key = new Uint8Array(MAX_NAME_BYTES)

/** Reads the entries of a block in place, one after another. */
export class EntryCursor {
  bytes: Uint8Array = NO_BYTES
  /** Offsets: of this entry, of its suffix, of the next entry, and of the end of the block's entries. */
  at = 0
  suffixAt = 0
  next = 0
  end = 0
  /** Bytes shared with the name before, and bytes of the suffix. */
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

  /** Little-endian base 128; the last byte is below 128. */
  #readVarint(): number {
    let number = 0
    for (let factor = 1; ; factor *= 128) {
      const byte = this.bytes[this.next++] ?? 0
      number += (byte & 127) * factor
      if (byte < 128) return number
    }
  }

  /**
   * Searches the open block for the key of `length` bytes. If it is not there, returns false, with the cursor at the
   * first entry after the key (`at` is the end if there is none). The shared bytes decide most comparisons.
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

  /** Whether the entry, the first of its block, is not after the key of `length` bytes. */
  isNotAfterKey(length: number): boolean {
    const { bytes, suffixAt, suffixLength } = this
    for (let at = 0; at < suffixLength; at++) {
      if (at === length) return false
      const [one, other] = [bytes[suffixAt + at] ?? 0, key[at] ?? 0]
      if (one !== other) return one < other
    }
    return true
  }
}

/** Encodes a name to `key`. Returns its length in bytes. */
export function encodeKey(name: string): number {
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

export function decodeName(bytes: Uint8Array, length: number): string {
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

/** Writes an entry without its suffix. Returns the offset for the suffix. */
export function writeEntryHeader(
  bytes: Uint8Array,
  at: number,
  shared: number,
  suffixLength: number,
  count: number,
): number {
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
