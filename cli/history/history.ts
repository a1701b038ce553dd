import { join } from 'node:path'
import type {
  Archive,
  HeldMessage,
  RejectedMessage,
  StoredMessage,
  StoredReceipt,
} from '../../src/client/history/message-log.ts'
import { lowerBound, messageHash, messageKey } from '../../src/client/history/positions.ts'
import { type Change, type FoldedChanges, foldChanges, toChange } from '../../src/client/messages/message-changes.ts'
import { compareMessages } from '../../src/common/hybrid-clock.ts'
import { type Content, type MessageTarget, parseContent, readableText } from '../../src/protocol/message-kinds.ts'
import type { Message, Receipt } from '../../src/protocol/messages.ts'
import { isRoom } from '../../src/protocol/rooms.ts'
import { searchForm } from '../common/search-form.ts'
import { threadName } from '../common/thread-name.ts'
import { AppendFile } from '../storage/files/append-file.ts'
import { formatLine, formatReceipt } from './history-line.ts'
import { type IndexColumns, indexOfEntry, selectRows } from './index-columns.ts'
import { MessageIndex } from './message-index.ts'
import { OutboxFile, type OutboxOptions } from './outbox-file.ts'
import { RejectedFile } from './rejected-file.ts'
import { SharedLines } from './shared-lines.ts'

export interface HistoryOptions extends OutboxOptions {
  /** Called repeatedly with the indexed part (0 to 1) while a large file is indexed. */
  progress?: (share: number) => void
  /** Name of the history file and its index, without extension. */
  fileName?: string
}

/** Whether a user is an operator of a room. */
export type IsOperator = (room: string, user: string) => boolean

/**
 * A user's messages in one mesh, on disk: an append-only file of JSON lines, which several processes may write at once,
 * and an index file that can be rebuilt from it. Only the index is kept in memory.
 */
export class History {
  readonly #folder: string
  readonly #user: string
  readonly #options: HistoryOptions
  readonly #file: AppendFile
  readonly #index: MessageIndex
  #openedOutbox: OutboxFile | undefined
  #openedRejected: RejectedFile | undefined

  /**
   * @param folder the user's folder in the mesh; created when the first message is stored
   */
  constructor(folder: string, user: string, options: HistoryOptions = {}) {
    const { progress, fileName = 'history', durable } = options
    this.#folder = folder
    this.#user = user
    this.#options = options
    const path = join(folder, `${fileName}.jsonl`)
    this.#index = new MessageIndex(path, join(folder, `${fileName}.index`), user, progress)
    const shared = new SharedLines(this.#index.indexedBytes)
    this.#file = new AppendFile(path, {
      durable,
      selectMissing: (lines, descriptor) => shared.selectMissing(lines, descriptor),
    })
  }

  /** Why the history cannot be read; undefined: it can, or does not exist. */
  get problem(): Error | undefined {
    return this.#index.problem
  }

  /** A snapshot of all messages from and to users; later ones are not part of it. */
  get archive(): Archive {
    const { columns, hasRooms, rows } = this.#index
    return hasRooms ? this.#toArchive(columns, rows.ofUsers) : this.#toArchive(columns)
  }

  /** A snapshot of the messages of a room; later ones are not part of it. */
  roomArchive(room: string): Archive {
    const { columns } = this.#index
    return this.#toArchive(columns, this.#index.rowsOf(room), room)
  }

  /**
   * @param rows undefined: all rows
   * @param room the room that the messages are of; undefined: of no room
   */
  #toArchive(columns: IndexColumns, rows?: Uint32Array, room?: string): Archive {
    const { at, hashA, hashB } = rows === undefined ? columns : selectRows(columns, rows)
    return {
      at,
      hashA,
      hashB,
      read: index => this.#index.read(columns, rows === undefined ? index : (rows[index] ?? -1)),
      find: message => {
        this.#file.flush()
        return this.#index.find(message, room)
      },
      refreshed: () => {
        this.refresh()
        return room === undefined ? this.archive : this.roomArchive(room)
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
   * Stores a message, unless another client of the user has. It is in the file at the end of the turn, and safe after the
   * next save.
   * @param sealed and `late`: see `StoredMessage`
   */
  store(message: Message, sealed?: string, late?: true): void {
    this.#file.append(formatLine(message, sealed, late))
  }

  /** Stores how many have confirmed the user's message with this id and time, unless the history says as much. */
  storeReceipt(id: string, at: number, receipt: StoredReceipt): void {
    const line = { id, at, ...receipt }
    if (!this.#index.hasReceipt(line)) this.#file.append(formatReceipt(line))
  }

  /** The receipts of the user's latest messages that have one, oldest first. */
  latestReceipts(count: number): Receipt[] {
    const { columns } = this.#index
    const receipts: Receipt[] = []
    for (let row = columns.at.length - 1; row >= 0 && receipts.length < count; row--) {
      if (columns.delivered[row] === 0) continue
      const message = this.#index.read(columns, row)
      if (message?.receipt === undefined) continue
      const { id, at, to, receipt } = message
      const { delivered, of } = receipt
      receipts.push(of === undefined ? [id, at, to, delivered] : [id, at, to, delivered, of, []])
    }
    return receipts.reverse()
  }

  /**
   * Stores an own message that was rejected. It is only part of the pages of its thread, on this and the user's other
   * clients with this folder.
   */
  storeRejected(message: RejectedMessage): void {
    this.#rejected.store(message)
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
    const rejected = this.#openedRejected === undefined ? [] : [this.#openedRejected.file]
    return [this.#file, ...rejected, ...(this.#openedOutbox?.files ?? [])]
  }

  /**
   * Correspondents and rooms with the hybrid time of the last message, latest first; without those that have only
   * deletions of unknown messages.
   * @param withRejected also those to whom only rejected messages were sent
   */
  threads(withRejected = false): { name: string; lastAt: number }[] {
    const { columns, names, rows } = this.#index
    const threads: { name: string; lastAt: number }[] = []
    for (const [number, name] of names.entries()) {
      const ofThread = rows.of(number)
      const last = ofThread.at(-1)
      const isShown = (row: number) => !this.#isDeletion(columns, row)
      if (last !== undefined && ofThread.findLast(isShown) !== undefined)
        threads.push({ name, lastAt: columns.at[last] ?? 0 })
    }
    threads.sort((one, other) => other.lastAt - one.lastAt)
    return withRejected ? this.#withRejectedThreads(threads) : threads
  }

  #isDeletion(columns: IndexColumns, row: number): boolean {
    if (!this.#index.isChange(columns, row)) return false
    const message = this.#index.read(columns, row)
    return message !== undefined && toChange(message)?.content.kind === 'delete'
  }

  #withRejectedThreads(stored: readonly { name: string; lastAt: number }[]): { name: string; lastAt: number }[] {
    const times = new Map(stored.map(({ name, lastAt }) => [name, lastAt]))
    for (const message of this.#rejected.messages) {
      if (!this.#isStored(message)) times.set(message.to, Math.max(times.get(message.to) ?? 0, message.at))
    }
    return [...times].map(([name, lastAt]) => ({ name, lastAt })).sort((one, other) => other.lastAt - one.lastAt)
  }

  /**
   * Up to `count` messages of a thread, in order: those right before or after a position, or the last ones. Returns
   * fewer than `count` only at the end of the thread. Has messages that no server has accepted, and rejected ones, too.
   * Without changes of messages that the history has: `changesOf` has those.
   */
  page(thread: string, count: number, from?: PageStart): StoredMessage[] {
    this.refresh()
    const isBackward = from === undefined || 'before' in from
    const messages = [...this.#storedMessages(thread, count, from), ...this.#unsentMessages(thread, from)]
    messages.sort(compareMessages)
    return isBackward ? messages.slice(-count) : messages.slice(0, count)
  }

  /** The messages of a page that the history has; a few more if several have the same time. */
  #storedMessages(thread: string, count: number, from: PageStart | undefined): StoredMessage[] {
    const { columns } = this.#index
    const rows = this.#index.rowsOf(thread)
    const timeAt = (index: number) => columns.at[rows[index] ?? -1] ?? 0
    const isBackward = from === undefined || 'before' in from
    const point = from === undefined ? undefined : 'before' in from ? from.before : from.after
    const messages: StoredMessage[] = []
    const end = rows.length
    // Include all messages with the same time as the position: the ids decide below.
    let index =
      point === undefined
        ? end - 1
        : isBackward
          ? lowerBound(end, one => timeAt(one) <= point.at) - 1
          : lowerBound(end, one => timeAt(one) < point.at)
    let lastAt: number | undefined
    for (; index >= 0 && index < end; index += isBackward ? -1 : 1) {
      // Rows of one time are not ordered by id: a page takes all of them or chooses below.
      if (messages.length >= count && timeAt(index) !== lastAt) break
      const row = rows[index] ?? 0
      if (this.#index.isFolded(columns, row)) continue
      const message = this.#index.read(columns, row)
      if (message === undefined) continue
      if (
        point !== undefined &&
        (isBackward ? compareMessages(message, point) >= 0 : compareMessages(message, point) <= 0)
      )
        continue
      messages.push(message)
      lastAt = message.at
    }
    return messages
  }

  /** Messages to a thread that the history does not have: held ones that no server has accepted yet, and rejected ones. */
  #unsentMessages(thread: string, from: PageStart | undefined): StoredMessage[] {
    const held = this.#openedOutbox?.held ?? []
    const heldIds = new Set(held.map(({ id }) => id))
    const rejected = [...this.#rejected.messages].filter(({ id }) => !heldIds.has(id))
    return [...held, ...rejected].filter(message => {
      if (message.to !== thread || this.#isStored(message)) return false
      // A change that was rejected changes nothing, and is shown with the reason.
      const change = heldIds.has(message.id) ? toChange(message) : undefined
      if (change !== undefined && this.#index.isChangeOfStored(change, thread)) return false
      if (from === undefined) return true
      return 'before' in from ? compareMessages(message, from.before) < 0 : compareMessages(message, from.after) > 0
    })
  }

  /** The edits, deletions and reactions of messages of a thread, by anyone, with those that no server has accepted yet. */
  changesOf(thread: string, targets: readonly MessageTarget[]): Change[] {
    const keys = new Set(targets.map(messageKey))
    const held = this.#openedOutbox?.held.filter(({ to }) => to === thread) ?? []
    const heldChanges = held.flatMap(message => toChange(message) ?? [])
    const isOfThese = ({ content }: Change) => keys.has(messageKey(content.target))
    return [...targets.flatMap(target => this.#index.changesOf(thread, target)), ...heldChanges.filter(isOfThese)]
  }

  /**
   * The content of a message and the result of its changes; undefined for a change of another message that the history has, and for
   * any deletion: of a message that is unknown, there is nothing to see.
   * @param isOperator whether a user is an operator of the room
   */
  fold(message: StoredMessage, isOperator?: (name: string) => boolean): FoldedMessage | undefined {
    const content = parseContent(message.text, message.from)
    if (content.kind === 'delete') return undefined
    if (content.kind !== 'text') {
      const change = { ...message, content }
      return this.#index.isChangeOfStored(change, threadName(message, this.#user)) ? undefined : { content }
    }
    const thread = threadName(message, this.#user)
    const changes = this.changesOf(thread, [message])
    const shown = changes.length === 0 ? { content } : { content, changes: foldChanges(changes, isOperator) }
    if (content.reply === undefined) return shown
    const { isDeleted } = foldChanges(this.changesOf(thread, [content.reply]), isOperator)
    return isDeleted ? { ...shown, isReplyToDeleted: true } : shown
  }

  /** The message of a thread with this sender and id. */
  find(thread: string, target: MessageTarget): StoredMessage | undefined {
    this.refresh()
    return this.#index.findInThread(thread, target)
  }

  /** The message of a thread with this sender, id and time. Costs the same for a thread of any length. */
  findAt(thread: string, message: Pick<Message, 'from' | 'id' | 'at'>): StoredMessage | undefined {
    this.refresh()
    return this.#index.find(message, isRoom(thread) ? thread : undefined)
  }

  #isStored(message: Message): boolean {
    return indexOfEntry(this.#index.columns, { at: message.at, ...messageHash(message) }) >= 0
  }

  /** Messages of one thread or of all, in order; read on demand. Without rejected ones, which were never said. */
  *all(thread?: string): Generator<StoredMessage> {
    const { columns } = this.#index
    const rows = thread === undefined ? undefined : this.#index.rowsOf(thread)
    /** Messages of one time, whose rows are not ordered by id. */
    let simultaneous: StoredMessage[] = []
    const { length } = rows ?? columns.at
    for (let index = 0; index < length; index++) {
      const row = rows === undefined ? index : (rows[index] ?? 0)
      const message = this.#index.read(columns, row)
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
   * Searches a thread backwards from a position, ignoring case and normal form. Yields the first match, with the text
   * that is shown, and ends. Before that, yields `undefined` every 2,000 messages, so that the caller can do other work. An
   * edited message is found by its new text, and a deleted one is not found.
   */
  *search(
    thread: string,
    text: string,
    before: MessagePosition = { at: Number.POSITIVE_INFINITY, id: '' },
    isOperator?: IsOperator,
  ): Generator<StoredMessage | undefined> {
    this.refresh()
    const { columns } = this.#index
    const rows = this.#index.rowsOf(thread)
    const find = this.#matcher(columns, text, isOperator)
    const timeAt = (index: number) => columns.at[rows[index] ?? -1] ?? 0
    let index = lowerBound(rows.length, one => timeAt(one) <= before.at) - 1
    /** The last match by id among those of one time, whose rows are not ordered by id. */
    let match: StoredMessage | undefined
    for (let looked = 0; index >= 0; index--) {
      if (match !== undefined && timeAt(index) !== match.at) break
      if (++looked % 2_000 === 0) yield undefined
      const message = find(rows[index] ?? 0)
      if (message === undefined || compareMessages(message, before) >= 0) continue
      if (match === undefined || compareMessages(message, match) > 0) match = message
    }
    if (match !== undefined) yield match
  }

  /**
   * Searches all threads, like `search`: yields every match, newest first, and `undefined` every 2,000 messages in between.
   */
  *searchAll(text: string, isOperator?: IsOperator): Generator<StoredMessage | undefined> {
    this.refresh()
    const { columns } = this.#index
    const find = this.#matcher(columns, text, isOperator)
    /** Matches of one time, whose rows are not ordered by id. */
    let simultaneous: StoredMessage[] = []
    for (let row = columns.at.length - 1; row >= 0; row--) {
      if ((columns.at.length - row) % 2_000 === 0) yield undefined
      const message = find(row)
      if (message === undefined) continue
      if (simultaneous[0]?.at !== message.at) {
        yield* simultaneous.sort((one, other) => compareMessages(other, one))
        simultaneous = []
      }
      simultaneous.push(message)
    }
    yield* simultaneous.sort((one, other) => compareMessages(other, one))
  }

  /** Searches one row for a text. The function returns its message, with the text that is shown, if that has the text. */
  #matcher(columns: IndexColumns, text: string, isOperator?: IsOperator): (row: number) => StoredMessage | undefined {
    const needle = searchForm(text)
    // The text as escaped in a JSON line: skips most lines without parsing them.
    const escapedNeedle = JSON.stringify(needle).slice(1, -1)
    return row => {
      const line = this.#index.line(columns, row)
      if (line === undefined) return undefined
      if (!this.#index.mayHaveChanges(columns, row) && !searchForm(line).includes(escapedNeedle)) return undefined
      const message = this.#index.parse(line, columns, row)
      if (message === undefined) return undefined
      const thread = threadName(message, this.#user)
      const shown = this.fold(message, isOperator && (name => isOperator(thread, name)))
      const found = shown && shownText(message, shown)
      return found !== undefined && searchForm(found).includes(needle) ? { ...message, text: found } : undefined
    }
  }

  /** Takes in the messages that this process and others have stored since the last call. */
  refresh(): void {
    this.#file.flush()
    this.#index.refresh()
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
    this.#openedRejected = undefined
    this.#index.close()
    return problem
  }

  get #rejected(): RejectedFile {
    this.#openedRejected ??= new RejectedFile(this.#folder, this.#user, this.#options.durable)
    return this.#openedRejected
  }

  get #outbox(): OutboxFile {
    const { merged, durable } = this.#options
    this.#openedOutbox ??= new OutboxFile(this.#folder, { merged: merged ?? [], durable })
    return this.#openedOutbox
  }
}

/** What is shown of a message: its content, and what its changes amount to, if there are any. */
export interface FoldedMessage {
  readonly content: Content
  readonly changes?: FoldedChanges
  /** Whether it replies to a message that is deleted: then the quote of that is not shown. */
  readonly isReplyToDeleted?: true
}

/** The text of a message after its changes; empty if it is deleted. */
function shownText({ text }: Message, { content, changes }: FoldedMessage): string {
  if (content.kind !== 'text') return readableText(text)
  return changes?.isDeleted === true ? '' : (changes?.text ?? content.text)
}

/** Where a page starts or ends. */
type PageStart = { before: Message | MessagePosition } | { after: Message | MessagePosition }

/** A position in the order of messages. */
export interface MessagePosition {
  at: number
  id: string
}
