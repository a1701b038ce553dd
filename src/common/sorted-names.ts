import { compareNames } from '../protocol/names.ts'

/** A block is split in two when it grows past this many names, and dropped when it empties. */
const MAX_BLOCK_NAMES = 512

/** Sorted names to look at. It may change under the hands of who keeps it. */
export interface NameList extends Iterable<string> {
  readonly size: number
  has(name: string): boolean
  /** The names from place `start`, before `end`. Costs no more than what it answers, and the number of blocks. */
  slice(start: number, end: number): string[]
}

/**
 * A sorted set of names. Adding and removing cost O(log n) comparisons and the move of at most one block, so that
 * 100,000 names cost what 1,000 do; a plain sorted array would move all behind the place.
 */
export class SortedNames implements NameList {
  #blocks: string[][] = []
  #size = 0

  get size(): number {
    return this.#size
  }

  has(name: string): boolean {
    const block = this.#blocks[this.#blockOf(name)]
    return block !== undefined && block[lowerBound(block, name)] === name
  }

  /** Whether the name was new. */
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

  /** Whether the name was there. */
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

  *[Symbol.iterator](): Generator<string> {
    for (const block of this.#blocks) yield* block
  }

  toArray(): string[] {
    return this.#blocks.flat()
  }

  /** Replaces all names by `sorted`, which must be sorted and unique. O(n). */
  reset(sorted: readonly string[]): void {
    this.#blocks = []
    for (let at = 0; at < sorted.length; at += MAX_BLOCK_NAMES / 2)
      this.#blocks.push(sorted.slice(at, at + MAX_BLOCK_NAMES / 2))
    this.#size = sorted.length
  }

  /** The first block whose last name is not before `name`; the number of blocks when there is none. */
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

/** Where `name` stands or would stand in a sorted array. */
function lowerBound(sorted: readonly string[], name: string): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >> 1
    const there = sorted[middle]
    if (there !== undefined && compareNames(there, name) < 0) low = middle + 1
    else high = middle
  }
  return low
}
