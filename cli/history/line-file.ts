import { closeSync, fstatSync, readSync, statSync } from 'node:fs'
import { openToRead } from '../storage/files/open-file.ts'

/** Bytes per cached block. Callers that read one line after the other need a read from disk for each block only. */
const BLOCK_BYTES = 1 << 16
const MAX_CACHED_BLOCKS = 16
/** Blocks that are remembered without their content. */
const MAX_TOUCHED_BLOCKS = 256

/** Random access to the lines of an append-only file, with a block cache. The file may not exist yet. */
export class LineFile {
  readonly #file: string
  #descriptor: number | undefined
  #problem: Error | undefined
  /** Full blocks by their position, oldest first. */
  #blocks = new Map<number, Buffer>()
  /** Blocks of which a text was read, by their position. */
  readonly #touched = new Set<number>()

  constructor(file: string) {
    this.#file = file
  }

  /** Why the file cannot be read; undefined: it can, or does not exist. */
  get problem(): Error | undefined {
    return this.#problem
  }

  /** Bytes of the file; undefined if it does not exist. */
  get size(): number | undefined {
    const descriptor = this.#open()
    return descriptor === undefined ? undefined : fstatSync(descriptor).size
  }

  /** Fills a buffer from a position. Returns the number of bytes read: 0 at the end of the file. */
  read(buffer: Buffer, position: number): number {
    const descriptor = this.#open()
    if (descriptor === undefined) return 0
    try {
      return readSync(descriptor, buffer, 0, buffer.length, position)
    } catch (error) {
      this.#problem = error as Error
      return 0
    }
  }

  /** The text of `length` bytes at a position; undefined if the file ends before. */
  text(position: number, length: number): string | undefined {
    const blockStart = position - (position % BLOCK_BYTES)
    // The lines of a page are far apart in a large history: a whole block is read for the second line in it.
    const block = this.#blocks.get(blockStart) ?? (this.#isTouched(blockStart) ? this.#block(blockStart) : undefined)
    const start = position - blockStart
    if (block !== undefined && start + length <= block.length) return block.toString('utf8', start, start + length)
    const bytes = Buffer.allocUnsafe(length)
    return this.read(bytes, position) === length ? bytes.toString('utf8') : undefined
  }

  /** Empties the cache; call it when the file may have been replaced. */
  clearCache(): void {
    this.#blocks.clear()
    this.#touched.clear()
  }

  /** Closes a file that another process has moved or replaced: the next read opens the one that has the name now. */
  reopenIfReplaced(): boolean {
    if (this.#descriptor === undefined) return false
    const [one, other] = [fstatSync(this.#descriptor), statSync(this.#file, { throwIfNoEntry: false })]
    if (one.ino === other?.ino && one.dev === other.dev) return false
    this.close()
    return true
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor)
    this.#descriptor = undefined
    this.clearCache()
  }

  /** Whether a text of this block was read before. Remembers that one is now. */
  #isTouched(position: number): boolean {
    if (this.#touched.has(position)) return true
    if (this.#touched.size >= MAX_TOUCHED_BLOCKS) this.#touched.clear()
    this.#touched.add(position)
    return false
  }

  #block(position: number): Buffer {
    const buffer = Buffer.allocUnsafe(BLOCK_BYTES)
    const block = buffer.subarray(0, this.read(buffer, position))
    // The last block may still grow: do not cache it.
    if (block.length < BLOCK_BYTES) return block
    this.#blocks.set(position, block)
    const [oldest] = this.#blocks.keys()
    if (this.#blocks.size > MAX_CACHED_BLOCKS && oldest !== undefined) this.#blocks.delete(oldest)
    return block
  }

  #open(): number | undefined {
    try {
      this.#descriptor ??= openToRead(this.#file)
      this.#problem = undefined
    } catch (error) {
      this.#problem = (error as NodeJS.ErrnoException).code === 'ENOENT' ? undefined : (error as Error)
      return undefined
    }
    return this.#descriptor
  }
}
