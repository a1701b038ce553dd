import type { Progress } from '../../../src/client/events.ts'
import { compareMessages } from '../../../src/common/hybrid-clock.ts'
import type { Message } from '../../../src/protocol/messages.ts'
import { visibleText } from '../../../src/protocol/text.ts'
import { Editor } from './editor.ts'

/** Entries kept of a thread while one moves through its history. */
const MOST_ENTRIES = 2_000
/** Fates remembered of a thread. */
const MOST_FATES = 2_000

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
  unread = 0
  /** Another name that it was said to look like. */
  looksLike: string | undefined
  /** Up to which hybrid time the thread was read, here or on another client of the user. */
  readAt = 0
  /** The newest message that the other wrote, by its hybrid time. */
  heardAt = 0
  /** The id of the first entry that was not read when the thread was opened: a line stands before it while one reads. */
  newFrom: string | undefined
  /** The lowest row in view; undefined: the end, whatever comes. */
  anchor: Anchor | undefined
  /** Messages that came while the view stood elsewhere. */
  below = 0
  /** Whether its beginning and its end are among the entries; the rest is in the history on disk. */
  start = true
  end = true
  /** Whether the entries were read from the history, if it has any. */
  loaded = true
  /** What a search has found. */
  marked: { id: string; text: string } | undefined
  #storedAt = 0
  /** Fates of one's own messages of this run: they are not in the history. */
  #progress = new Map<string, Progress>()
  #byId = new Map<string, Entry>()
  #notes = 0

  constructor(name: string) {
    this.name = name
  }

  get lastAt(): number {
    return Math.max(this.#storedAt, this.entries.at(-1)?.at ?? 0)
  }

  /** The history has messages of this thread, the last of this time; they are read when it is opened. */
  stored(lastAt: number): void {
    this.#storedAt = lastAt
    this.start = false
    this.loaded = false
  }

  /** Takes a message in, unless it belongs to a part that is not among the entries. */
  add(message: Message): void {
    const { at, from } = message
    if (from === this.name) this.heardAt = Math.max(this.heardAt, at)
    this.#storedAt = Math.max(this.#storedAt, at)
    const [first] = this.entries
    const last = this.entries.at(-1)
    if (!this.end && last !== undefined && compareMessages(last, message) < 0) return
    if (!this.start && first !== undefined && compareMessages(message, first) < 0) return
    this.#insert(this.#entry(message))
  }

  /** Replaces the entries by a part of the history. */
  show(messages: readonly Message[], start: boolean, end: boolean): void {
    this.entries.length = 0
    this.#byId.clear()
    for (const message of messages) this.#insert(this.#entry(message))
    this.start = start
    this.end = end
    this.loaded = true
    if (end) this.below = 0
  }

  /** Adds the part of the history before or behind the entries; far from it, as many are let go. */
  extend(messages: readonly Message[], way: 'before' | 'behind', isAll: boolean): void {
    for (const message of messages) if (!this.#byId.has(message.id)) this.#insert(this.#entry(message))
    if (way === 'before') this.start = isAll
    else this.end = isAll
    const over = this.entries.length - MOST_ENTRIES
    if (over <= 0) return
    const gone = way === 'before' ? this.entries.splice(-over) : this.entries.splice(0, over)
    for (const { id } of gone) this.#byId.delete(id)
    if (way === 'before') this.end = false
    else this.start = false
  }

  /** Adds a note at the end, whatever the clocks say. */
  note(text: string, wall: number): void {
    this.#say('note', text, wall)
  }

  /** The same, loudly. */
  warn(text: string, wall: number): void {
    this.#say('warning', text, wall)
  }

  #say(kind: 'note' | 'warning', text: string, wall: number): void {
    this.#insert({ kind, id: `note ${++this.#notes}`, at: Math.max(wall, this.lastAt), from: '', text })
  }

  progress(id: string, progress: Progress): void {
    this.#progress.delete(id)
    this.#progress.set(id, progress)
    if (this.#progress.size > MOST_FATES) for (const oldest of this.#progress.keys()) this.#forget(oldest)
    const entry = this.#byId.get(id)
    if (entry !== undefined) entry.progress = progress
  }

  /** The thread was read up to a hybrid time: counts anew what is not. */
  read(at: number): void {
    this.readAt = Math.max(this.readAt, at)
    this.unread = 0
    for (let index = this.entries.length - 1; index >= 0; index--) {
      const entry = this.entries[index]
      if (entry === undefined || entry.at <= this.readAt) break
      if (entry.from === this.name) this.unread++
    }
  }

  find(id: string): Entry | undefined {
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
    this.newFrom = undefined
    this.below = 0
    this.start = true
    this.end = true
  }

  #forget(id: string): void {
    if (this.#progress.size > MOST_FATES) this.#progress.delete(id)
  }

  #entry({ id, at, from, text }: Message): Entry {
    if (from === this.name) this.heardAt = Math.max(this.heardAt, at)
    const progress = this.#progress.get(id)
    const entry: Entry = { kind: 'message', id, at, from, text: visibleText(text) }
    return progress === undefined ? entry : { ...entry, progress }
  }

  #insert(entry: Entry): void {
    this.#byId.set(entry.id, entry)
    const last = this.entries.at(-1)
    if (last === undefined || compareMessages(last, entry) < 0) this.entries.push(entry)
    else this.entries.splice(this.indexOf(entry), 0, entry)
  }
}
