import { compareMessages } from '../../common/hybrid-clock.ts'
import type { Message } from '../../protocol/messages.ts'

/** The number of messages in a time range, and a hash of their ids that does not depend on their order. */
export interface Fingerprint {
  /** Hybrid times: `from` is inclusive, `to` exclusive; without `to`, the range has no end. */
  from: number
  to?: number
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
}

/** The messages of earlier runs as columns, ordered by `at`, each id once. Texts are read on demand. */
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
}

/**
 * Identifies a message. The id alone is not enough: an attacker who guesses the id of another user's next message could
 * use it first, and the real message would be dropped as a duplicate.
 */
type MessageRef = Pick<Message, 'id' | 'at' | 'from'>

const SEED_A = 0x811c9dc5
const SEED_B = 0x01000193
/** Messages of this run whose texts stay in memory although the archive has them too. */
const CACHED_MESSAGES = 20_000

export const NO_ARCHIVE: Archive = {
  at: new Float64Array(),
  hashA: new Int32Array(),
  hashB: new Int32Array(),
  read: () => undefined,
  find: () => undefined,
}

interface RecentMessage extends MessageRef {
  message: StoredMessage | undefined
}

/** All messages of a client, once per sender and id, ordered by (`at`, `id`): an archive and the messages since. */
export class MessageLog {
  readonly #archive: Archive
  /** The archive's hashes, xored from its start up to each index. */
  readonly #xorA: Int32Array
  readonly #xorB: Int32Array
  #recent: RecentMessage[] = []
  #recentKeys = new Set<string>()
  /** Entries of `#recent` with their text in memory, in order of arrival. */
  #cachedMessages: RecentMessage[] = []

  constructor(archive: Archive) {
    this.#archive = archive
    this.#xorA = prefixXors(archive.hashA)
    this.#xorB = prefixXors(archive.hashB)
  }

  get size(): number {
    return this.#archive.at.length + this.#recent.length
  }

  /** The newest hybrid time. */
  get lastAt(): number {
    return Math.max(this.#archive.at.at(-1) ?? 0, this.#recent.at(-1)?.at ?? 0)
  }

  /** Adds a message; returns whether it is new. Costs O(1) for the newest message, the usual case. */
  add(message: StoredMessage): boolean {
    const key = messageKey(message)
    if (this.#recentKeys.has(key) || this.#isArchived(message)) return false
    this.#recentKeys.add(key)
    const recent: RecentMessage = { at: message.at, id: message.id, from: message.from, message }
    const last = this.#recent.at(-1)
    if (last === undefined || compareMessages(last, message) < 0) this.#recent.push(recent)
    else
      this.#recent.splice(
        lowerBound(this.#recent.length, at => this.#isBefore(at, message)),
        0,
        recent,
      )
    if (this.#archive !== NO_ARCHIVE) this.#cacheMessage(recent)
    return true
  }

  /** The messages with `from` <= at < `to`, in order. Reads their texts from disk: use it for small ranges only. */
  between(from: number, to = Number.POSITIVE_INFINITY): StoredMessage[] {
    const messages: StoredMessage[] = []
    const [first, end] = this.#archiveRange(from, to)
    for (let index = first; index < end; index++) {
      const message = this.#archive.read(index)
      if (message !== undefined) messages.push(message)
    }
    const [start, stop] = this.#recentRange(from, to)
    for (const recent of this.#recent.slice(start, stop)) {
      const found = recent.message ?? this.#archive.find(recent)
      if (found !== undefined) messages.push(found)
    }
    return messages.sort(compareMessages)
  }

  fingerprint(from: number, to?: number): Fingerprint {
    const [first, end] = this.#archiveRange(from, to)
    let a = (this.#xorA[end] ?? 0) ^ (this.#xorA[first] ?? 0)
    let b = (this.#xorB[end] ?? 0) ^ (this.#xorB[first] ?? 0)
    const [start, stop] = this.#recentRange(from, to)
    for (let index = start; index < stop; index++) {
      const recent = this.#recent[index]
      if (recent === undefined) continue
      const hash = messageHash(recent)
      a ^= hash.a
      b ^= hash.b
    }
    const hash = (a >>> 0).toString(16) + (b >>> 0).toString(16).padStart(8, '0')
    const count = end - first + stop - start
    return to === undefined ? { from, count, hash } : { from, to, count, hash }
  }

  /** Splits a range into at most `parts` parts of about equal size. Messages with the same time stay together. */
  split(from: number, to: number | undefined, parts: number): Fingerprint[] {
    const prints: Fingerprint[] = []
    let since = from
    for (const until of this.#splitPoints(from, to, parts)) {
      if (until <= since) continue
      prints.push(this.fingerprint(since, until))
      since = until
    }
    prints.push(this.fingerprint(since, to))
    return prints
  }

  /** Times that split a range about evenly: by the archive or by the messages since, whichever has more in the range. */
  #splitPoints(from: number, to: number | undefined, parts: number): number[] {
    const [first, end] = this.#archiveRange(from, to)
    const [start, stop] = this.#recentRange(from, to)
    const archived = end - first > stop - start
    const [low, count] = archived ? [first, end - first] : [start, stop - start]
    const cuts: number[] = []
    for (let part = 1; part < parts; part++) {
      const index = low + Math.round((count * part) / parts)
      const at = archived ? this.#archive.at[index] : this.#recent[index]?.at
      if (at !== undefined && index > low && index < low + count) cuts.push(at)
    }
    return cuts
  }

  #isBefore(index: number, point: { at: number; id: string }): boolean {
    const recent = this.#recent[index]
    return recent !== undefined && compareMessages(recent, point) < 0
  }

  #isArchived(message: Message): boolean {
    const { at } = message
    const { at: times, hashA, hashB } = this.#archive
    if (times.length === 0 || at > (times.at(-1) ?? 0)) return false
    const hash = messageHash(message)
    for (let index = lowerBound(times.length, one => (times[one] ?? 0) < at); times[index] === at; index++) {
      if (hashA[index] === hash.a && hashB[index] === hash.b) return true
    }
    return false
  }

  /** The archive's indexes with `from` <= at < `to`. */
  #archiveRange(from: number, to = Number.POSITIVE_INFINITY): [first: number, end: number] {
    const { at } = this.#archive
    return [lowerBound(at.length, one => (at[one] ?? 0) < from), lowerBound(at.length, one => (at[one] ?? 0) < to)]
  }

  #recentRange(from: number, to = Number.POSITIVE_INFINITY): [start: number, stop: number] {
    const { length } = this.#recent
    const before = (at: number) => lowerBound(length, index => (this.#recent[index]?.at ?? 0) < at)
    return [before(from), to === Number.POSITIVE_INFINITY ? length : before(to)]
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

/** A 64-bit hash of a message's key, as two signed halves. */
export function messageHash(message: Pick<Message, 'from' | 'id'>): { a: number; b: number } {
  const key = messageKey(message)
  return { a: fnv1a(key, SEED_A), b: fnv1a(key, SEED_B) }
}

/** 32-bit FNV-1a (Fowler, Noll, Vo) over UTF-16 units, with a final multiply-xor so that the xor of many hashes is uniform. */
function fnv1a(text: string, seed: number): number {
  let hash = seed
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  return hash ^ (hash >>> 13)
}
