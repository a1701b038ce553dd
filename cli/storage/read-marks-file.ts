import { rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import * as z from 'zod'
import { idSchema, nameSchema, validItems } from '../../src/protocol/messages.ts'
import { isUserName } from '../../src/protocol/names.ts'
import { isRoom, parseRoomName } from '../../src/protocol/rooms.ts'
import type { LateMark, ReadMarks } from '../common/read-marks.ts'
import { makePrivateFolder } from './data-folder.ts'
import { readFileText } from './files/open-file.ts'
import { writeFileAtomically } from './files/write-file-atomically.ts'
import { withFileLock } from './locks/file-lock.ts'

export const READ_MARKS_FILE_NAME = 'read-marks.json'
/** Most threads, those with the latest marks. */
const MAX_THREADS = 10_000
/** Most late messages that were not seen, the newest ones. */
const MAX_LATE = 1_000
/** A name has at most 64 characters of up to six bytes, with escapes. */
const MAX_BYTES = 1_000 * MAX_THREADS

/** Not a regular file, or one that is too large. */
const UNUSABLE = ['EFTYPE', 'EFBIG', 'ELOOP']

const timeSchema = z.number().nonnegative().max(Number.MAX_SAFE_INTEGER)
const markSchema = z.tuple([z.string().refine(isThreadName), timeSchema])
/** `[thread, from, id, at]` */
const lateSchema = z.tuple([z.string().refine(isThreadName), nameSchema, idSchema, timeSchema])
const fileSchema = z.object({
  since: timeSchema,
  threads: validItems(markSchema, 10 * MAX_THREADS),
  late: validItems(lateSchema, 10 * MAX_LATE).optional(),
})

/**
 * Up to which time a user has read the threads of a mesh: `read-marks.json`. Several clients of the user may write it: the
 * latest mark of each thread counts. A damaged file counts as none, and the next change replaces it.
 */
export class ReadMarksFile {
  readonly #file: string
  readonly #durable: boolean
  /** The marks as this client has read or written them last. */
  #known: ReadMarks | undefined

  constructor(file: string, durable = true) {
    this.#file = file
    this.#durable = durable
  }

  /** @param folder the user's folder in the mesh */
  static in(folder: string, durable?: boolean): ReadMarksFile {
    return new ReadMarksFile(join(folder, READ_MARKS_FILE_NAME), durable)
  }

  /** The marks; undefined: none were ever stored. */
  read(): ReadMarks | undefined {
    try {
      this.#known = this.#parse()
    } catch {
      this.#known = undefined
    }
    return this.#known
  }

  /**
   * Writes the marks that are later than those that this client has read or written before, and the changes of late messages.
   * @throws Error if that is not possible now; the next call tries again
   */
  store(marks: ReadMarks): void {
    const known = this.#known
    const isLater = ([thread, at]: [string, number]) => at > (known?.threads.get(thread) ?? known?.since ?? -1)
    const later = [...marks.threads].filter(isLater)
    const isIn = (list: readonly LateMark[] = []) => {
      const keys = new Set(list.map(lateKey))
      return (one: LateMark) => keys.has(lateKey(one))
    }
    const { late = [] } = marks
    const added = late.filter(one => !isIn(known?.late)(one))
    const removed = (known?.late ?? []).filter(one => !isIn(late)(one))
    if (known !== undefined && later.length + added.length + removed.length === 0) return
    makePrivateFolder(dirname(this.#file))
    withFileLock(`${this.#file}.lock`, () => {
      const stored = this.#parse()
      const threads = new Map(stored?.threads)
      for (const [thread, at] of later) threads.set(thread, Math.max(at, threads.get(thread) ?? 0))
      const latest = [...threads].sort(([, one], [, other]) => other - one).slice(0, MAX_THREADS)
      const isChanged = isIn([...added, ...removed])
      const unseen = [...(stored?.late ?? []).filter(one => !isChanged(one)), ...added].slice(-MAX_LATE)
      const content = {
        since: stored?.since ?? marks.since,
        threads: latest,
        ...(unseen.length === 0 ? {} : { late: unseen.map(({ thread, from, id, at }) => [thread, from, id, at]) }),
      }
      writeFileAtomically(this.#file, JSON.stringify(content), { durable: this.#durable })
    })
    const threads = new Map([...(known?.threads ?? []), ...later])
    this.#known = { since: known?.since ?? marks.since, threads, late }
  }

  /** Takes over the marks of another file, and removes it. */
  import(file: string): void {
    const imported = new ReadMarksFile(file).read()
    this.read()
    const late = [...(this.#known?.late ?? []), ...(imported?.late ?? [])]
    if (imported !== undefined) this.store({ ...imported, late })
    rmSync(file, { force: true })
  }

  /** The content; undefined if there is none, or none of use. @throws Error if the file cannot be read now */
  #parse(): ReadMarks | undefined {
    try {
      const { since, threads, late = [] } = fileSchema.parse(JSON.parse(readFileText(this.#file, MAX_BYTES)))
      const marks = { since, threads: new Map(threads) }
      return late.length === 0
        ? marks
        : { ...marks, late: late.map(([thread, from, id, at]) => ({ thread, from, id, at })) }
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === undefined || code === 'ENOENT' || UNUSABLE.includes(code)) return undefined
      throw error
    }
  }
}

function lateKey({ thread, from, id, at }: LateMark): string {
  return [thread, from, id, at].join('\n')
}

function isThreadName(name: string): boolean {
  return isRoom(name) ? parseRoomName(name).ok : isUserName(name)
}
