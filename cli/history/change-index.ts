import type { MessageHash } from '../../src/client/history/positions.ts'
import { lowerBound } from '../../src/client/history/positions.ts'

/** Where the line of a change is, and the hash of the message that it changes. */
interface ChangeEntry extends MessageHash {
  /** Position and length of the line in the history file, bytes. */
  readonly offset: number
  readonly length: number
}

interface Columns {
  readonly offset: Float64Array
  readonly length: Uint32Array
  readonly targetA: Int32Array
  readonly targetB: Int32Array
}

const BYTES_PER_ENTRY = 8 + 4 + 4 + 4
/** Room for later entries when the columns grow. */
const GROWTH = 1.25
/** Entries that are looked at one by one instead of being sorted. */
const MAX_UNSORTED = 64

/**
 * The edits, deletions and reactions of a history file, in its order, and a way from a message to them. Takes 24 bytes for
 * each; other messages cost nothing.
 */
export class ChangeIndex {
  #columns: Columns
  #size: number
  /** The first entries, sorted by target. Those after them are looked at one by one. */
  #byTarget = new Uint32Array()

  private constructor(columns: Columns) {
    this.#columns = columns
    this.#size = columns.offset.length
  }

  static empty(): ChangeIndex {
    return new ChangeIndex(allocate(0))
  }

  get size(): number {
    return this.#size
  }

  /** Adds a change whose line comes after all others. */
  add({ offset, length, a, b }: ChangeEntry): void {
    if (this.#size === this.#columns.offset.length) this.#grow()
    const at = this.#size++
    this.#columns.offset[at] = offset
    this.#columns.length[at] = length
    this.#columns.targetA[at] = a
    this.#columns.targetB[at] = b
  }

  /** The hash of the message that the change at this position of the file changes; undefined: that line is another message. */
  targetAt(offset: number): MessageHash | undefined {
    const { offset: offsets, targetA, targetB } = this.#columns
    const at = lowerBound(this.#size, one => (offsets[one] ?? 0) < offset)
    return at < this.#size && offsets[at] === offset ? { a: targetA[at] ?? 0, b: targetB[at] ?? 0 } : undefined
  }

  /** Where the changes of messages with this hash are. */
  of({ a, b }: MessageHash): { offset: number; length: number }[] {
    if (this.#size === 0) return []
    if (this.#size - this.#byTarget.length > MAX_UNSORTED) this.#sort()
    const { offset, length, targetA, targetB } = this.#columns
    const sorted = this.#byTarget
    const found: { offset: number; length: number }[] = []
    const take = (entry: number) => found.push({ offset: offset[entry] ?? 0, length: length[entry] ?? 0 })
    const isOf = (entry: number) => targetA[entry] === a && targetB[entry] === b
    const isBefore = (entry: number) => {
      const [one = 0, other = 0] = [targetA[entry], targetB[entry]]
      return one < a || (one === a && other < b)
    }
    for (let at = lowerBound(sorted.length, one => isBefore(sorted[one] ?? 0)); at < sorted.length; at++) {
      const entry = sorted[at] ?? 0
      if (!isOf(entry)) break
      take(entry)
    }
    for (let entry = sorted.length; entry < this.#size; entry++) if (isOf(entry)) take(entry)
    return found
  }

  /** The entries as bytes, aligned to 8. */
  pack(): Buffer[] {
    const { offset, length, targetA, targetB } = this.#columns
    const columns = [offset, length, targetA, targetB].map(column => column.subarray(0, this.#size))
    const parts = columns.map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength))
    return [...parts, Buffer.alloc(packedLength(this.#size) - this.#size * BYTES_PER_ENTRY)]
  }

  /**
   * Reads `size` entries from bytes.
   * @param bytesOfFile size of the indexed part of the history
   * @returns undefined if they cannot be used
   */
  static unpack(bytes: ArrayBuffer, start: number, size: number, bytesOfFile: number): ChangeIndex | undefined {
    if (start + packedLength(size) > bytes.byteLength) return undefined
    const columns: Columns = {
      offset: new Float64Array(bytes, start, size),
      length: new Uint32Array(bytes, start + size * 8, size),
      targetA: new Int32Array(bytes, start + size * 12, size),
      targetB: new Int32Array(bytes, start + size * 16, size),
    }
    let end = 0
    for (let at = 0; at < size; at++) {
      const offset = columns.offset[at] ?? -1
      if (!Number.isSafeInteger(offset) || offset < end) return undefined
      end = offset + (columns.length[at] ?? 0)
    }
    return end > bytesOfFile ? undefined : new ChangeIndex(columns)
  }

  #grow(): void {
    const grown = allocate(Math.max(16, Math.ceil(this.#size * GROWTH)))
    grown.offset.set(this.#columns.offset)
    grown.length.set(this.#columns.length)
    grown.targetA.set(this.#columns.targetA)
    grown.targetB.set(this.#columns.targetB)
    this.#columns = grown
  }

  #sort(): void {
    const { targetA, targetB } = this.#columns
    this.#byTarget = Uint32Array.from({ length: this.#size }, (_, entry) => entry).sort(
      (one, other) =>
        (targetA[one] ?? 0) - (targetA[other] ?? 0) || (targetB[one] ?? 0) - (targetB[other] ?? 0) || one - other,
    )
  }
}

/** The length of packed entries, bytes. */
export function packedLength(size: number): number {
  return Math.ceil((size * BYTES_PER_ENTRY) / 8) * 8
}

function allocate(size: number): Columns {
  return {
    offset: new Float64Array(size),
    length: new Uint32Array(size),
    targetA: new Int32Array(size),
    targetB: new Int32Array(size),
  }
}
