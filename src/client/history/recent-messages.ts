import type { Message } from '../../protocol/messages.ts'
import { comparePositions, lowerBound, type MessageHash, messageHash, messageKey, type Position } from './positions.ts'

/** A block with more messages is split in two. */
const MAX_BLOCK_MESSAGES = 512
/** Messages whose texts stay in memory, the ones that arrived last, and the most UTF-16 units of text of these. */
const CACHED_MESSAGES = 20_000
const MAX_CACHED_LENGTH = 32 * 1024 * 1024

/** A message of this run. Without `message`, only its place and its key are in memory. */
export interface RecentMessage<Stored extends Message = Message> extends Position {
  readonly key: string
  message: Stored | undefined
}

/** A message with its place and its key. */
export function entryOf<Stored extends Message>(message: Stored): RecentMessage<Stored> {
  return { at: message.at, ...messageHash(message), key: messageKey(message), message }
}

/** Messages next to each other, with the xor of their hashes. */
interface Block<Stored extends Message> extends MessageHash {
  readonly entries: RecentMessage<Stored>[]
}

/**
 * The messages of this run, ordered by position. They are in blocks: adding one moves at most a block, so messages that
 * arrive in the worst order cost about the same as the newest. The texts of old ones are dropped.
 */
export class RecentMessages<Stored extends Message> implements Iterable<RecentMessage<Stored>> {
  #blocks: Block<Stored>[] = []
  #size = 0
  /** Entries whose text may be in memory, in order of arrival, from `#oldestCached`. */
  #cached: RecentMessage<Stored>[] = []
  #oldestCached = 0
  #cachedLength = 0

  get size(): number {
    return this.#size
  }

  get last(): RecentMessage<Stored> | undefined {
    return this.#blocks.at(-1)?.entries.at(-1)
  }

  add(entry: RecentMessage<Stored>): void {
    this.#insert(entry)
    this.#cached.push(entry)
    this.#cachedLength += entry.message?.text.length ?? 0
    this.#dropTexts()
  }

  /** Keeps only the messages that `keeps` accepts. */
  filter(keeps: (entry: RecentMessage<Stored>) => boolean): void {
    const kept = [...this].filter(keeps)
    this.#blocks = []
    this.#size = 0
    for (const entry of kept) this.#insert(entry)
    const entries = new Set(kept)
    this.#cached = this.#cached.slice(this.#oldestCached).filter(entry => entries.has(entry))
    this.#oldestCached = 0
    this.#cachedLength = this.#cached.reduce((length, { message }) => length + (message?.text.length ?? 0), 0)
  }

  /** The message at an index. O(blocks), as the next ones. */
  at(index: number): RecentMessage<Stored> | undefined {
    return this.slice(index, index + 1)[0]
  }

  /** Number of messages before a position. */
  before(position: Position): number {
    const isBefore = (entry: Position | undefined) => entry !== undefined && comparePositions(entry, position) < 0
    const index = lowerBound(this.#blocks.length, at => isBefore(this.#blocks[at]?.entries.at(-1)))
    let count = 0
    for (let at = 0; at < index; at++) count += this.#blocks[at]?.entries.length ?? 0
    const entries = this.#blocks[index]?.entries ?? []
    return count + lowerBound(entries.length, at => isBefore(entries[at]))
  }

  /** The messages from index `start` up to, not including, `end`. */
  slice(start: number, end: number): RecentMessage<Stored>[] {
    const entries: RecentMessage<Stored>[] = []
    let first = 0
    for (const block of this.#blocks) {
      if (first >= end) break
      const next = first + block.entries.length
      if (next > start) entries.push(...block.entries.slice(Math.max(0, start - first), end - first))
      first = next
    }
    return entries
  }

  /** The xor of the hashes of the messages before an index. */
  xorBefore(end: number): MessageHash {
    const xor: MessageHash = { a: 0, b: 0 }
    let first = 0
    for (const block of this.#blocks) {
      if (first >= end) break
      const isWhole = first + block.entries.length <= end
      if (isWhole) addHash(xor, block)
      else for (const entry of block.entries.slice(0, end - first)) addHash(xor, entry)
      first += block.entries.length
    }
    return xor
  }

  *[Symbol.iterator](): Generator<RecentMessage<Stored>> {
    for (const { entries } of this.#blocks) yield* entries
  }

  #insert(entry: RecentMessage<Stored>): void {
    this.#size++
    // The first block whose last message is not before the new one, or the last block.
    const index = Math.min(
      this.#blocks.length - 1,
      this.#isNewest(entry)
        ? this.#blocks.length
        : lowerBound(this.#blocks.length, at => {
            const last = this.#blocks[at]?.entries.at(-1)
            return last !== undefined && comparePositions(last, entry) < 0
          }),
    )
    const block = this.#blocks[index]
    if (block === undefined) return void this.#blocks.push(blockOf([entry]))
    const { entries } = block
    const at = lowerBound(entries.length, one => {
      const other = entries[one]
      return other !== undefined && comparePositions(other, entry) < 0
    })
    entries.splice(at, 0, entry)
    addHash(block, entry)
    if (entries.length <= MAX_BLOCK_MESSAGES) return
    const middle = MAX_BLOCK_MESSAGES / 2
    this.#blocks.splice(index, 1, blockOf(entries.slice(0, middle)), blockOf(entries.slice(middle)))
  }

  #isNewest(entry: RecentMessage<Stored>): boolean {
    const { last } = this
    return last === undefined || comparePositions(last, entry) < 0
  }

  #dropTexts(): void {
    while (this.#cached.length - this.#oldestCached > CACHED_MESSAGES || this.#cachedLength > MAX_CACHED_LENGTH) {
      const old = this.#cached[this.#oldestCached++]
      if (old === undefined) break
      this.#cachedLength -= old.message?.text.length ?? 0
      old.message = undefined
    }
    if (this.#oldestCached < CACHED_MESSAGES) return
    this.#cached = this.#cached.slice(this.#oldestCached)
    this.#oldestCached = 0
  }
}

function blockOf<Stored extends Message>(entries: RecentMessage<Stored>[]): Block<Stored> {
  const block = { entries, a: 0, b: 0 }
  for (const entry of entries) addHash(block, entry)
  return block
}

function addHash(xor: MessageHash, { a, b }: MessageHash): void {
  xor.a ^= a
  xor.b ^= b
}
