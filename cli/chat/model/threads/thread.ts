import type { Progress } from '../../../../src/client/events.ts'
import { type Change, toChange } from '../../../../src/client/messages/message-changes.ts'
import { compareMessages } from '../../../../src/common/hybrid-clock.ts'
import {
  type MessageTarget,
  parseContent,
  type QuotedTarget,
  quoteOf,
  readableText,
} from '../../../../src/protocol/message-kinds.ts'
import type { Message } from '../../../../src/protocol/messages.ts'
import { isRoom } from '../../../../src/protocol/rooms.ts'
import { sanitizeText } from '../../../../src/protocol/text.ts'
import type { Draft, DraftTarget } from '../../../common/draft.ts'
import { localDay } from '../../../common/format-time.ts'
import { localDateTime } from '../../../terminal/local-time.ts'
import { width } from '../../../terminal/width.ts'
import { Editor } from '../editing/editor.ts'
import { changesText, foldChanges, type MembershipChanges } from '../rooms/membership.ts'
import { mentionsUser } from '../rooms/mentions.ts'
import { nextProgress, progressMark, storedProgress, type ThreadMessage } from './message-progress.ts'
import type { MessageSelection } from './message-selection.ts'
import { ReadState } from './read-state.ts'
import { type FoldedEntryFields, ThreadChanges } from './thread-changes.ts'

/** Most entries in memory: the rest of a thread is in the history on disk. */
const MAX_ENTRIES = 2_000
/** The same for a thread that is not open: there may be a thousand. */
const MAX_CLOSED_ENTRIES = 500
/** Share of the limit that is dropped together, so that a message does not cost a copy of all entries. */
const TRIM_SHARE = 0.25
/** Most entries of a thread that has no history on disk. */
const MAX_UNSTORED_ENTRIES = 20_000
/** Most delivery states remembered per thread. */
const MAX_PROGRESS_STATES = 2_000
const NO_OPERATORS: readonly string[] = []
/** Most names remembered that were warned about. */
const MAX_WARNED_NAMES = 1_000

/** A line of a thread: a message, or a note or warning from this program. `text` is sanitized for the terminal. */
export interface Entry extends FoldedEntryFields {
  kind: 'message' | 'note' | 'warning'
  at: number
  id: string
  from: string
  text: string
  /** Delivery state of a message of this user, as reported in this run or as the history has it. */
  progress?: Progress
  /** Delivery state of this user's last change of the message, until it is delivered. */
  changeProgress?: Progress
  /** Whether it is a message of a room that mentions this user. */
  mentionsUser?: true
  /** Whether it is an edit, deletion or reaction whose target is not loaded. */
  isChange?: true
  /** For the note about who joined and left a room: the changes, which later ones are added to. */
  changes?: MembershipChanges
}

/** A position in the rendered rows of a thread: an entry, and one of its rows. */
export interface Anchor {
  entry: Entry
  row: number
}

/** The conversation with one user or in one room: entries ordered by (`at`, `id`), the draft, and the scroll position. */
export class Thread {
  readonly name: string
  readonly isRoom: boolean
  readonly entries: Entry[] = []
  /** Holds the draft of this thread. */
  readonly editor = new Editor()
  /** What the user has read of it. */
  readonly reading: ReadState
  /** The names that were warned about, each with the name that it looks like. */
  readonly #warnedNames = new Map<string, string>()
  /** Hybrid time of the newest message from others. */
  lastReceivedAt = 0
  /** The first unread entry when the thread was opened; the "new" separator is drawn above it until the thread is left. */
  firstUnreadId: string | undefined
  /** The lowest visible row; undefined: the view follows the end of the thread. */
  anchor: Anchor | undefined
  /** Messages that arrived below the visible rows. */
  newBelow = 0
  /** Whether texts are shown as they were written, without formatting. */
  showsSource = false
  /** Whether `entries` includes the first and the last message; if not, the rest is in the history on disk. */
  hasStart = true
  hasEnd = true
  /** False until the newest page of the history has been read. */
  isLoaded = true
  /** The current match of the search; `text` is in its search form. */
  searchMatch: { id: string; text: string } | undefined
  /** The text of messages that were taken back, while it is the draft. */
  restoredText: string | undefined
  selection: MessageSelection | undefined
  /** The message that the draft replies to or edits. */
  draftTarget: DraftTarget | undefined
  /** Columns of the widest delivery mark. */
  markColumns = 2
  /** Columns of the widest name of a sender. */
  senderColumns = 0
  readonly #user: string
  readonly #highlights: () => readonly string[]
  #lastStoredAt = 0
  /** Delivery states that were reported in this run, by message id. */
  #progressById = new Map<string, Progress>()
  #byId = new Map<string, Entry>()
  #noteCount = 0
  readonly #changes = new ThreadChanges()

  /**
   * @param user this user, whose own messages in a room are never unread
   * @param highlights the words that count as mentions of this user
   */
  constructor(name: string, user = '', highlights: () => readonly string[] = () => []) {
    this.name = name
    this.isRoom = isRoom(name)
    this.#user = user
    this.#highlights = highlights
    this.reading = new ReadState(this)
  }

  get unreadCount(): number {
    return this.reading.unreadCount
  }

  /** Unread messages that mention this user; only in rooms. */
  get mentionCount(): number {
    return this.reading.mentionCount
  }

  /** Time of the newest message that is known to be on disk. */
  get lastStoredAt(): number {
    return this.#lastStoredAt
  }

  /** Time of the newest message, loaded or on disk; sorts the threads. */
  get lastAt(): number {
    // Joins and leaves are not activity.
    const last = this.entries.findLast(({ changes, isChange }) => changes === undefined && isChange === undefined)
    return Math.max(this.#lastStoredAt, last?.at ?? 0)
  }

  /** Whether it has messages, loaded or on disk. */
  get hasMessages(): boolean {
    return this.#lastStoredAt > 0 || this.entries.some(({ kind }) => kind === 'message')
  }

  /** The text of the input line, and what it is about; undefined: the line is empty. */
  get draft(): Draft | undefined {
    const { editor, draftTarget } = this
    if (editor.text === '') return undefined
    return draftTarget === undefined ? { text: editor.text } : { text: editor.text, target: draftTarget }
  }

  /** Whether a text was started and not sent. */
  get hasDraft(): boolean {
    return this.editor.text !== ''
  }

  set draft(draft: Draft | undefined) {
    this.editor.set(draft?.text ?? '')
    this.draftTarget = draft?.target
  }

  /** Marks that the history on disk has messages up to `lastAt`, which are loaded when the thread is opened. */
  markStored(lastAt: number): void {
    this.#lastStoredAt = lastAt
    this.hasStart = false
    this.isLoaded = false
  }

  /**
   * Adds a message, unless it belongs to a part of the history that is not loaded.
   * @param isLate whether it was held on its way or claims an earlier time; it is unread until the thread is seen
   * @param wall ms since 1970
   */
  addMessage(message: Message, isLate = false, wall = Number.POSITIVE_INFINITY): void {
    this.reading.noteArrival(this.lastAt === 0 ? wall : this.lastAt)
    const { at } = message
    if (this.isReceived(message)) this.lastReceivedAt = Math.max(this.lastReceivedAt, at)
    const change = toChange(message)
    if (change !== undefined && this.#applyChange(change)) return
    if (change === undefined) {
      if (isLate) this.reading.markLate(message)
      this.#lastStoredAt = Math.max(this.#lastStoredAt, at)
    }
    const [first] = this.entries
    const last = this.entries.at(-1)
    if (!this.hasEnd && last !== undefined && compareMessages(last, message) < 0) return
    if (!this.hasStart && first !== undefined && compareMessages(message, first) < 0) return
    this.#insert(this.#toEntry(message, wall))
  }

  /**
   * Records a change. Returns false if its target is not loaded, so that the change is shown by itself. A deletion is never:
   * there is nothing to see of it.
   */
  #applyChange(change: Change): boolean {
    this.#changes.add(change)
    return this.#refold(change.content.target) || change.content.kind === 'delete'
  }

  /** Shows a message as its changes make it. Returns false if it is not loaded. */
  #refold(target: MessageTarget): boolean {
    const entry = this.messageOf(target)
    if (entry === undefined) return false
    const next = this.#withChangeProgress(this.#changes.refold(entry))
    this.#byId.set(entry.id, next)
    // Two senders may use one time and id.
    let index = this.indexOf(entry)
    while (index < this.entries.length && this.entries[index] !== entry) index++
    if (index < this.entries.length) this.entries[index] = next
    for (const change of this.#changes.of(entry)) this.#removeChangeEntry(change)
    return true
  }

  /**
   * Adds the delivery state of this user's last change of a message that is not delivered. The deletion of an own message that
   * no other client has confirmed has none.
   */
  #withChangeProgress(entry: Entry): Entry {
    let last: Change | undefined
    const isConfirmed = entry.from !== this.#user || entry.progress?.state === 'delivered'
    for (const change of this.#changes.of(entry)) {
      if (change.content.kind === 'delete' && !isConfirmed) continue
      const { state } = (change.from === this.#user && this.#progressById.get(change.id)) || { state: 'delivered' }
      const isPending = state === 'waiting' || state === 'sent'
      if (isPending && (last === undefined || compareMessages(last, change) < 0)) last = change
    }
    const progress = last && this.#progressById.get(last.id)
    return progress === undefined ? entry : { ...entry, changeProgress: progress }
  }

  /** Removes the entry of a change that is not shown by itself any more. */
  #removeChangeEntry({ id, from }: Change): void {
    const entry = this.#byId.get(id)
    if (entry?.isChange !== true || entry.from !== from) return
    const index = this.entries.indexOf(entry)
    if (index >= 0) this.entries.splice(index, 1)
    this.#byId.delete(id)
  }

  /** The operators of the room have changed: they may delete messages. */
  setOperators(operators: readonly string[] = NO_OPERATORS): void {
    if (!this.#changes.setOperators(operators)) return
    for (const entry of [...this.entries]) if (this.#changes.of(entry).length > 0) this.#refold(entry)
  }

  /** The entry of a text, by sender and id; undefined: it is not loaded. */
  messageOf({ id, from }: MessageTarget): Entry | undefined {
    const entry = this.#byId.get(id)
    return entry?.kind === 'message' && entry.from === from && entry.isChange === undefined ? entry : undefined
  }

  /**
   * Drops entries that are far from the visible ones.
   * @param isStored whether they are in the history on disk, from which they are loaded again when they are needed
   * @param isOpen whether it is the open thread
   */
  trim(isStored: boolean, isOpen = true): void {
    // The place in a closed thread that is scrolled up stays.
    const limit = isOpen || this.anchor !== undefined ? MAX_ENTRIES : MAX_CLOSED_ENTRIES
    const most = isStored ? limit : MAX_UNSTORED_ENTRIES
    const excess = this.entries.length - most
    if (excess < most * TRIM_SHARE) return
    const isNearStart = this.anchor !== undefined && this.indexOf(this.anchor.entry) < this.entries.length / 2
    this.#drop(isNearStart && isStored ? 'after' : 'before', excess, isStored)
  }

  /** Drops entries at the start or the end. */
  #drop(side: 'before' | 'after', count: number, isStored: boolean): void {
    const dropped = side === 'before' ? this.entries.splice(0, count) : this.entries.splice(-count)
    for (const entry of dropped) {
      this.#byId.delete(entry.id)
      this.#changes.forget(entry)
    }
    if (!isStored) return
    if (side === 'before') this.hasStart = false
    else this.hasEnd = false
  }

  /** Moves a message to its new time. */
  moveMessage(message: Message): void {
    const { id, at } = message
    const change = toChange(message)
    if (change !== undefined && this.#applyChange(change)) return
    const entry = this.#byId.get(id)
    if (entry === undefined) return
    const index = this.entries.indexOf(entry)
    if (index >= 0) this.entries.splice(index, 1)
    entry.at = at
    this.#lastStoredAt = Math.min(this.#lastStoredAt, this.entries.at(-1)?.at ?? at)
    this.#insert(entry)
  }

  /** A message is not sent any more. */
  forgetProgress(id: string): void {
    this.#progressById.delete(id)
    const entry = this.#byId.get(id)
    if (entry === undefined) return
    delete entry.progress
    this.#refold(entry)
  }

  /** Removes a message that was taken back. */
  removeMessage(id: string): void {
    const entry = this.#byId.get(id)
    this.#progressById.delete(id)
    if (entry === undefined) return
    this.#byId.delete(id)
    if (this.anchor?.entry === entry) this.anchor = undefined
    const index = this.entries.indexOf(entry)
    if (index >= 0) this.entries.splice(index, 1)
    if (this.hasStart && this.hasEnd)
      this.#lastStoredAt = this.entries.findLast(({ kind }) => kind === 'message')?.at ?? 0
  }

  /**
   * Replaces all entries with a page of the history.
   * @param changes the changes of its messages
   */
  replaceEntries(
    messages: readonly ThreadMessage[],
    hasStart: boolean,
    hasEnd: boolean,
    changes: readonly Change[] = [],
  ): void {
    this.entries.length = 0
    this.#byId.clear()
    this.#addLoaded(messages, changes)
    this.hasStart = hasStart
    this.hasEnd = hasEnd
    this.isLoaded = true
    if (hasEnd) this.newBelow = 0
    this.#showLeftUnread()
  }

  /** The messages that an earlier run has left unread are loaded: the separator is above the first one. */
  #showLeftUnread(): void {
    const after = this.reading.takeLeftUnread()
    if (after === undefined) return
    this.firstUnreadId = this.entries.find(entry => this.reading.countsAsUnread(entry) && entry.at > after)?.id
  }

  /**
   * Adds a page of the history before or after the entries, and drops entries at the other end beyond `MAX_ENTRIES`.
   * @param reachesEdge whether the history has nothing further on that side
   * @param changes the changes of its messages
   */
  addPage(
    messages: readonly ThreadMessage[],
    side: 'before' | 'after',
    reachesEdge: boolean,
    changes: readonly Change[] = [],
  ): void {
    this.#addLoaded(messages, changes)
    if (side === 'before') this.hasStart = reachesEdge
    else this.hasEnd = reachesEdge
    const excess = this.entries.length - MAX_ENTRIES
    if (excess <= 0) return
    this.#drop(side === 'before' ? 'after' : 'before', excess, true)
  }

  #addLoaded(messages: readonly ThreadMessage[], changes: readonly Change[]): void {
    for (const change of changes) this.#applyChange(change)
    for (const message of messages) {
      // A change that was rejected changes nothing.
      const change = message.rejection === undefined ? toChange(message) : undefined
      if (change !== undefined && this.#applyChange(change)) continue
      if (!this.#byId.has(message.id)) this.#insert(this.#toEntry(message))
    }
  }

  /** Adds a note after the last entry, even if that entry's time is ahead of `wall` (ms since 1970). */
  addNote(text: string, wall: number): void {
    this.#appendNote('note', text, wall)
  }

  /** Like {@link addNote}, but highlighted. */
  addWarning(text: string, wall: number): void {
    this.#appendNote('warning', text, wall)
  }

  /** Adds who joined and left a room to the line at the end of the thread, or as a new line. */
  addMembershipChanges(changes: MembershipChanges, wall: number, shown: (name: string) => string): void {
    if (!this.hasEnd) return
    const last = this.entries.at(-1)
    const folded = foldChanges(last?.changes, changes)
    if (last?.changes !== undefined) {
      this.entries.pop()
      this.#byId.delete(last.id)
    }
    const text = changesText(folded, shown)
    if (text !== '') this.#appendNote('note', text, wall, folded)
  }

  #appendNote(kind: 'note' | 'warning', text: string, wall: number, changes?: MembershipChanges): void {
    const at = Math.max(wall, this.lastAt, this.entries.at(-1)?.at ?? 0)
    const entry: Entry = { kind, id: `note ${++this.#noteCount}`, at, from: '', text }
    this.#insert(changes === undefined ? entry : { ...entry, changes })
  }

  /** Adds a warning that a name looks like another one; once for each such pair. */
  warnOfName(name: string, similarName: string): void {
    if (this.#warnedNames.get(name) === similarName) return
    if (this.#warnedNames.size >= MAX_WARNED_NAMES) this.#warnedNames.clear()
    this.#warnedNames.set(name, similarName)
    this.addWarning(`${name} looks like ${similarName}, another ${isRoom(name) ? 'room' : 'user'}.`, 0)
  }

  /** Whether a message is from someone else. */
  isReceived({ from }: Pick<Message, 'from'>): boolean {
    return this.isRoom ? from !== this.#user : from === this.name
  }

  /** Whether a message mentions this user, has a word of the highlights, or replies to this user: in a room, and by someone else. */
  mentionsUser({ from, text }: Pick<Message, 'from' | 'text'>): boolean {
    return mentionsUser({ from, to: this.name, text }, this.#user, this.#highlights())
  }

  /** The name of this user, and the words of the highlights. */
  get mentionWords(): readonly string[] {
    return [this.#user, ...this.#highlights()]
  }

  setProgress(id: string, progress: Progress): void {
    const entry = this.#byId.get(id)
    const next = nextProgress(entry?.progress ?? this.#progressById.get(id), progress)
    this.#progressById.delete(id)
    this.#progressById.set(id, next)
    if (this.#progressById.size > MAX_PROGRESS_STATES) {
      const [oldest] = this.#progressById.keys()
      if (oldest !== undefined) this.#progressById.delete(oldest)
    }
    if (entry !== undefined) this.#showProgress(entry, next)
    if (progress.state === 'refused') this.takeBackChange(id)
    else if (entry === undefined || entry.isChange) this.#showChangeProgress(id)
  }

  #showChangeProgress(id: string): void {
    const change = this.#changes.find({ id, from: this.#user })
    if (change !== undefined) this.#refold(change.content.target)
  }

  /** An edit, deletion or reaction of this user was rejected or taken back: it changes nothing. */
  takeBackChange(id: string): void {
    const change = this.#changes.remove({ id, from: this.#user })
    if (change !== undefined) this.#refold(change.content.target)
  }

  #showProgress(entry: Entry, progress: Progress): void {
    entry.progress = progress
    this.markColumns = Math.max(this.markColumns, progressMark(progress).length)
  }

  /** The start of the current text of a message; undefined if it is deleted. */
  currentQuote(target: QuotedTarget): string | undefined {
    const { isDeleted, currentText } = this.messageOf(target) ?? this.#changes.fieldsOf(target, undefined)
    if (isDeleted) return undefined
    // The quote is all that is known of a message that is neither loaded nor edited.
    return currentText === undefined || currentText === '' ? target.quote : quoteOf(currentText)
  }

  entryById(id: string): Entry | undefined {
    return this.#byId.get(id)
  }

  /** The index of an entry, or the index at which it would be inserted. */
  indexOf(entry: Readonly<Entry>): number {
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
    this.#changes.clear()
    this.anchor = undefined
    this.firstUnreadId = undefined
    this.newBelow = 0
    this.hasStart = true
    this.hasEnd = true
  }

  /** @param wall ms since 1970, of a message that comes now; a page of the history has its days above its messages */
  #toEntry(message: ThreadMessage, wall = message.at): Entry {
    const { id, at, from, text, late } = message
    if (this.isReceived(message)) this.lastReceivedAt = Math.max(this.lastReceivedAt, at)
    this.senderColumns = Math.max(this.senderColumns, width(from))
    const prefix = late === true || this.reading.isLate(id) ? lateMark(at, wall) : ''
    const content = parseContent(text, from)
    const entry: Entry = { kind: 'message', id, at, from, text: '' }
    if (content.kind === 'text') {
      Object.assign(entry, this.#changes.fieldsOf(message, { prefix, text: content.text }))
      if (content.reply !== undefined) entry.reply = content.reply
      for (const change of this.#changes.of(message)) this.#removeChangeEntry(change)
    } else {
      entry.isChange = true
      entry.text = `${prefix}${sanitizeText(readableText(text))}`
    }
    if (this.mentionsUser(message)) entry.mentionsUser = true
    const [stored, reported] = [storedProgress(message), this.#progressById.get(id)]
    const progress = reported === undefined ? stored : nextProgress(stored, reported)
    if (progress !== undefined) this.#showProgress(entry, progress)
    return content.kind === 'text' ? this.#withChangeProgress(entry) : entry
  }

  #insert(entry: Entry): void {
    this.#byId.set(entry.id, entry)
    const last = this.entries.at(-1)
    if (last === undefined || compareMessages(last, entry) < 0) this.entries.push(entry)
    else this.entries.splice(this.indexOf(entry), 0, entry)
  }
}

/** The mark of a late message, with its date unless that is today: its row has the time. */
function lateMark(at: number, wall: number): string {
  return localDay(at) === localDay(wall) ? '(late) ' : `(late, dated ${localDateTime(at)}) `
}
