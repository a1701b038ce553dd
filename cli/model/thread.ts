import type { Progress } from '../../src/client/events.ts'
import { compareMessages } from '../../src/delivery/clock.ts'
import type { Message } from '../../src/protocol/messages.ts'
import { visibleText } from '../../src/protocol/text.ts'
import { Editor } from './editor.ts'

/** What stands in a thread: a message, or a note of its own such as a coming or going. Its text is safe to show. */
export interface Entry {
  kind: 'message' | 'note'
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
  /** Up to which hybrid time the thread was read, here or on another client of the user. */
  readAt = 0
  /** The newest message that the other wrote, by its hybrid time. */
  heardAt = 0
  /** The first entry that was not read when the thread was opened: a line stands before it while one reads. */
  newFrom: Entry | undefined
  /** The lowest row in view; undefined: the end, whatever comes. */
  anchor: Anchor | undefined
  /** Messages that came while the view stood elsewhere. */
  below = 0
  #byId = new Map<string, Entry>()
  #notes = 0

  constructor(name: string) {
    this.name = name
  }

  get lastAt(): number {
    return this.entries.at(-1)?.at ?? 0
  }

  add(message: Message): Entry {
    const { id, at, from, text } = message
    if (from === this.name) this.heardAt = Math.max(this.heardAt, at)
    return this.#insert({ kind: 'message', id, at, from, text: visibleText(text) })
  }

  /** Adds a note at the end, whatever the clocks say. */
  note(text: string, wall: number): void {
    this.#insert({ kind: 'note', id: `note ${++this.#notes}`, at: Math.max(wall, this.lastAt), from: '', text })
  }

  progress(id: string, progress: Progress): void {
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
  }

  #insert(entry: Entry): Entry {
    this.#byId.set(entry.id, entry)
    const last = this.entries.at(-1)
    if (last === undefined || compareMessages(last, entry) < 0) this.entries.push(entry)
    else this.entries.splice(this.indexOf(entry), 0, entry)
    return entry
  }
}
