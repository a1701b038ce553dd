import type { Archive, StoredMessage } from '../../src/client/history/message-log.ts'
import {
  entriesBefore,
  lowerBound,
  type MessageHash,
  messageHash,
  messageKey,
  type Position,
} from '../../src/client/history/positions.ts'
import { type Change, toChange } from '../../src/client/messages/message-changes.ts'
import type { MessageTarget } from '../../src/protocol/message-kinds.ts'
import { isRoom } from '../../src/protocol/rooms.ts'
import { threadName } from '../common/thread-name.ts'
import { linesBetween } from '../storage/files/read-lines.ts'
import { ChangeIndex } from './change-index.ts'
import { EarlyReceipts } from './early-receipts.ts'
import { lineKey, parseLine, parseReceipt, type ReceiptLine } from './history-line.ts'
import {
  EMPTY_COLUMNS,
  type IndexColumns,
  type IndexEntry,
  indexOfEntry,
  mergeEntries,
  receiptOf,
  recordReceipt,
  rowsOfEntry,
} from './index-columns.ts'
import { readIndex, writeIndex } from './index-file.ts'
import { LineFile } from './line-file.ts'
import { isMore } from './receipt-counts.ts'
import { ThreadRows } from './thread-rows.ts'

/** Rewrite the index file once it lacks more bytes of history than this. */
const MAX_UNSAVED_BYTES = 1 << 18
/** Report progress if more bytes of history than this have to be indexed. */
const MIN_PROGRESS_BYTES = 32 << 20
/** Targets of changes that are remembered as found. */
const MAX_FOUND_TARGETS = 10_000
/** Entries of a saved index that are compared with the history before the index is used. */
const SAMPLES = 64

/**
 * Where the messages of a history file are. In memory, with a copy on disk for large histories. An index that does not fit
 * the file is made again from it.
 */
export class MessageIndex {
  readonly #user: string
  readonly #indexFile: string
  readonly #lines: LineFile
  /** The correspondents and rooms by number, and their numbers. */
  #names: string[] = []
  #numbers = new Map<string, number>()
  #columns: IndexColumns = EMPTY_COLUMNS
  readonly #rows = new ThreadRows(peer => isRoom(this.nameOf(peer)))
  /** The columns whose rows `#rows` has; undefined: none yet. */
  #rowsColumns: IndexColumns | undefined
  /** The number of rows at the start of the columns that are the same as in those. */
  #keptRows = 0
  #changes = ChangeIndex.empty()
  /** Keys of messages that are in the history, of those that were looked for because of their changes. */
  readonly #foundTargets = new Set<string>()
  readonly #earlyReceipts = new EarlyReceipts()
  /** Bytes of the file that the columns cover, up to the end of a complete line. */
  #indexedBytes = 0
  /** Size of the file at the last look: the end of it may be an incomplete line. */
  #seenBytes = 0
  /** Bytes of the file that the index file covers; negative: the index file must be replaced. */
  #savedBytes = 0
  /** Whether an entry was found that does not fit the file. */
  #isStale = false

  /** @param historyFile need not exist yet */
  constructor(historyFile: string, indexFile: string, user: string, progress?: (share: number) => void) {
    this.#user = user
    this.#indexFile = indexFile
    this.#lines = new LineFile(historyFile)
    this.#load()
    this.refresh(progress)
    this.#save()
  }

  /** All messages by time; later changes make new columns. */
  get columns(): IndexColumns {
    return this.#columns
  }

  /** The rows of the columns by thread. */
  get rows(): ThreadRows {
    if (this.#rowsColumns !== this.#columns) {
      this.#rows.update(this.#columns, this.#keptRows)
      this.#rowsColumns = this.#columns
      this.#keptRows = this.#columns.at.length
    }
    return this.#rows
  }

  /** The rows of a correspondent or room, ascending. */
  rowsOf(name: string): Uint32Array {
    const number = this.#numbers.get(name)
    return number === undefined ? new Uint32Array() : this.rows.of(number)
  }

  /** The names of the correspondents and rooms, by number. */
  get names(): readonly string[] {
    return this.#names
  }

  /** Bytes of the history that are indexed. */
  get indexedBytes(): number {
    return this.#indexedBytes
  }

  /** Why the history cannot be read; undefined: it can, or does not exist. */
  get problem(): Error | undefined {
    return this.#lines.problem
  }

  /** The name of a correspondent or room, see `IndexColumns.peer`. */
  nameOf(peer: number): string {
    return this.#names[peer] ?? ''
  }

  /** The number of a correspondent or room; undefined: without messages. */
  numberOf(name: string): number | undefined {
    return this.#numbers.get(name)
  }

  /** Whether there are messages of rooms. */
  get hasRooms(): boolean {
    return this.#names.some(isRoom)
  }

  /** Indexes the lines that this process and others have appended since the last call. */
  refresh(progress: (share: number) => void = () => {}): void {
    // An index of another file, of a longer one, or of lines that are not there, says nothing about this file.
    if (this.#lines.reopenIfReplaced() || this.#isStale || (this.#lines.size ?? 0) < this.#indexedBytes) this.#reset()
    const { size = 0 } = this.#lines
    if (size === this.#seenBytes) return
    this.#lines.clearCache()
    const added: IndexEntry[] = []
    const receipts: ReceiptLine[] = []
    const isLarge = size - this.#indexedBytes > MIN_PROGRESS_BYTES
    let reported = this.#indexedBytes
    const read = (buffer: Buffer, position: number) => this.#lines.read(buffer, position)
    for (const { offset, bytes, next } of linesBetween(read, this.#indexedBytes, size)) {
      const line = bytes?.toString('utf8') ?? ''
      const message = parseLine(line)
      if (message !== undefined) {
        const peer = this.#addName(threadName(message, this.#user))
        const position = { offset, length: bytes?.length ?? 0 }
        added.push({ at: message.at, ...messageHash(message), peer, ...position })
        const change = toChange(message)
        if (change !== undefined) this.#changes.add({ ...position, ...messageHash(change.content.target) })
      }
      const receipt = parseReceipt(line)
      if (receipt !== undefined) receipts.push(receipt)
      this.#indexedBytes = next
      if (isLarge && next - reported >= MIN_PROGRESS_BYTES / 32) {
        reported = next
        progress(next / size)
      }
    }
    if (isLarge) progress(1)
    this.#seenBytes = size
    const before = this.#columns
    this.#columns = mergeEntries(before, added, ({ offset, length }) => this.#keyOf(offset, length))
    // The entries are sorted now.
    const [first] = added
    if (first !== undefined && this.#columns !== before)
      this.#keptRows = Math.min(this.#keptRows, entriesBefore(before, first))
    this.#recordReceipts(added, receipts)
  }

  /** Whether the index has this receipt of the user's message, or one that says more. */
  hasReceipt(receipt: ReceiptLine): boolean {
    const position = this.#ownPosition(receipt)
    const [row] = rowsOfEntry(this.#columns, position)
    const known = row === undefined ? this.#earlyReceipts.get(position) : receiptOf(this.#columns, row)
    return !isMore(receipt, known)
  }

  /** The message of a line, with the receipt of its row. */
  parse(line: string, columns: IndexColumns, row: number): StoredMessage | undefined {
    const message = parseLine(line)
    const receipt = message?.from === this.#user ? receiptOf(columns, row) : undefined
    return message === undefined || receipt === undefined ? message : { ...message, receipt }
  }

  /** A message with the sender, id and time of this one. @param room its room; undefined: of no room */
  find(message: Parameters<Archive['find']>[0], room: string | undefined): StoredMessage | undefined {
    this.refresh()
    // Two messages can have the same hash.
    for (const row of rowsOfEntry(this.#columns, { at: message.at, ...messageHash(message) })) {
      const found = this.read(this.#columns, row)
      if (found === undefined || messageKey(found) !== messageKey(message)) continue
      if (room === undefined ? !isRoom(found.to) : found.to === room) return found
    }
    return undefined
  }

  /** The edits, deletions and reactions of a message of a thread, by anyone. */
  changesOf(thread: string, target: MessageTarget): Change[] {
    const changes: Change[] = []
    const key = messageKey(target)
    for (const { offset, length } of this.#changes.of(messageHash(target))) {
      const line = this.#lines.text(offset, length)
      const found = line === undefined ? undefined : parseLine(line)
      const change = found === undefined ? undefined : toChange(found)
      if (found === undefined || change === undefined) continue
      if (messageKey(change.content.target) === key && threadName(found, this.#user) === thread) changes.push(change)
    }
    return changes
  }

  /** Whether a message may have changes. */
  mayHaveChanges({ hashA, hashB }: IndexColumns, row: number): boolean {
    return this.#changes.of({ a: hashA[row] ?? 0, b: hashB[row] ?? 0 }).length > 0
  }

  /** Whether a row is an edit, deletion or reaction. */
  isChange({ offset }: IndexColumns, row: number): boolean {
    return this.#changes.targetAt(offset[row] ?? -1) !== undefined
  }

  /** Whether a row is a change of a message that the history has: it is not shown by itself. */
  isFolded(columns: IndexColumns, row: number): boolean {
    const target = this.#changes.targetAt(columns.offset[row] ?? -1)
    return target !== undefined && this.#hasText(target, columns.peer[row] ?? -1, row)
  }

  /** The same for a change that is not in the history itself. */
  isChangeOfStored(change: Change, thread: string): boolean {
    const peer = this.#numbers.get(thread)
    return peer !== undefined && this.#hasText(messageHash(change.content.target), peer, this.#columns.at.length)
  }

  /** Whether a thread has a text with this hash. Looks first before `near`: a change soon follows what it changes. */
  #hasText({ a, b }: MessageHash, thread: number, near: number): boolean {
    const key = `${thread} ${a} ${b}`
    if (this.#foundTargets.has(key)) return true
    const { hashA, hashB, offset } = this.#columns
    const rows = this.rows.of(thread)
    const isThere = (at: number) => {
      const row = rows[at] ?? 0
      return hashA[row] === a && hashB[row] === b && this.#changes.targetAt(offset[row] ?? -1) === undefined
    }
    const start = lowerBound(rows.length, at => (rows[at] ?? 0) < near)
    let at = start - 1
    while (at >= 0 && !isThere(at)) at--
    if (at < 0) for (at = start; at < rows.length && !isThere(at); ) at++
    if (at === rows.length) return false
    if (this.#foundTargets.size >= MAX_FOUND_TARGETS) this.#foundTargets.clear()
    this.#foundTargets.add(key)
    return true
  }

  /** The message with this sender and id in a thread; undefined: there is none. */
  findInThread(thread: string, target: MessageTarget): StoredMessage | undefined {
    const { a, b } = messageHash(target)
    const columns = this.#columns
    for (const row of this.rowsOf(thread).toReversed()) {
      if (columns.hashA[row] !== a || columns.hashB[row] !== b) continue
      const found = this.read(columns, row)
      if (found !== undefined && messageKey(found) === messageKey(target)) return found
    }
    return undefined
  }

  read(columns: IndexColumns, row: number): StoredMessage | undefined {
    const line = this.line(columns, row)
    const message = line === undefined ? undefined : this.parse(line, columns, row)
    if (message !== undefined && message.at === columns.at[row]) return message
    // The file was edited, or replaced by a longer one: the next refresh makes a new index.
    if (columns === this.#columns) this.#isStale = true
    return undefined
  }

  line({ offset, length }: IndexColumns, row: number): string | undefined {
    const [start, bytes] = [offset[row], length[row]]
    return start === undefined || bytes === undefined ? undefined : this.#lines.text(start, bytes)
  }

  close(): void {
    this.refresh()
    this.#save()
    this.#lines.close()
  }

  #load(): void {
    const saved = readIndex(this.#indexFile, this.#lines.size ?? 0)
    if (saved === undefined) return
    const { columns, rows, indexedBytes, names, changes, receipts } = saved
    if (!this.#isFitting(columns)) {
      this.#savedBytes = -MAX_UNSAVED_BYTES
      return
    }
    for (const name of names) this.#addName(name)
    for (const [position, receipt] of receipts) this.#earlyReceipts.add(position, receipt)
    this.#columns = columns
    this.#rows.unpack(columns, rows)
    this.#rowsColumns = columns
    this.#keptRows = columns.at.length
    this.#changes = changes
    this.#indexedBytes = indexedBytes
    this.#seenBytes = indexedBytes
    this.#savedBytes = indexedBytes
  }

  /** Whether a saved index belongs to this file: the last entry and a sample of the others match the lines at their offsets. */
  #isFitting(columns: IndexColumns): boolean {
    const last = columns.at.length - 1
    for (let sample = 0; sample <= SAMPLES && last >= 0; sample++) {
      const row = Math.floor((last * sample) / SAMPLES)
      const line = this.line(columns, row)
      const message = line === undefined ? undefined : parseLine(line)
      if (message === undefined || indexOfEntry(columns, { at: message.at, ...messageHash(message) }) < 0) return false
    }
    return true
  }

  #reset(): void {
    this.#columns = EMPTY_COLUMNS
    this.#keptRows = 0
    this.#changes = ChangeIndex.empty()
    this.#foundTargets.clear()
    this.#earlyReceipts.clear()
    this.#names = []
    this.#numbers = new Map()
    this.#indexedBytes = 0
    this.#seenBytes = 0
    this.#savedBytes = -MAX_UNSAVED_BYTES
    this.#isStale = false
    this.#lines.clearCache()
  }

  #save(): void {
    if (this.#indexedBytes - this.#savedBytes < MAX_UNSAVED_BYTES) return
    writeIndex(this.#indexFile, {
      indexedBytes: this.#indexedBytes,
      names: this.#names,
      columns: this.#columns,
      rows: this.rows.pack(),
      changes: this.#changes,
      receipts: [...this.#earlyReceipts],
    })
    this.#savedBytes = this.#indexedBytes
  }

  /** Records new receipts, and earlier ones of messages that are new. */
  #recordReceipts(added: readonly Position[], receipts: readonly ReceiptLine[]): void {
    for (const [position, receipt] of this.#earlyReceipts.takeAll(added)) {
      recordReceipt(this.#columns, position, receipt)
    }
    for (const receipt of receipts) {
      const position = this.#ownPosition(receipt)
      if (!recordReceipt(this.#columns, position, receipt)) this.#earlyReceipts.add(position, receipt)
    }
  }

  /** The position of the user's message with this id and time. */
  #ownPosition({ id, at }: ReceiptLine): Position {
    return { at, ...messageHash({ from: this.#user, id }) }
  }

  /** What identifies the message of a line. */
  #keyOf(offset: number, length: number): string {
    const line = this.#lines.text(offset, length)
    const message = line === undefined ? undefined : parseLine(line)
    return message === undefined ? `line at ${offset}` : lineKey(message)
  }

  /** The number of a correspondent; a new name gets the next one. */
  #addName(name: string): number {
    const known = this.#numbers.get(name)
    if (known !== undefined) return known
    const number = this.#names.push(name) - 1
    this.#numbers.set(name, number)
    return number
  }
}
