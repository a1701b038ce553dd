import { compareNames } from '../protocol/names.ts'

/** A block with more names is split in two; an empty block is removed. */
const MAX_BLOCK_NAMES = 512

/** A read-only view of sorted names. It may change over time. */
export interface NameList extends Iterable<string> {
  readonly size: number
  has(name: string): boolean
  /** The names from index `start` up to, not including, `end`. O(names returned + blocks). */
  slice(start: number, end: number): string[]
}

/** A `NameList` that finds places in the order. */
export interface SortedNameList extends NameList {
  /** At most `count` names after `name`, which need not be in the set. O(names returned + log n). */
  after(name: string, count: number): string[]
  /** Number of names before `name`, which need not be in the set. O(blocks). */
  rank(name: string): number
}

/**
 * A sorted set of names. Adding and deleting take O(log n) comparisons and move at most one block, so they cost the same
 * with 100,000 names as with 1,000; a plain sorted array would move all names after the index.
 */
export class SortedNames implements SortedNameList {
  #blocks: string[][] = []
  #size = 0

  get size(): number {
    return this.#size
  }

  has(name: string): boolean {
    const block = this.#blocks[this.#blockOf(name)]
    return block !== undefined && block[lowerBound(block, name)] === name
  }

  /** Returns whether the name was new. */
  add(name: string): boolean {
    const index = Math.min(this.#blockOf(name), this.#blocks.length - 1)
    const block = this.#blocks[index]
    if (block === undefined) {
      this.#blocks.push([name])
      this.#size = 1
      return true
    }
    const at = lowerBound(block, name)
    if (block[at] === name) return false
    block.splice(at, 0, name)
    this.#size++
    if (block.length > MAX_BLOCK_NAMES) this.#blocks.splice(index + 1, 0, block.splice(MAX_BLOCK_NAMES / 2))
    return true
  }

  /** Returns whether the name was in the set. */
  delete(name: string): boolean {
    const index = this.#blockOf(name)
    const block = this.#blocks[index]
    if (block === undefined) return false
    const at = lowerBound(block, name)
    if (block[at] !== name) return false
    block.splice(at, 1)
    this.#size--
    if (block.length === 0) this.#blocks.splice(index, 1)
    return true
  }

  slice(start: number, end: number): string[] {
    const names: string[] = []
    let first = 0
    for (const block of this.#blocks) {
      if (first >= end) break
      if (first + block.length > start) names.push(...block.slice(Math.max(0, start - first), end - first))
      first += block.length
    }
    return names
  }

  after(name: string, count: number): string[] {
    let index = this.#blockOf(name)
    const block = this.#blocks[index]
    if (block === undefined) return []
    let at = lowerBound(block, name)
    if (block[at] === name) at++
    const names = block.slice(at, at + count)
    while (names.length < count && ++index < this.#blocks.length) {
      names.push(...(this.#blocks[index]?.slice(0, count - names.length) ?? []))
    }
    return names
  }

  rank(name: string): number {
    const index = this.#blockOf(name)
    let rank = 0
    for (let n = 0; n < index; n++) rank += this.#blocks[n]?.length ?? 0
    const block = this.#blocks[index]
    return block === undefined ? rank : rank + lowerBound(block, name)
  }

  *[Symbol.iterator](): Generator<string> {
    for (const block of this.#blocks) yield* block
  }

  toArray(): string[] {
    return this.#blocks.flat()
  }

  /** Replaces all names with `sorted`, which must be sorted and unique. O(n). */
  reset(sorted: readonly string[]): void {
    this.#blocks = []
    for (let at = 0; at < sorted.length; at += MAX_BLOCK_NAMES / 2)
      this.#blocks.push(sorted.slice(at, at + MAX_BLOCK_NAMES / 2))
    this.#size = sorted.length
  }

  /** Index of the first block whose last name is not before `name`; the number of blocks if there is none. */
  #blockOf(name: string): number {
    let low = 0
    let high = this.#blocks.length
    while (low < high) {
      const middle = (low + high) >> 1
      const last = this.#blocks[middle]?.at(-1)
      if (last !== undefined && compareNames(last, name) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** Index of the first name that is not before `name`. */
function lowerBound(sorted: readonly string[], name: string): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >> 1
    const candidate = sorted[middle]
    if (candidate !== undefined && compareNames(candidate, name) < 0) low = middle + 1
    else high = middle
  }
  return low
}
