import { join } from 'node:path'
import * as z from 'zod'
import type { Archive, HeldMessage, StoredMessage } from '../../src/client/history/message-log.ts'
import { entriesBefore, lowerBound, messageHash, messageKey } from '../../src/client/history/positions.ts'
import { compareMessages } from '../../src/common/hybrid-clock.ts'
import { type Message, messageSchema } from '../../src/protocol/messages.ts'
import { searchForm } from '../search-form.ts'
import { AppendFile } from '../storage/append-file.ts'
import {
  EMPTY_COLUMNS,
  type IndexColumns,
  type IndexEntry,
  indexOfEntry,
  mergeEntries,
  rowsOfEntry,
} from './index-columns.ts'
import { readIndex, writeIndex } from './index-file.ts'
import { LineFile } from './line-file.ts'
import { OutboxFile, type OutboxOptions } from './outbox-file.ts'

/** Bytes to read at once while indexing. */
const CHUNK_BYTES = 1 << 20
/** Rewrite the index file once it lacks more bytes of history than this. */
const MAX_UNSAVED_BYTES = 1 << 18
const NEWLINE = 10
/** A message, with the fields `sealed` and `late` of `StoredMessage`. */
const lineSchema = z.object({
  message: messageSchema,
  sealed: z.string().optional(),
  late: z.literal(true).optional().catch(undefined),
})

export interface HistoryOptions extends OutboxOptions {
  /** Called repeatedly with the indexed part (0 to 1) while a large file is indexed. */
  progress?: (share: number) => void
  /** Name of the history file and its index, without extension. */
  fileName?: string
}

/** Report progress if more bytes of history than this have to be indexed. */
const MIN_PROGRESS_BYTES = 32 << 20

/**
 * A user's messages in one mesh, on disk: an append-only file of JSON lines, which several processes may write at once,
 * and an index file that can be rebuilt from it. Only the index is kept in memory.
 */
export class History {
  readonly #user: string
  readonly #folder: string
  readonly #options: HistoryOptions
  readonly #file: AppendFile
  readonly #indexFile: string
  readonly #lines: LineFile
  #openedOutbox: OutboxFile | undefined
  /** The correspondents by number, as in the index, and their numbers. */
  #names: string[] = []
  #nameNumbers = new Map<string, number>()
  #columns: IndexColumns = EMPTY_COLUMNS
  /** Bytes of the file that the columns cover, up to the end of a complete line. */
  #indexedBytes = 0
  /** Bytes of the file that the index file covers. */
  #savedBytes = 0

  /**
   * @param folder the user's folder in the mesh; created when the first message is stored
   */
  constructor(folder: string, user: string, options: HistoryOptions = {}) {
    const { progress = () => {}, fileName = 'history', durable } = options
    this.#user = user
    this.#folder = folder
    this.#options = options
    this.#file = new AppendFile(join(folder, `${fileName}.jsonl`), { durable })
    this.#indexFile = join(folder, `${fileName}.index`)
    this.#lines = new LineFile(this.#file.path)
    const saved = readIndex(this.#indexFile)
    if (saved !== undefined && this.#isIndexValid(saved.indexedBytes, saved.columns)) {
      for (const name of saved.names) this.#numberOf(name)
      this.#columns = saved.columns
      this.#indexedBytes = saved.indexedBytes
      this.#savedBytes = saved.indexedBytes
    }
    this.refresh(progress)
    this.#save()
  }

  /** A snapshot of all messages; later ones are not part of it. */
  get archive(): Archive {
    const columns = this.#columns
    const { at, hashA, hashB } = columns
    return {
      at,
      hashA,
      hashB,
      read: row => this.#read(columns, row),
      find: message => this.#find(message),
      refreshed: () => {
        this.refresh()
        return this.archive
      },
    }
  }

  /** The held messages. The first call takes over those of processes that have ended. */
  get held(): HeldMessage[] {
    return this.#outbox.held
  }

  hold(message: HeldMessage): void {
    this.#outbox.hold(message)
  }

  release(id: string): void {
    this.#outbox.release(id)
  }

  /** Takes over the held messages of other clients that have ended. Returns those that this adds. */
  adopt(): Promise<HeldMessage[]> {
    return this.#outbox.adopt()
  }

  /** Why an outbox of another client could not be taken over. */
  get adoptionProblem(): Error | undefined {
    return this.#openedOutbox?.problem
  }

  /**
   * Stores a message. It is safe after the next save.
   * @param sealed and `late`: see `StoredMessage`
   */
  store(message: Message, sealed?: string, late?: true): void {
    // Fields that are undefined are left out.
    this.#file.append(JSON.stringify({ message, sealed, late }))
  }

  /**
   * Saves all that was stored, held and released before.
   * @throws Error (rejects) if that is not possible now; nothing is lost while the process runs
   */
  async save(): Promise<void> {
    await Promise.all(this.#files.map(file => file.save()))
  }

  /** Like `save`, but blocks. */
  saveNow(): void {
    for (const file of this.#files) file.saveNow()
  }

  get #files(): AppendFile[] {
    return [this.#file, ...(this.#openedOutbox?.files ?? [])]
  }

  /** Correspondents with the hybrid time of their last message, latest first. */
  threads(): { name: string; lastAt: number }[] {
    const { peer, at } = this.#columns
    const seen = new Set<number>()
    const threads: { name: string; lastAt: number }[] = []
    for (let row = peer.length - 1; row >= 0; row--) {
      const number = peer[row] ?? 0
      if (seen.has(number)) continue
      seen.add(number)
      threads.push({ name: this.#names[number] ?? '', lastAt: at[row] ?? 0 })
    }
    return threads
  }

  /**
   * Up to `count` messages of a thread, in order: those right before or after a position, or the last ones. Returns
   * fewer than `count` only at the end of the thread.
   */
  page(
    thread: string,
    count: number,
    from?: { before: Message | MessagePosition } | { after: Message | MessagePosition },
  ): StoredMessage[] {
    this.refresh()
    const { peer, at } = this.#columns
    const number = this.#nameNumbers.get(thread)
    if (number === undefined) return []
    const isBackward = from === undefined || 'before' in from
    const point = from === undefined ? undefined : 'before' in from ? from.before : from.after
    const messages: StoredMessage[] = []
    const end = at.length
    // Include all messages with the same time as the position: the ids decide below.
    let row =
      point === undefined
        ? end - 1
        : isBackward
          ? lowerBound(end, one => (at[one] ?? 0) <= point.at) - 1
          : lowerBound(end, one => (at[one] ?? 0) < point.at)
    let lastAt: number | undefined
    for (; row >= 0 && row < end; row += isBackward ? -1 : 1) {
      // Rows of one time are not ordered by id: a page takes all of them or chooses below.
      if (messages.length >= count && at[row] !== lastAt) break
      if (peer[row] !== number) continue
      const message = this.#read(this.#columns, row)
      if (message === undefined) continue
      if (
        point !== undefined &&
        (isBackward ? compareMessages(message, point) >= 0 : compareMessages(message, point) <= 0)
      )
        continue
      messages.push(message)
      lastAt = message.at
    }
    messages.push(...this.#unacceptedMessages(thread, from))
    messages.sort(compareMessages)
    return isBackward ? messages.slice(-count) : messages.slice(0, count)
  }

  /** Held messages to a user that no server has accepted: the history does not have them yet. */
  #unacceptedMessages(thread: string, from: Parameters<History['page']>[2]): Message[] {
    const columns = this.#columns
    return (this.#openedOutbox?.held ?? []).filter(message => {
      const position = { at: message.at, ...messageHash(message) }
      const row = entriesBefore(columns, position)
      const isStored =
        columns.at[row] === message.at && columns.hashA[row] === position.a && columns.hashB[row] === position.b
      if (message.to !== thread || isStored) return false
      if (from === undefined) return true
      return 'before' in from ? compareMessages(message, from.before) < 0 : compareMessages(message, from.after) > 0
    })
  }

  /** Messages of one thread or of all, in order; read on demand. */
  *all(thread?: string): Generator<StoredMessage> {
    const columns = this.#columns
    const number = thread === undefined ? undefined : this.#nameNumbers.get(thread)
    if (thread !== undefined && number === undefined) return
    /** Messages of one time, whose rows are not ordered by id. */
    let simultaneous: StoredMessage[] = []
    for (let row = 0; row < columns.at.length; row++) {
      if (number !== undefined && columns.peer[row] !== number) continue
      const message = this.#read(columns, row)
      if (message === undefined) continue
      if (simultaneous[0]?.at !== message.at) {
        yield* simultaneous.sort(compareMessages)
        simultaneous = []
      }
      simultaneous.push(message)
    }
    yield* simultaneous.sort(compareMessages)
  }

  /**
   * Searches a thread backwards from a position, ignoring case and normal form. Yields the first match and ends. Before that, yields
   * `undefined` every 2,000 messages, so that the caller can do other work.
   */
  *search(
    thread: string,
    text: string,
    before: MessagePosition = { at: Number.POSITIVE_INFINITY, id: '' },
  ): Generator<Message | undefined> {
    this.refresh()
    const columns = this.#columns
    const number = this.#nameNumbers.get(thread)
    if (number === undefined) return
    const needle = searchForm(text)
    // The text as escaped in a JSON line: skips most lines without parsing them.
    const escapedNeedle = JSON.stringify(needle).slice(1, -1)
    let row = lowerBound(columns.at.length, one => (columns.at[one] ?? 0) <= before.at) - 1
    /** The last match by id among those of one time, whose rows are not ordered by id. */
    let match: Message | undefined
    for (let looked = 0; row >= 0; row--) {
      if (match !== undefined && columns.at[row] !== match.at) break
      if (columns.peer[row] !== number) continue
      if (++looked % 2_000 === 0) yield undefined
      const line = this.#line(columns, row)
      if (line === undefined || !searchForm(line).includes(escapedNeedle)) continue
      const message = parseLine(line)
      if (message === undefined || compareMessages(message, before) >= 0) continue
      if (!searchForm(message.text).includes(needle)) continue
      if (match === undefined || compareMessages(message, match) > 0) match = message
    }
    if (match !== undefined) yield match
  }

  /** Indexes the lines that this process and others have appended since the last call. */
  refresh(progress: (share: number) => void = () => {}): void {
    const { size } = this.#lines
    if (size === undefined || size === this.#indexedBytes) return
    // The file is shorter than before, so it was rewritten: index it from the start.
    if (size < this.#indexedBytes) {
      this.#columns = EMPTY_COLUMNS
      this.#names = []
      this.#nameNumbers.clear()
      this.#indexedBytes = 0
      this.#savedBytes = 0
    }
    this.#lines.clearCache()
    const added: IndexEntry[] = []
    const isLarge = size - this.#indexedBytes > MIN_PROGRESS_BYTES
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES)
    let rest = Buffer.alloc(0)
    let start = this.#indexedBytes
    while (start + rest.length < size) {
      const read = this.#lines.read(buffer, start + rest.length)
      if (read === 0) break
      const bytes = Buffer.concat([rest, buffer.subarray(0, read)])
      let from = 0
      for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, from)) {
        const message = parseLine(bytes.toString('utf8', from, end))
        if (message !== undefined) {
          const hash = messageHash(message)
          const peer = this.#numberOf(this.#correspondent(message))
          added.push({ at: message.at, ...hash, peer, offset: start + from, length: end - from })
        }
        from = end + 1
      }
      start += from
      rest = bytes.subarray(from)
      if (isLarge) progress(start / size)
    }
    this.#indexedBytes = start
    this.#columns = mergeEntries(this.#columns, added, ({ offset, length }) => this.#keyOf(offset, length))
  }

  /**
   * Saves everything, the index too, and closes the files.
   * @returns why something could not be saved and is lost; undefined: all is saved
   */
  close(): Error | undefined {
    let problem: Error | undefined
    try {
      this.saveNow()
    } catch (error) {
      problem = error as Error
    }
    this.#openedOutbox?.close()
    this.#openedOutbox = undefined
    this.refresh()
    this.#save()
    this.#lines.close()
    return problem
  }

  #save(): void {
    if (this.#indexedBytes - this.#savedBytes < MAX_UNSAVED_BYTES) return
    writeIndex(this.#indexFile, {
      indexedBytes: this.#indexedBytes,
      names: this.#names,
      columns: this.#columns,
    })
    this.#savedBytes = this.#indexedBytes
  }

  /** Whether a saved index belongs to this file: its last entry must match the line at its offset. */
  #isIndexValid(indexedBytes: number, columns: IndexColumns): boolean {
    const { size } = this.#lines
    if (size === undefined || size < indexedBytes) return false
    const last = columns.at.length - 1
    if (last < 0) return true
    const message = this.#read(columns, last)
    return message !== undefined && indexOfEntry(columns, { at: message.at, ...messageHash(message) }) >= 0
  }

  #find(message: Parameters<Archive['find']>[0]): StoredMessage | undefined {
    this.refresh()
    // Two messages can have the same hash.
    for (const row of rowsOfEntry(this.#columns, { at: message.at, ...messageHash(message) })) {
      const found = this.#read(this.#columns, row)
      if (found !== undefined && messageKey(found) === messageKey(message)) return found
    }
    return undefined
  }

  /** What identifies the message of a line. */
  #keyOf(offset: number, length: number): string {
    const line = this.#lines.text(offset, length)
    const message = line === undefined ? undefined : parseLine(line)
    return message === undefined ? `line at ${offset}` : messageKey(message)
  }

  get #outbox(): OutboxFile {
    const { merged, durable } = this.#options
    this.#openedOutbox ??= new OutboxFile(this.#folder, { merged: merged ?? [], durable })
    return this.#openedOutbox
  }

  /** The number of a correspondent; a new name gets the next one. */
  #numberOf(name: string): number {
    const known = this.#nameNumbers.get(name)
    if (known !== undefined) return known
    const number = this.#names.push(name) - 1
    this.#nameNumbers.set(name, number)
    return number
  }

  #read(columns: IndexColumns, row: number): StoredMessage | undefined {
    const line = this.#line(columns, row)
    return line === undefined ? undefined : parseLine(line)
  }

  #line({ offset, length }: IndexColumns, row: number): string | undefined {
    const [start, bytes] = [offset[row], length[row]]
    return start === undefined || bytes === undefined ? undefined : this.#lines.text(start, bytes)
  }

  #correspondent({ from, to }: Message): string {
    return from === this.#user ? to : from
  }
}

/** A position in the order of messages. */
export interface MessagePosition {
  at: number
  id: string
}

/** Parses a line; undefined if it is incomplete or not a message. */
function parseLine(line: string): StoredMessage | undefined {
  if (!line.startsWith('{"message":')) return undefined
  try {
    const parsed = lineSchema.safeParse(JSON.parse(line))
    if (!parsed.success) return undefined
    const { message, sealed, late } = parsed.data
    return { ...message, ...(sealed === undefined ? {} : { sealed }), ...(late === undefined ? {} : { late }) }
  } catch {
    return undefined
  }
}
