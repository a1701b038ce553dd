import { compareMessages } from '../../common/hybrid-clock.ts'
import type { Message } from '../../protocol/messages.ts'

/**
 * A range of messages. Within it are the messages whose position, (hybrid time, hash), is at least `from` and below `to`;
 * without `to`, it has no end. Without a hash, a bound is before all messages of its time. The hash instead of the id
 * divides messages of one time, because the index of a history has the hashes, but has to read ids from disk.
 */
export interface Range {
  from: number
  fromHash?: string | undefined
  to?: number | undefined
  toHash?: string | undefined
}

/** The number of messages in a range, and a hash of their ids that does not depend on their order. */
export interface Fingerprint extends Range {
  count: number
  hash: string
}

/** A message with what its plain text must not leave without. */
export interface StoredMessage extends Message {
  /**
   * The sealed text of a message that was sealed or composed in key mode: as it arrived, or sealed for this user's own
   * key; empty: not sealed yet, because the key was not loaded. Undefined: the message was never sealed, or comes from
   * 0.1. The text of a message with this field never leaves the client unsealed.
   */
  readonly sealed?: string | undefined
  /** Whether it arrived late: see the event `message`. Only this client knows, so siblings do not get this field. */
  readonly late?: true | undefined
}

/** A message that waits on disk to be confirmed. */
export interface HeldMessage extends StoredMessage {
  /** It was not sent to any server yet, so it may get another time. Absent: a server may have accepted it. */
  readonly provisional?: true | undefined
}

/** A message's place in the order of ranges: by time, then by hash. */
export interface Position extends MessageHash {
  at: number
}

/** The messages of earlier runs as columns, ordered by position, each sender and id once. Texts are read on demand. */
export interface Archive {
  /** Hybrid times, ascending. */
  readonly at: Float64Array
  /** The two halves of each message's hash, `messageHash` with seed A and B. */
  readonly hashA: Int32Array
  readonly hashB: Int32Array
  /** The message at an index; undefined if it cannot be read any more. */
  read(index: number): StoredMessage | undefined
  /** Finds a message that was stored in this run. */
  find(message: MessageRef): StoredMessage | undefined
  /** The current archive, with messages that were stored in this run. Absent: it never has more. */
  refreshed?(): Archive
}

/**
 * Identifies a message. The id alone is not enough: an attacker who guesses the id of another user's next message could
 * use it first, and the real message would be dropped as a duplicate.
 */
type MessageRef = Pick<Message, 'id' | 'at' | 'from'>

const SEED_A = 0x811c9dc5
const SEED_B = 0x01000193
/** Messages of this run after which the log takes those that the archive has by now from there. */
const ARCHIVE_INTERVAL = 1_000
/** Messages of this run whose ids stay in memory although the archive has them. */
const REMEMBERED_KEYS = 10_000
/** Messages of this run whose texts stay in memory although the archive has them too. */
const CACHED_MESSAGES = 20_000

export const NO_ARCHIVE: Archive = {
  at: new Float64Array(),
  hashA: new Int32Array(),
  hashB: new Int32Array(),
  read: () => undefined,
  find: () => undefined,
}

interface RecentMessage extends MessageRef, Position {
  message: StoredMessage | undefined
}

/** All messages of a client, once per sender and id: an archive and the messages since. */
export class MessageLog {
  #archive: Archive
  /** The archive's hashes, xored from its start up to each index; undefined: not needed yet. */
  #xors: readonly [a: Int32Array, b: Int32Array] | undefined
  /** Ordered by position. */
  #recent: RecentMessage[] = []
  #recentKeys = new Set<string>()
  /** The hashes of `#recent`, xored from its start up to each index, as far as they are known. */
  readonly #recentXorA = [0]
  readonly #recentXorB = [0]
  /** The keys of archived messages that share a position, by the index of the first. */
  readonly #sharedPositions = new Map<number, Set<string>>()
  /** Entries of `#recent` with their text in memory, in order of arrival. */
  #cachedMessages: RecentMessage[] = []
  /** The size of `#recent` at which it is archived. */
  #archiveAt = ARCHIVE_INTERVAL

  constructor(archive: Archive) {
    this.#archive = archive
  }

  get size(): number {
    return this.#archive.at.length + this.#recent.length
  }

  /** The newest hybrid time. */
  get lastAt(): number {
    return Math.max(this.#archive.at.at(-1) ?? 0, this.#recent.at(-1)?.at ?? 0)
  }

  /** The newest messages of the archive, in order. Reads their texts from disk. */
  latest(count: number): StoredMessage[] {
    const messages: StoredMessage[] = []
    for (let index = Math.max(0, this.#archive.at.length - count); index < this.#archive.at.length; index++) {
      const message = this.#archive.read(index)
      if (message !== undefined) messages.push(message)
    }
    return messages
  }

  /** The newest hybrid time that is not after `limit`; 0 if there is none. */
  lastAtUntil(limit: number): number {
    const { at } = this.#archive
    const archived = lowerBound(at.length, index => (at[index] ?? 0) <= limit)
    const recent = lowerBound(this.#recent.length, index => (this.#recent[index]?.at ?? 0) <= limit)
    return Math.max(at[archived - 1] ?? 0, this.#recent[recent - 1]?.at ?? 0)
  }

  has(message: Message): boolean {
    return this.#recentKeys.has(messageKey(message)) || this.#isArchived(message)
  }

  /** Adds a message; returns whether it is new. Costs O(1) for the newest message, the usual case. */
  add(message: StoredMessage): boolean {
    if (this.has(message)) return false
    this.#recentKeys.add(messageKey(message))
    const { at, id, from } = message
    const recent: RecentMessage = { at, id, from, ...messageHash(message), message }
    const last = this.#recent.at(-1)
    if (last === undefined || comparePositions(last, recent) < 0) this.#recent.push(recent)
    else this.#insert(recent)
    if (this.#archive !== NO_ARCHIVE) this.#cacheMessage(recent)
    if (this.#recent.length >= this.#archiveAt) this.#takeFromArchive()
    return true
  }

  /** Takes messages of this run from the archive from now on. What it does not have, such as a failed store, stays here. */
  #takeFromArchive(): void {
    const archive = this.#archive.refreshed?.()
    if (archive !== undefined) {
      this.#archive = archive
      this.#xors = undefined
      this.#recentXorA.length = this.#recentXorB.length = 1
      this.#sharedPositions.clear()
      this.#recent = this.#recent.filter(recent => !this.#isArchived(recent))
      // An archive knows a message by its time, too: an id that comes again with another time is found here.
      this.#recentKeys = new Set([...[...this.#recentKeys].slice(-REMEMBERED_KEYS), ...this.#recent.map(messageKey)])
      this.#cachedMessages = this.#recent.filter(({ message }) => message !== undefined)
    }
    this.#archiveAt = this.#recent.length + ARCHIVE_INTERVAL
  }

  /** The messages of a range, in order (M3). Reads their texts from disk: use it for small ranges only. */
  between(range: Range): StoredMessage[] {
    const messages: StoredMessage[] = []
    const [first, end] = this.#archiveRange(range)
    for (let index = first; index < end; index++) {
      const message = this.#archive.read(index)
      if (message !== undefined) messages.push(message)
    }
    const [start, stop] = this.#recentRange(range)
    for (const recent of this.#recent.slice(start, stop)) {
      const found = recent.message ?? this.#archive.find(recent)
      if (found !== undefined) messages.push(found)
    }
    return messages.sort(compareMessages)
  }

  fingerprint(range: Range): Fingerprint {
    const [first, end] = this.#archiveRange(range)
    this.#xors ??= [prefixXors(this.#archive.hashA), prefixXors(this.#archive.hashB)]
    const [xorA, xorB] = this.#xors
    let a = (xorA[end] ?? 0) ^ (xorA[first] ?? 0)
    let b = (xorB[end] ?? 0) ^ (xorB[first] ?? 0)
    const [start, stop] = this.#recentRange(range)
    if (start < stop) {
      this.#extendXors(stop)
      a ^= (this.#recentXorA[stop] ?? 0) ^ (this.#recentXorA[start] ?? 0)
      b ^= (this.#recentXorB[stop] ?? 0) ^ (this.#recentXorB[start] ?? 0)
    }
    const hash = (a >>> 0).toString(16) + (b >>> 0).toString(16).padStart(8, '0')
    const { from, fromHash, to, toHash } = range
    return { ...rangeOf(from, fromHash, to, toHash), count: Math.max(0, end - first) + Math.max(0, stop - start), hash }
  }

  /**
   * Splits a range into at most `parts` parts of about equal size: if there are two parts or more, each has
   * fewer messages than the range.
   * @param byHash cuts between messages of one time too; without, they stay together, and the first part may be empty
   */
  split(range: Range, parts: number, byHash: boolean): Fingerprint[] {
    const prints: Fingerprint[] = []
    let [from, fromHash]: [number, string | undefined] = [range.from, range.fromHash]
    for (const { at, hash } of this.#splitPoints(range, parts, byHash)) {
      if (at < from || (at === from && (hash ?? '') <= (fromHash ?? ''))) continue
      prints.push(this.fingerprint(rangeOf(from, fromHash, at, hash)))
      ;[from, fromHash] = [at, hash]
    }
    prints.push(this.fingerprint(rangeOf(from, fromHash, range.to, range.toHash)))
    return prints
  }

  /** Bounds that split a range about evenly: by the archive or by the messages since, whichever has more in the range. */
  #splitPoints(range: Range, parts: number, byHash: boolean): { at: number; hash: string | undefined }[] {
    const [first, end] = this.#archiveRange(range)
    const [start, stop] = this.#recentRange(range)
    const archived = end - first > stop - start
    const [low, count] = archived ? [first, end - first] : [start, stop - start]
    const position = (index: number) => (archived ? this.#archivePosition(index) : this.#recent[index])
    const cuts: { at: number; hash: string | undefined }[] = []
    for (let part = 1; part < parts; part++) {
      const index = low + Math.round((count * part) / parts)
      const point = index > low && index < low + count ? position(index) : undefined
      if (point === undefined) continue
      const isWithinTime = byHash && position(index - 1)?.at === point.at
      cuts.push({ at: point.at, hash: isWithinTime ? formatHash(point) : undefined })
    }
    return cuts
  }

  #insert(recent: RecentMessage): void {
    const index = this.#recentBefore(recent)
    this.#recent.splice(index, 0, recent)
    for (const xors of [this.#recentXorA, this.#recentXorB]) xors.length = Math.min(xors.length, index + 1)
  }

  /** Computes the xors up to an index: a sibling may ask for many ranges at once. */
  #extendXors(end: number): void {
    for (let index = this.#recentXorA.length - 1; index < end; index++) {
      this.#recentXorA.push((this.#recentXorA[index] ?? 0) ^ (this.#recent[index]?.a ?? 0))
      this.#recentXorB.push((this.#recentXorB[index] ?? 0) ^ (this.#recent[index]?.b ?? 0))
    }
  }

  #isArchived(message: MessageRef): boolean {
    const position: Position = { at: message.at, ...messageHash(message) }
    const index = this.#archivedBefore(position)
    const isThere = (row: number) => {
      const found = this.#archivePosition(row)
      return found !== undefined && comparePositions(found, position) === 0
    }
    if (!isThere(index)) return false
    // Anyone can choose an id whose hash is that of another message: only the ids themselves tell.
    if (isThere(index + 1)) return this.#keysFrom(index, isThere).has(messageKey(message))
    const archived = this.#archive.read(index)
    return archived === undefined || messageKey(archived) === messageKey(message)
  }

  /** The keys of the archived messages at one position, of which there are several. */
  #keysFrom(first: number, isThere: (row: number) => boolean): Set<string> {
    const known = this.#sharedPositions.get(first)
    if (known !== undefined) return known
    const keys = new Set<string>()
    for (let row = first; isThere(row); row++) {
      const message = this.#archive.read(row)
      if (message !== undefined) keys.add(messageKey(message))
    }
    this.#sharedPositions.set(first, keys)
    return keys
  }

  #archivePosition(index: number): Position | undefined {
    const { at, hashA, hashB } = this.#archive
    const [time, a, b] = [at[index], hashA[index], hashB[index]]
    return time === undefined || a === undefined || b === undefined ? undefined : { at: time, a, b }
  }

  /** Number of archived messages before a position. */
  #archivedBefore(position: Position): number {
    return entriesBefore(this.#archive, position)
  }

  /** Number of messages of this run before a position. */
  #recentBefore(position: Position): number {
    return lowerBound(this.#recent.length, index => {
      const recent = this.#recent[index]
      return recent !== undefined && comparePositions(recent, position) < 0
    })
  }

  #archiveRange(range: Range): [first: number, end: number] {
    const { from, to } = boundsOf(range)
    return [this.#archivedBefore(from), to === undefined ? this.#archive.at.length : this.#archivedBefore(to)]
  }

  #recentRange(range: Range): [start: number, stop: number] {
    const { from, to } = boundsOf(range)
    return [this.#recentBefore(from), to === undefined ? this.#recent.length : this.#recentBefore(to)]
  }

  #cacheMessage(recent: RecentMessage): void {
    this.#cachedMessages.push(recent)
    if (this.#cachedMessages.length < 2 * CACHED_MESSAGES) return
    for (const old of this.#cachedMessages.splice(0, CACHED_MESSAGES)) old.message = undefined
  }
}

/** The first index below `length` for which `isBefore` is false; `length` if there is none (binary search). */
export function lowerBound(length: number, isBefore: (index: number) => boolean): number {
  let low = 0
  let high = length
  while (low < high) {
    const middle = (low + high) >> 1
    if (isBefore(middle)) low = middle + 1
    else high = middle
  }
  return low
}

function prefixXors(hashes: Int32Array): Int32Array {
  const xors = new Int32Array(hashes.length + 1)
  for (let index = 0; index < hashes.length; index++) xors[index + 1] = (xors[index] ?? 0) ^ (hashes[index] ?? 0)
  return xors
}

/** A unique key of a message, the same on every client. Names contain no line breaks. */
export function messageKey({ from, id }: Pick<Message, 'from' | 'id'>): string {
  return `${from}\n${id}`
}

/** A 64-bit hash, as two signed halves. */
export interface MessageHash {
  a: number
  b: number
}

/** The hash of a message's key. */
export function messageHash(message: Pick<Message, 'from' | 'id'>): MessageHash {
  const key = messageKey(message)
  return { a: fnv1a(key, SEED_A), b: fnv1a(key, SEED_B) }
}

export function comparePositions(one: Position, other: Position): number {
  return one.at - other.at || (one.a >>> 0) - (other.a >>> 0) || (one.b >>> 0) - (other.b >>> 0)
}

/** Number of entries before a position, in columns that are ordered by position. */
export function entriesBefore(
  { at, hashA, hashB }: Pick<Archive, 'at' | 'hashA' | 'hashB'>,
  position: Position,
): number {
  const entry: Position = { at: 0, a: 0, b: 0 }
  return lowerBound(at.length, index => {
    entry.at = at[index] ?? 0
    entry.a = hashA[index] ?? 0
    entry.b = hashB[index] ?? 0
    return comparePositions(entry, position) < 0
  })
}

/** A hash on the wire: 16 hexadecimal digits. */
function formatHash({ a, b }: MessageHash): string {
  return [a, b].map(half => (half >>> 0).toString(16).padStart(8, '0')).join('')
}

function parseHash(hash = ''): MessageHash {
  const half = (digits: string) => (digits === '' ? 0 : Number.parseInt(digits, 16) | 0)
  return { a: half(hash.slice(0, 8)), b: half(hash.slice(8)) }
}

function boundsOf({ from, fromHash, to, toHash }: Range): { from: Position; to: Position | undefined } {
  return {
    from: { at: from, ...parseHash(fromHash) },
    to: to === undefined ? undefined : { at: to, ...parseHash(toHash) },
  }
}

function rangeOf(
  from: number,
  fromHash: string | undefined,
  to: number | undefined,
  toHash: string | undefined,
): Range {
  return {
    from,
    ...(fromHash === undefined ? {} : { fromHash }),
    ...(to === undefined ? {} : { to }),
    ...(toHash === undefined ? {} : { toHash }),
  }
}

/** 32-bit FNV-1a (Fowler, Noll, Vo) over UTF-16 units, with a final multiply-xor so that the xor of many hashes is uniform. */
function fnv1a(text: string, seed: number): number {
  let hash = seed
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  return hash ^ (hash >>> 13)
}
