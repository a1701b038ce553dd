import { join } from 'node:path'
import type { Archive, HeldMessage, StoredMessage } from '../../src/client/history/message-log.ts'
import { entriesBefore, lowerBound, messageHash } from '../../src/client/history/positions.ts'
import { compareMessages } from '../../src/common/hybrid-clock.ts'
import type { Message } from '../../src/protocol/messages.ts'
import { searchForm } from '../search-form.ts'
import { AppendFile } from '../storage/append-file.ts'
import { formatLine, parseLine } from './history-line.ts'
import { MessageIndex } from './message-index.ts'
import { OutboxFile, type OutboxOptions } from './outbox-file.ts'
import { SharedLines } from './shared-lines.ts'

export interface HistoryOptions extends OutboxOptions {
  /** Called repeatedly with the indexed part (0 to 1) while a large file is indexed. */
  progress?: (share: number) => void
  /** Name of the history file and its index, without extension. */
  fileName?: string
}

/**
 * A user's messages in one mesh, on disk: an append-only file of JSON lines, which several processes may write at once,
 * and an index file that can be rebuilt from it. Only the index is kept in memory.
 */
export class History {
  readonly #folder: string
  readonly #options: HistoryOptions
  readonly #file: AppendFile
  readonly #index: MessageIndex
  #openedOutbox: OutboxFile | undefined

  /**
   * @param folder the user's folder in the mesh; created when the first message is stored
   */
  constructor(folder: string, user: string, options: HistoryOptions = {}) {
    const { progress, fileName = 'history', durable } = options
    this.#folder = folder
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

  /** A snapshot of all messages; later ones are not part of it. */
  get archive(): Archive {
    const { columns } = this.#index
    const { at, hashA, hashB } = columns
    return {
      at,
      hashA,
      hashB,
      read: row => this.#index.read(columns, row),
      find: message => {
        this.#file.flush()
        return this.#index.find(message)
      },
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
   * Stores a message, unless another client of the user has. It is in the file at the end of the turn, and safe after the
   * next save.
   * @param sealed and `late`: see `StoredMessage`
   */
  store(message: Message, sealed?: string, late?: true): void {
    this.#file.append(formatLine(message, sealed, late))
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
    const { peer, at } = this.#index.columns
    const seen = new Set<number>()
    const threads: { name: string; lastAt: number }[] = []
    for (let row = peer.length - 1; row >= 0; row--) {
      const number = peer[row] ?? 0
      if (seen.has(number)) continue
      seen.add(number)
      threads.push({ name: this.#index.nameOf(number), lastAt: at[row] ?? 0 })
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
    const { peer, at } = this.#index.columns
    const number = this.#index.numberOf(thread)
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
      const message = this.#index.read(this.#index.columns, row)
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
    const { columns } = this.#index
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
    const { columns } = this.#index
    const number = thread === undefined ? undefined : this.#index.numberOf(thread)
    if (thread !== undefined && number === undefined) return
    /** Messages of one time, whose rows are not ordered by id. */
    let simultaneous: StoredMessage[] = []
    for (let row = 0; row < columns.at.length; row++) {
      if (number !== undefined && columns.peer[row] !== number) continue
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
   * Searches a thread backwards from a position, ignoring case and normal form. Yields the first match and ends. Before that, yields
   * `undefined` every 2,000 messages, so that the caller can do other work.
   */
  *search(
    thread: string,
    text: string,
    before: MessagePosition = { at: Number.POSITIVE_INFINITY, id: '' },
  ): Generator<Message | undefined> {
    this.refresh()
    const { columns } = this.#index
    const number = this.#index.numberOf(thread)
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
      const line = this.#index.line(columns, row)
      if (line === undefined || !searchForm(line).includes(escapedNeedle)) continue
      const message = parseLine(line)
      if (message === undefined || compareMessages(message, before) >= 0) continue
      if (!searchForm(message.text).includes(needle)) continue
      if (match === undefined || compareMessages(message, match) > 0) match = message
    }
    if (match !== undefined) yield match
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
    this.#index.close()
    return problem
  }

  get #outbox(): OutboxFile {
    const { merged, durable } = this.#options
    this.#openedOutbox ??= new OutboxFile(this.#folder, { merged: merged ?? [], durable })
    return this.#openedOutbox
  }
}

/** A position in the order of messages. */
export interface MessagePosition {
  at: number
  id: string
}
