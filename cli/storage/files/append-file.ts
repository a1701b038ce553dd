import { closeSync, fdatasync, fdatasyncSync, fstatSync, readSync, rmSync, statSync, truncateSync } from 'node:fs'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { makePrivateFolder } from '../data-folder.ts'
import { withOptionalLock } from '../locks/file-lock.ts'
import { openToAppend } from './open-file.ts'
import { syncFolder, writeAll } from './write-file-atomically.ts'

const NEWLINE = 10
/** How often to write the lines again if another process moves the file meanwhile. */
const MAX_MOVES = 3
const syncData = promisify(fdatasync)

export interface AppendOptions {
  /** Called before the file is opened; throws if it must not be. */
  prepare?: (() => void) | undefined
  /** Whether `save` waits until the lines survive a power cut; if not, they survive a crash of the process. Default: true. */
  durable?: boolean | undefined
  /**
   * Chooses the lines that the open file lacks, when it is about to be written: of several clients, one writes each line.
   * With it, lines are written at the end of the turn or by `flush`, all at once, while no other client does the same.
   */
  selectMissing?: ((lines: readonly string[], descriptor: number) => readonly string[]) | undefined
}

/**
 * A file of lines that only grows, which several processes may write at once. Lines are written when they are appended, and
 * kept in memory until they are saved: if they cannot be written, or the disk fails, the next save writes them again, so
 * a line may be in the file twice.
 */
export class AppendFile {
  readonly path: string
  readonly #prepare: () => void
  readonly #durable: boolean
  readonly #selectMissing: AppendOptions['selectMissing']
  /** Lines that are not saved, oldest first; the first `#written` are in the file. */
  #lines: string[] = []
  #written = 0
  #descriptor: number | undefined
  /** Whether the last write failed: the next save tries again. */
  #hasFailed = false
  #isFlushDue = false
  /** Whether lines that are in the file may not reach the disk: they are written again, whatever the file has. */
  #isSuspect = false
  /** Counts the times that all lines were saved or dropped at once, which a save in progress must know. */
  #generation = 0

  constructor(path: string, { prepare = () => {}, durable = true, selectMissing }: AppendOptions = {}) {
    this.path = path
    this.#prepare = prepare
    this.#durable = durable
    this.#selectMissing = selectMissing
  }

  /** Number of lines that are not saved. */
  get unsaved(): number {
    return this.#lines.length
  }

  /** Adds a line. Never throws: a line that cannot be written now is written by `save`. */
  append(line: string): void {
    this.#lines.push(line)
    if (this.#selectMissing === undefined) return this.flush()
    if (this.#isFlushDue) return
    this.#isFlushDue = true
    setImmediate(() => this.flush())
  }

  /** Writes what waits to be written. Never throws, see `append`. */
  flush(): void {
    this.#isFlushDue = false
    if (this.#hasFailed) return
    try {
      this.#write()
    } catch {
      // Reported by the save that follows.
    }
  }

  /**
   * Saves all lines that were appended before.
   * @throws Error (rejects) if that is not possible now; the lines are kept
   */
  async save(): Promise<void> {
    for (let moves = 0; this.#lines.length > 0; moves++) {
      const { descriptor, count, generation, isNew } = this.#startSave()
      try {
        if (this.#durable) await syncData(descriptor)
        if (this.#durable && isNew) syncFolder(dirname(this.path))
        if (generation !== this.#generation) return
        if (this.#isCurrent(descriptor)) return this.#finishSave(count)
      } catch (error) {
        // After a failed fdatasync the written data may be gone: write it again.
        this.#written = 0
        this.#isSuspect = true
        throw error
      } finally {
        closeSync(descriptor)
      }
      this.#written = 0
      if (moves === MAX_MOVES) throw new Error(`${this.path} is moved again and again`)
    }
  }

  /**
   * Like `save`, but blocks.
   * @throws Error if that is not possible now; the lines are kept
   */
  saveNow(): void {
    if (this.#lines.length === 0) return
    const { descriptor, count, isNew } = this.#startSave()
    try {
      if (this.#durable) fdatasyncSync(descriptor)
      if (this.#durable && isNew) syncFolder(dirname(this.path))
      if (!this.#isCurrent(descriptor)) throw new Error(`another process has moved ${this.path}`)
      this.#generation++
      this.#finishSave(count)
    } catch (error) {
      this.#written = 0
      this.#isSuspect = true
      throw error
    } finally {
      closeSync(descriptor)
    }
  }

  /** Drops all lines, those in the file too. Not durable: after a crash they may be there again. */
  clear(): void {
    this.#drop()
    try {
      truncateSync(this.path)
    } catch {
      // The file is missing or read-only.
    }
  }

  /** Removes the file. */
  remove(): void {
    this.#drop()
    try {
      rmSync(this.path, { force: true })
    } catch {
      // The folder cannot be changed.
    }
  }

  #drop(): void {
    this.#generation++
    this.#lines = []
    this.#written = 0
    this.#close()
  }

  /** Writes what is not written. The caller syncs and closes the descriptor: lines appended later are of the next save. */
  #startSave(): { descriptor: number; count: number; generation: number; isNew: boolean } {
    this.#hasFailed = false
    this.#write()
    const descriptor = this.#descriptor ?? this.#open()
    this.#descriptor = undefined
    const isNew = this.#isNew
    return { descriptor, count: this.#lines.length, generation: this.#generation, isNew }
  }

  /** Whether the name of the file may not be on the disk: another client may have created it a moment ago. */
  #isNew = true

  #finishSave(count: number): void {
    this.#lines.splice(0, count)
    this.#written = Math.max(0, this.#written - count)
    this.#isNew = false
  }

  #write(): void {
    if (this.#written === this.#lines.length) return
    try {
      this.#descriptor ??= this.#open()
      const select = this.#isSuspect ? undefined : this.#selectMissing
      const waiting = this.#lines.slice(this.#written)
      const { path } = this
      if (select === undefined) writeLines(this.#descriptor, waiting)
      else {
        const descriptor = this.#descriptor
        withOptionalLock(`${path}.lock`, () => writeLines(descriptor, select(waiting, descriptor)))
      }
      this.#isSuspect = false
      this.#written = this.#lines.length
    } catch (error) {
      this.#hasFailed = true
      this.#isSuspect = true
      this.#close()
      throw error
    }
  }

  #open(): number {
    makePrivateFolder(dirname(this.path))
    this.#prepare()
    const descriptor = openToAppend(this.path)
    if (fstatSync(descriptor).size === 0) this.#isNew = true
    return descriptor
  }

  #close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor)
    this.#descriptor = undefined
  }

  /** Whether a descriptor is of the file that has this name now: another process may have moved or removed it. */
  #isCurrent(descriptor: number): boolean {
    const [one, other] = [fstatSync(descriptor), statSync(this.path, { throwIfNoEntry: false })]
    return one.ino === other?.ino && one.dev === other.dev
  }
}

function writeLines(descriptor: number, lines: readonly string[]): void {
  if (lines.length === 0) return
  // A crash or a full disk may have left an incomplete last line: start a new one.
  writeAll(descriptor, Buffer.from(`${hasIncompleteEnd(descriptor) ? '\n' : ''}${lines.join('\n')}\n`))
}

function hasIncompleteEnd(descriptor: number): boolean {
  const { size } = fstatSync(descriptor)
  if (size === 0) return false
  const last = Buffer.alloc(1)
  return readSync(descriptor, last, 0, 1, size - 1) === 1 && last[0] !== NEWLINE
}
