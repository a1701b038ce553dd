import { compareMessages } from '../../common/hybrid-clock.ts'
import type { ErrorCode, Message } from '../../protocol/messages.ts'
import {
  boundsOf,
  comparePositions,
  entriesBefore,
  type Fingerprint,
  formatHash,
  messageKey,
  type Position,
  type PositionColumns,
  type Range,
  rangeOf,
} from './positions.ts'
import { entryOf, type RecentMessage, RecentMessages } from './recent-messages.ts'

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
  /** How many have confirmed it, for a message of this user; filled in by a history that is read. */
  readonly receipt?: StoredReceipt | undefined
  /** Why it was rejected: it was never said, and only this client has it. Filled in by a history that is read. */
  readonly rejection?: Rejection | undefined
}

/** How many have confirmed a message: connections of its recipient, or members of a room, of the `of` who were there. */
export interface StoredReceipt {
  readonly delivered: number
  readonly of?: number | undefined
}

/** Why a message was rejected. */
export interface Rejection {
  readonly code: ErrorCode
  readonly message: string
}

/** An own message that was rejected. */
export type RejectedMessage = Message & { readonly sealed?: string | undefined; readonly rejection: Rejection }

/** A message that waits on disk to be confirmed. */
export interface HeldMessage extends StoredMessage {
  /** It was not sent to any server yet, so it may get another time. Absent: a server may have accepted it. */
  readonly provisional?: true | undefined
}

/** The messages of earlier runs as columns, ordered by position, each sender and id once. Texts are read on demand. */
export interface Archive extends PositionColumns {
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

/** Messages of this run after which the log takes those that the archive has by now from there. */
const ARCHIVE_INTERVAL = 1_000
/** Messages of this run whose ids stay in memory although the archive has them. */
const REMEMBERED_KEYS = 10_000

export const NO_ARCHIVE: Archive = {
  at: new Float64Array(),
  hashA: new Int32Array(),
  hashB: new Int32Array(),
  read: () => undefined,
  find: () => undefined,
}

/**
 * All messages of a client, once per sender and id: an archive and the messages since. Without an archive, the texts of old
 * messages are gone, and their places remain.
 */
export class MessageLog {
  #archive: Archive
  /** The archive's hashes, xored from its start up to each index; undefined: not needed yet. */
  #xors: readonly [a: Int32Array, b: Int32Array] | undefined
  readonly #recent = new RecentMessages<StoredMessage>()
  #recentKeys = new Set<string>()
  /** The keys of archived messages that share a position, by the index of the first. */
  readonly #sharedPositions = new Map<number, Set<string>>()
  /** The size of `#recent` at which it is archived. */
  #archiveAt = ARCHIVE_INTERVAL

  constructor(archive: Archive) {
    this.#archive = archive
  }

  get size(): number {
    return this.#archive.at.length + this.#recent.size
  }

  /** The newest hybrid time. */
  get lastAt(): number {
    return Math.max(this.#archive.at.at(-1) ?? 0, this.#recent.last?.at ?? 0)
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
    const end: Position = { at: limit, a: -1, b: -1 }
    const archived = this.#archive.at[this.#archivedBefore(end) - 1] ?? 0
    return Math.max(archived, this.#recent.at(this.#recent.before(end) - 1)?.at ?? 0)
  }

  /** About the hybrid time of the oldest of the latest `count` messages; 0 if there are fewer. */
  timeOfLatest(count: number): number {
    const recent = this.#recent.size
    if (recent >= count) return this.#recent.at(recent - count)?.at ?? 0
    return this.#archive.at[this.#archive.at.length - (count - recent)] ?? 0
  }

  has(message: Message): boolean {
    return this.#hasEntry(entryOf(message))
  }

  /** Adds a message; returns whether it is new. */
  add(message: StoredMessage): boolean {
    const entry = entryOf(message)
    if (this.#hasEntry(entry)) return false
    this.#recentKeys.add(entry.key)
    this.#recent.add(entry)
    if (this.#recent.size >= this.#archiveAt) this.#takeFromArchive()
    return true
  }

  #hasEntry(entry: RecentMessage): boolean {
    return this.#recentKeys.has(entry.key) || this.#isArchived(entry)
  }

  /** Takes messages of this run from the archive from now on. What it does not have, such as a failed store, stays here. */
  #takeFromArchive(): void {
    const archive = this.#archive.refreshed?.()
    if (archive !== undefined) {
      this.#archive = archive
      this.#xors = undefined
      this.#sharedPositions.clear()
      this.#recent.filter(recent => !this.#isArchived(recent))
      // An archive knows a message by its time, too: an id that comes again with another time is found here.
      this.#recentKeys = new Set([
        ...[...this.#recentKeys].slice(-REMEMBERED_KEYS),
        ...[...this.#recent].map(({ key }) => key),
      ])
    }
    this.#archiveAt = this.#recent.size + ARCHIVE_INTERVAL
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
      const found = recent.message ?? this.#archive.find(refOf(recent))
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
      for (const xor of [this.#recent.xorBefore(start), this.#recent.xorBefore(stop)]) {
        a ^= xor.a
        b ^= xor.b
      }
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
    const position = (index: number) => (archived ? this.#archivePosition(index) : this.#recent.at(index))
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

  #isArchived({ at, a, b, key }: Position & { key: string }): boolean {
    const position: Position = { at, a, b }
    const index = this.#archivedBefore(position)
    const isThere = (row: number) => {
      const found = this.#archivePosition(row)
      return found !== undefined && comparePositions(found, position) === 0
    }
    if (!isThere(index)) return false
    // Anyone can choose an id whose hash is that of another message: only the ids themselves tell.
    if (isThere(index + 1)) return this.#keysFrom(index, isThere).has(key)
    const archived = this.#archive.read(index)
    return archived === undefined || messageKey(archived) === key
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

  #archiveRange(range: Range): [first: number, end: number] {
    const { from, to } = boundsOf(range)
    return [this.#archivedBefore(from), to === undefined ? this.#archive.at.length : this.#archivedBefore(to)]
  }

  #recentRange(range: Range): [start: number, stop: number] {
    const { from, to } = boundsOf(range)
    return [this.#recent.before(from), to === undefined ? this.#recent.size : this.#recent.before(to)]
  }
}

function prefixXors(hashes: Int32Array): Int32Array {
  const xors = new Int32Array(hashes.length + 1)
  for (let index = 0; index < hashes.length; index++) xors[index + 1] = (xors[index] ?? 0) ^ (hashes[index] ?? 0)
  return xors
}

/** What identifies an entry's message. Names contain no line breaks. */
function refOf({ at, key }: RecentMessage): MessageRef {
  const end = key.indexOf('\n')
  return { at, from: key.slice(0, end), id: key.slice(end + 1) }
}
