import { rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import * as z from 'zod'
import { idSchema, MAX_TEXT_LENGTH, nameSchema, validItems } from '../../src/protocol/messages.ts'
import { isUserName } from '../../src/protocol/names.ts'
import { isRoom, parseRoomName } from '../../src/protocol/rooms.ts'
import type { Draft, DraftTarget } from '../common/draft.ts'
import { makePrivateFolder } from './data-folder.ts'
import { readFileText } from './files/open-file.ts'
import { writeFileAtomically } from './files/write-file-atomically.ts'
import { withFileLock } from './locks/file-lock.ts'

export const DRAFTS_FILE_NAME = 'drafts.json'
/** Most drafts that are kept, the latest ones. */
const MAX_DRAFTS = 200
/** Most characters of all drafts: the oldest are dropped. */
const MAX_CHARACTERS = 1 << 20
/** In UTF-8 and with escapes, a character has at most six bytes. */
const MAX_BYTES = 8 * MAX_CHARACTERS

/** Not a regular file, or one that is too large. */
const UNUSABLE = ['EFTYPE', 'EFBIG', 'ELOOP']

const textSchema = z.string().max(MAX_TEXT_LENGTH)
const threadSchema = z.string().refine(isThreadName)
/** What a draft replies to or edits. */
const targetSchema = z
  .object({
    kind: z.enum(['reply', 'edit']),
    id: idSchema,
    from: nameSchema,
    quote: z.string().max(1_000),
    previousDraft: textSchema.optional(),
  })
  .transform(({ kind, id, from, quote, previousDraft = '' }): DraftTarget => {
    return { kind, target: { id, from, quote }, previousDraft }
  })
const draftSchema = z
  .tuple([threadSchema, textSchema.min(1)], z.unknown())
  .transform(([thread, text, raw]): [string, Draft] => {
    const target = targetSchema.safeParse(raw)
    return [thread, target.success ? { text, target: target.data } : { text }]
  })
const fileSchema = validItems(draftSchema, 10 * MAX_DRAFTS)

/**
 * What a user has written in a mesh and not sent: `drafts.json`, a list of thread, text and what it replies to or edits, latest last. Several clients of
 * the user may write it: the last change of each thread counts. A damaged file counts as empty, and the next change replaces it.
 */
export class DraftsFile {
  readonly #file: string
  readonly #durable: boolean
  /** The drafts as this client has read or written them last. */
  #known: ReadonlyMap<string, Draft> = new Map()

  constructor(file: string, durable = true) {
    this.#file = file
    this.#durable = durable
  }

  /** @param folder the user's folder in the mesh */
  static in(folder: string, durable?: boolean): DraftsFile {
    return new DraftsFile(join(folder, DRAFTS_FILE_NAME), durable)
  }

  /** The drafts by thread, the latest last. */
  read(): ReadonlyMap<string, Draft> {
    try {
      this.#known = this.#parse()
    } catch {
      this.#known = new Map()
    }
    return this.#known
  }

  /**
   * Writes the drafts that differ from those that this client has read or written before.
   * @throws Error if that is not possible now; the next call tries again
   */
  store(drafts: ReadonlyMap<string, Draft>): void {
    const changed = [...new Set([...this.#known.keys(), ...drafts.keys()])].filter(
      thread => !isDeepStrictEqual(this.#known.get(thread), drafts.get(thread)),
    )
    if (changed.length === 0) return
    makePrivateFolder(dirname(this.#file))
    withFileLock(`${this.#file}.lock`, () => {
      const stored = this.#parse()
      for (const thread of changed) {
        stored.delete(thread)
        const draft = drafts.get(thread)
        if (draft !== undefined && draft.text !== '' && draft.text.length <= MAX_TEXT_LENGTH) stored.set(thread, draft)
      }
      writeFileAtomically(this.#file, JSON.stringify(latest([...stored]).map(toItem)), { durable: this.#durable })
    })
    this.#known = new Map(drafts)
  }

  /** Takes over the drafts of another file for threads that have none, and removes it. */
  import(file: string): void {
    const imported = new DraftsFile(file).read()
    this.store(new Map([...imported, ...this.read()]))
    rmSync(file, { force: true })
  }

  /** The content; nothing if there is none, or none of use. @throws Error if the file cannot be read now */
  #parse(): Map<string, Draft> {
    try {
      return new Map(fileSchema.parse(JSON.parse(readFileText(this.#file, MAX_BYTES))))
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === undefined || code === 'ENOENT' || UNUSABLE.includes(code)) return new Map()
      throw error
    }
  }
}

function isThreadName(name: string): boolean {
  return isRoom(name) ? parseRoomName(name).ok : isUserName(name)
}

/** An element of the list in the file. */
function toItem([thread, { text, target }]: [string, Draft]): unknown[] {
  if (target === undefined) return [thread, text]
  const { kind, target: message, previousDraft } = target
  return [thread, text, { kind, ...message, ...(previousDraft === '' ? {} : { previousDraft }) }]
}

function latest(drafts: readonly [string, Draft][]): [string, Draft][] {
  const kept: [string, Draft][] = []
  let characters = 0
  for (const draft of drafts.slice(-MAX_DRAFTS).reverse()) {
    characters += draft[1].text.length + (draft[1].target?.previousDraft.length ?? 0)
    if (characters > MAX_CHARACTERS) break
    kept.unshift(draft)
  }
  return kept
}
