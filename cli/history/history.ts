import { appendFileSync, closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { type Archive, lowerBound, messageHash, nameHash } from '../../src/client/history/message-log.ts'
import { compareMessages } from '../../src/common/hybrid-clock.ts'
import { type Message, messageSchema } from '../../src/protocol/messages.ts'
import { dataFolder } from '../data-folder.ts'
import { EMPTY_COLUMNS, type IndexColumns, type IndexEntry, indexOfEntry, mergeEntries } from './index-columns.ts'
import { readIndex, writeIndex } from './index-file.ts'
import { OutboxFile } from './outbox-file.ts'

/** Read at once while the index is brought up to date, bytes. */
const CHUNK_BYTES = 1 << 20
/** An index that lacks no more than this, bytes, is good enough to be left as it is. */
const MAX_UNSAVED_BYTES = 1 << 18
/** Bytes read around a message: its neighbours are asked for next. */
const BLOCK_BYTES = 1 << 16
const MAX_CACHED_BLOCKS = 16
const NEWLINE = 10

/** Messages beyond this, bytes of history, take a moment to index: worth a sign of progress. */
const MIN_PROGRESS_BYTES = 32 << 20

/**
 * A user's messages on disk: one file of JSON lines, only ever appended to, by any number of programs at once; beside it
 * an index that can be made anew from it. Nothing of it is held in memory but the index.
 */
export class History {
  readonly #user: string
  readonly #file: string
  readonly #indexFile: string
  readonly #outbox: OutboxFile
  #columns: IndexColumns = EMPTY_COLUMNS
  /** Bytes of the file that the columns cover; up to the end of a whole line. */
  #indexedBytes = 0
  #savedBytes = 0
  #descriptor: number | undefined
  #blocks = new Map<number, Buffer>()

  /** @param progress called now and then with the share that is indexed, where there is much to index */
  constructor(user: string, progress: (share: number) => void = () => {}) {
    this.#user = user
    const folder = dataFolder()
    const name = encodeURIComponent(user)
    this.#file = join(folder, `${name}.jsonl`)
    this.#indexFile = join(folder, `${name}.index`)
    this.#outbox = new OutboxFile(folder, name)
    const saved = readIndex(this.#indexFile)
    if (saved !== undefined && this.#isIndexValid(saved.indexedBytes, saved.columns)) {
      this.#columns = saved.columns
      this.#indexedBytes = saved.indexedBytes
      this.#savedBytes = saved.indexedBytes
    }
    this.refresh(progress)
    this.#save()
  }

  /** All messages as they are now; what comes later is not in it. */
  get archive(): Archive {
    const columns = this.#columns
    const { at, hashA, hashB } = columns
    return {
      at,
      hashA,
      hashB,
      read: place => this.#read(columns, place),
      find: message => this.#find(message),
    }
  }

  get held(): Message[] {
    return this.#outbox.held
  }

  hold(message: Message): void {
    this.#outbox.hold(message)
  }

  release(id: string): void {
    this.#outbox.release(id)
  }

  store(message: Message): void {
    // A line torn by a crash may stand at the end: this one must not be glued to it.
    const separator = this.#hasTornEnd() ? '\n' : ''
    appendFileSync(this.#file, `${separator}${JSON.stringify({ message })}\n`, { mode: 0o600 })
  }

  /** Correspondents with the time of the last message, the latest first. */
  threads(): { name: string; lastAt: number }[] {
    const { peer, at } = this.#columns
    const seen = new Set<number>()
    const threads: { name: string; lastAt: number }[] = []
    for (let place = peer.length - 1; place >= 0; place--) {
      const hash = peer[place] ?? 0
      if (seen.has(hash)) continue
      seen.add(hash)
      const message = this.#read(this.#columns, place)
      if (message !== undefined) threads.push({ name: this.#correspondent(message), lastAt: at[place] ?? 0 })
    }
    return threads
  }

  /**
   * At most `count` messages of a thread, in order: those before a message, those behind it, or, without one, the last.
   * Fewer than `count` only where there are no more.
   */
  page(
    thread: string,
    count: number,
    from?: { before: Message | MessagePosition } | { after: Message | MessagePosition },
  ): Message[] {
    this.refresh()
    const { peer, at } = this.#columns
    const threadHash = nameHash(thread)
    const isBackward = from === undefined || 'before' in from
    const point = from === undefined ? undefined : 'before' in from ? from.before : from.after
    const messages: Message[] = []
    const end = at.length
    // From the whole of its time on: those of the same time are told apart by their ids.
    let place =
      point === undefined
        ? end - 1
        : isBackward
          ? lowerBound(end, one => (at[one] ?? 0) <= point.at) - 1
          : lowerBound(end, one => (at[one] ?? 0) < point.at)
    for (; place >= 0 && place < end && messages.length < count; place += isBackward ? -1 : 1) {
      if (peer[place] !== threadHash) continue
      const message = this.#read(this.#columns, place)
      if (message === undefined || this.#correspondent(message) !== thread) continue
      if (
        point !== undefined &&
        (isBackward ? compareMessages(message, point) >= 0 : compareMessages(message, point) <= 0)
      )
        continue
      messages.push(message)
    }
    return messages.sort(compareMessages)
  }

  /** Messages in order, of one thread or of all; read as they are asked for. */
  *all(thread?: string): Generator<Message> {
    const columns = this.#columns
    const threadHash = thread === undefined ? undefined : nameHash(thread)
    for (let place = 0; place < columns.at.length; place++) {
      if (threadHash !== undefined && columns.peer[place] !== threadHash) continue
      const message = this.#read(columns, place)
      if (message !== undefined && (thread === undefined || this.#correspondent(message) === thread)) yield message
    }
  }

  /**
   * Looks for a text in a thread, from a message backwards, whatever its case. Yields `undefined` now and then, so that
   * the caller can do other things in between; ends after the first find.
   */
  *search(
    thread: string,
    text: string,
    before: MessagePosition = { at: Number.POSITIVE_INFINITY, id: '' },
  ): Generator<Message | undefined> {
    this.refresh()
    const columns = this.#columns
    const threadHash = nameHash(thread)
    const needle = text.toLowerCase()
    // As it stands inside a line, to pass over lines without parsing them.
    const escapedNeedle = JSON.stringify(needle).slice(1, -1)
    let place = lowerBound(columns.at.length, one => (columns.at[one] ?? 0) <= before.at) - 1
    for (let looked = 0; place >= 0; place--) {
      if (columns.peer[place] !== threadHash) continue
      if (++looked % 2_000 === 0) yield undefined
      const line = this.#line(columns, place)
      if (line === undefined || !line.toLowerCase().includes(escapedNeedle)) continue
      const message = parseLine(line)
      if (message === undefined || compareMessages(message, before) >= 0 || this.#correspondent(message) !== thread)
        continue
      if (message.text.toLowerCase().includes(needle)) return void (yield message)
    }
  }

  /** Reads what this program and others have appended since. */
  refresh(progress: (share: number) => void = () => {}): void {
    const file = this.#open()
    if (file === undefined) return
    const { size } = fstatSync(file)
    if (size === this.#indexedBytes) return
    // Shorter than it was: another file by now.
    if (size < this.#indexedBytes) {
      this.#columns = EMPTY_COLUMNS
      this.#indexedBytes = 0
      this.#savedBytes = 0
    }
    this.#blocks.clear()
    const added: IndexEntry[] = []
    const long = size - this.#indexedBytes > MIN_PROGRESS_BYTES
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES)
    let rest = Buffer.alloc(0)
    let start = this.#indexedBytes
    while (start + rest.length < size) {
      const read = readSync(file, buffer, 0, CHUNK_BYTES, start + rest.length)
      if (read === 0) break
      const bytes = Buffer.concat([rest, buffer.subarray(0, read)])
      let from = 0
      for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, from)) {
        const message = parseLine(bytes.toString('utf8', from, end))
        if (message !== undefined) {
          const hash = messageHash(message)
          const peer = nameHash(this.#correspondent(message))
          added.push({ at: message.at, ...hash, peer, offset: start + from, length: end - from })
        }
        from = end + 1
      }
      start += from
      rest = bytes.subarray(from)
      if (long) progress(start / size)
    }
    this.#indexedBytes = start
    this.#columns = mergeEntries(this.#columns, added)
  }

  /** Ends the work with it: the next start is to be quick. */
  close(): void {
    this.refresh()
    this.#save()
    if (this.#descriptor !== undefined) closeSync(this.#descriptor)
    this.#descriptor = undefined
  }

  #save(): void {
    if (this.#indexedBytes - this.#savedBytes < MAX_UNSAVED_BYTES) return
    writeIndex(this.#indexFile, { indexedBytes: this.#indexedBytes, columns: this.#columns })
    this.#savedBytes = this.#indexedBytes
  }

  /** Whether an index is of this file: its last entry stands where it says. */
  #isIndexValid(indexedBytes: number, columns: IndexColumns): boolean {
    const file = this.#open()
    if (file === undefined || fstatSync(file).size < indexedBytes) return false
    const last = columns.at.length - 1
    if (last < 0) return true
    const message = this.#read(columns, last)
    return message !== undefined && indexOfEntry(columns, { at: message.at, ...messageHash(message) }) >= 0
  }

  #find(message: Parameters<Archive['find']>[0]): Message | undefined {
    this.refresh()
    const place = indexOfEntry(this.#columns, { at: message.at, ...messageHash(message) })
    return place < 0 ? undefined : this.#read(this.#columns, place)
  }

  #read(columns: IndexColumns, place: number): Message | undefined {
    const line = this.#line(columns, place)
    return line === undefined ? undefined : parseLine(line)
  }

  #line({ offset, length }: IndexColumns, place: number): string | undefined {
    const start = offset[place]
    const bytes = length[place]
    if (start === undefined || bytes === undefined) return undefined
    const first = start - (start % BLOCK_BYTES)
    const block = this.#block(first)
    if (block !== undefined && start + bytes <= first + block.length) {
      return block.toString('utf8', start - first, start - first + bytes)
    }
    const file = this.#open()
    if (file === undefined) return undefined
    const line = Buffer.allocUnsafe(bytes)
    return readSync(file, line, 0, bytes, start) === bytes ? line.toString('utf8') : undefined
  }

  #block(first: number): Buffer | undefined {
    const known = this.#blocks.get(first)
    if (known !== undefined) return known
    const file = this.#open()
    if (file === undefined) return undefined
    const buffer = Buffer.allocUnsafe(BLOCK_BYTES)
    const block = buffer.subarray(0, readSync(file, buffer, 0, BLOCK_BYTES, first))
    // A block that is not full yet may grow.
    if (block.length < BLOCK_BYTES) return block
    this.#blocks.set(first, block)
    if (this.#blocks.size > MAX_CACHED_BLOCKS)
      for (const oldest of this.#blocks.keys()) return this.#drop(oldest, block)
    return block
  }

  #drop(oldest: number, block: Buffer): Buffer {
    this.#blocks.delete(oldest)
    return block
  }

  #hasTornEnd(): boolean {
    const file = this.#open()
    if (file === undefined) return false
    const { size } = fstatSync(file)
    if (size === 0) return false
    const last = Buffer.alloc(1)
    readSync(file, last, 0, 1, size - 1)
    return last[0] !== NEWLINE
  }

  /** The file for reading; undefined while there is none. */
  #open(): number | undefined {
    try {
      this.#descriptor ??= openSync(this.#file, 'r')
    } catch {
      return undefined
    }
    return this.#descriptor
  }

  #correspondent({ from, to }: Message): string {
    return from === this.#user ? to : from
  }
}

/** A place in the order of messages. */
export interface MessagePosition {
  at: number
  id: string
}

/** The message of a line; undefined for what is torn, or something else. */
function parseLine(line: string): Message | undefined {
  if (!line.startsWith('{"message":')) return undefined
  try {
    const parsed = messageSchema.safeParse((JSON.parse(line) as { message: unknown }).message)
    return parsed.success ? parsed.data : undefined
  } catch {
    return undefined
  }
}
