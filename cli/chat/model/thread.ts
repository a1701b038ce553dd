import type { Progress } from '../../../src/client/events.ts'
import { compareMessages } from '../../../src/common/hybrid-clock.ts'
import type { Message } from '../../../src/protocol/messages.ts'
import { sanitizeText } from '../../../src/protocol/text.ts'
import { Editor } from './editor.ts'

/** Entries kept of a thread while one moves through its history. */
const MAX_ENTRIES = 2_000
/** Fates remembered of a thread. */
const MAX_PROGRESS_STATES = 2_000

/** What stands in a thread: a message, or a note of its own such as a coming or going. Its text is safe to show. */
export interface Entry {
  kind: 'message' | 'note' | 'warning'
  at: number
  id: string
  from: string
  text: string
  /** What became of it, of one's own messages composed here. */
  progress?: Progress
}

/** A place in a thread's rows: an entry, and one of the rows that it takes on the screen. */
export interface Anchor {
  entry: Entry
  row: number
}

/** The messages between the user and one other, in the order (`at`, `id`), and how they are looked at. */
export class Thread {
  readonly name: string
  readonly entries: Entry[] = []
  readonly editor = new Editor()
  unreadCount = 0
  /** Another name that it was said to look like. */
  confusableWith: string | undefined
  /** Up to which hybrid time the thread was read, here or on another client of the user. */
  readAt = 0
  /** The newest message that the other wrote, by its hybrid time. */
  lastReceivedAt = 0
  /** The id of the first entry that was not read when the thread was opened: a line stands before it while one reads. */
  firstUnreadId: string | undefined
  /** The lowest row in view; undefined: the end, whatever comes. */
  anchor: Anchor | undefined
  /** Messages that came while the view stood elsewhere. */
  newBelow = 0
  /** Whether its beginning and its end are among the entries; the rest is in the history on disk. */
  hasStart = true
  hasEnd = true
  /** Whether the entries were read from the history, if it has any. */
  isLoaded = true
  /** What a search has found. */
  searchMatch: { id: string; text: string } | undefined
  #lastStoredAt = 0
  /** Fates of one's own messages of this run: they are not in the history. */
  #progressById = new Map<string, Progress>()
  #byId = new Map<string, Entry>()
  #noteCount = 0

  constructor(name: string) {
    this.name = name
  }

  get lastAt(): number {
    return Math.max(this.#lastStoredAt, this.entries.at(-1)?.at ?? 0)
  }

  /** The history has messages of this thread, the last of this time; they are read when it is opened. */
  markStored(lastAt: number): void {
    this.#lastStoredAt = lastAt
    this.hasStart = false
    this.isLoaded = false
  }

  /** Takes a message in, unless it belongs to a part that is not among the entries. */
  addMessage(message: Message): void {
    const { at, from } = message
    if (from === this.name) this.lastReceivedAt = Math.max(this.lastReceivedAt, at)
    this.#lastStoredAt = Math.max(this.#lastStoredAt, at)
    const [first] = this.entries
    const last = this.entries.at(-1)
    if (!this.hasEnd && last !== undefined && compareMessages(last, message) < 0) return
    if (!this.hasStart && first !== undefined && compareMessages(message, first) < 0) return
    this.#insert(this.#toEntry(message))
  }

  /** Replaces the entries by a part of the history. */
  replaceEntries(messages: readonly Message[], hasStart: boolean, hasEnd: boolean): void {
    this.entries.length = 0
    this.#byId.clear()
    for (const message of messages) this.#insert(this.#toEntry(message))
    this.hasStart = hasStart
    this.hasEnd = hasEnd
    this.isLoaded = true
    if (hasEnd) this.newBelow = 0
  }

  /** Adds the part of the history before or behind the entries; far from it, as many are let go. */
  addPage(messages: readonly Message[], side: 'before' | 'behind', reachesEdge: boolean): void {
    for (const message of messages) if (!this.#byId.has(message.id)) this.#insert(this.#toEntry(message))
    if (side === 'before') this.hasStart = reachesEdge
    else this.hasEnd = reachesEdge
    const over = this.entries.length - MAX_ENTRIES
    if (over <= 0) return
    const gone = side === 'before' ? this.entries.splice(-over) : this.entries.splice(0, over)
    for (const { id } of gone) this.#byId.delete(id)
    if (side === 'before') this.hasEnd = false
    else this.hasStart = false
  }

  /** Adds a note at the end, whatever the clocks say. */
  addNote(text: string, wall: number): void {
    this.#appendNote('note', text, wall)
  }

  /** The same, loudly. */
  addWarning(text: string, wall: number): void {
    this.#appendNote('warning', text, wall)
  }

  #appendNote(kind: 'note' | 'warning', text: string, wall: number): void {
    this.#insert({ kind, id: `note ${++this.#noteCount}`, at: Math.max(wall, this.lastAt), from: '', text })
  }

  setProgress(id: string, progress: Progress): void {
    this.#progressById.delete(id)
    this.#progressById.set(id, progress)
    if (this.#progressById.size > MAX_PROGRESS_STATES)
      for (const oldest of this.#progressById.keys()) this.#evictProgress(oldest)
    const entry = this.#byId.get(id)
    if (entry !== undefined) entry.progress = progress
  }

  /** The thread was read up to a hybrid time: counts anew what is not. */
  markRead(at: number): void {
    this.readAt = Math.max(this.readAt, at)
    this.unreadCount = 0
    for (let index = this.entries.length - 1; index >= 0; index--) {
      const entry = this.entries[index]
      if (entry === undefined || entry.at <= this.readAt) break
      if (entry.from === this.name) this.unreadCount++
    }
  }

  entryById(id: string): Entry | undefined {
    return this.#byId.get(id)
  }

  /** Where an entry stands. */
  indexOf(entry: Entry): number {
    let low = 0
    let high = this.entries.length
    while (low < high) {
      const middle = (low + high) >> 1
      const there = this.entries[middle]
      if (there !== undefined && compareMessages(there, entry) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  clear(): void {
    this.entries.length = 0
    this.#byId.clear()
    this.anchor = undefined
    this.firstUnreadId = undefined
    this.newBelow = 0
    this.hasStart = true
    this.hasEnd = true
  }

  #evictProgress(id: string): void {
    if (this.#progressById.size > MAX_PROGRESS_STATES) this.#progressById.delete(id)
  }

  #toEntry({ id, at, from, text }: Message): Entry {
    if (from === this.name) this.lastReceivedAt = Math.max(this.lastReceivedAt, at)
    const progress = this.#progressById.get(id)
    const entry: Entry = { kind: 'message', id, at, from, text: sanitizeText(text) }
    return progress === undefined ? entry : { ...entry, progress }
  }

  #insert(entry: Entry): void {
    this.#byId.set(entry.id, entry)
    const last = this.entries.at(-1)
    if (last === undefined || compareMessages(last, entry) < 0) this.entries.push(entry)
    else this.entries.splice(this.indexOf(entry), 0, entry)
  }
}
