import type { Message } from '../../../../src/protocol/messages.ts'
import type { LateMark } from '../../../common/read-marks.ts'
import type { Entry, Thread } from './thread.ts'

/** Most late messages remembered per thread. */
const MAX_LATE_MESSAGES = 2_000

/** Messages of an earlier run that the user has not read: those after the read mark. */
interface LeftUnread {
  readonly unreadCount: number
  readonly mentionCount: number
  /** Hybrid times of the read mark, and of the last message. */
  readonly after: number
  readonly until: number
}

/** What the read state knows of its thread. */
type ReadThread = Pick<
  Thread,
  'name' | 'isLoaded' | 'lastStoredAt' | 'lastReceivedAt' | 'isReceived' | 'mentionsUser'
> & {
  readonly entries: readonly Entry[]
}

/** What the user has read of a thread, on this or on another client, and what is unread. */
export class ReadState {
  unreadCount = 0
  /** Unread messages that mention this user; only in rooms. */
  mentionCount = 0
  /** Read mark: hybrid time up to which the thread was read. */
  readAt = 0
  readonly #thread: ReadThread
  /** What an earlier run has left unread, until the messages are loaded. */
  #leftUnread: LeftUnread | undefined
  #hasRestored = false
  /** Time of the newest message that was known before the first one of this run came; undefined: none has come. */
  #knownUntil: number | undefined
  /** Messages that arrived late in this run, and those of them that the user has not seen. */
  readonly #lateIds = new Set<string>()
  readonly #unseenLate = new Map<string, LateMark & { mentionsUser: boolean }>()

  constructor(thread: ReadThread) {
    this.#thread = thread
  }

  /** A message of this run comes. @param knownUntil time of the newest one that is known before it */
  noteArrival(knownUntil: number): void {
    this.#knownUntil ??= knownUntil
  }

  /** Counts a message as unread, unless this or another client of the user has read the thread up to it. */
  countUnread(message: Message, isLate: boolean): void {
    if (!isLate && message.at <= this.readAt) return
    this.unreadCount++
    if (this.#thread.mentionsUser(message)) this.mentionCount++
  }

  /**
   * Counts a message of a room that came from the history of another client: unread if it was sent after those that were
   * known before. The older ones of a room that the user has just joined are not unread.
   */
  countCaughtUp(message: Message): void {
    if (message.at > (this.#knownUntil ?? 0)) this.countUnread(message, false)
    else this.readAt = Math.max(this.readAt, message.at)
  }

  /**
   * The user has read the thread up to `after` in earlier runs, and left the unread messages, and the late ones, which are not among
   * them; the first call counts.
   */
  restore(after: number, left: Pick<LeftUnread, 'unreadCount' | 'mentionCount'>, late: readonly Message[] = []): void {
    if (this.#hasRestored) return
    this.#hasRestored = true
    this.readAt = Math.max(this.readAt, after)
    for (const message of late) {
      if (this.#unseenLate.has(message.id)) continue
      this.markLate(message)
      this.countUnread(message, true)
    }
    if (left.unreadCount === 0) return
    this.#leftUnread = { ...left, after, until: this.#thread.lastStoredAt }
    this.unreadCount += left.unreadCount
    this.mentionCount += left.mentionCount
  }

  /**
   * The messages that an earlier run has left unread are loaded. Returns the time after which they are; undefined: none were
   * left.
   */
  takeLeftUnread(): number | undefined {
    const after = this.#leftUnread?.after
    this.#leftUnread = undefined
    return after
  }

  /** The time up to which the user has read the thread, for the next run. */
  get readMark(): number {
    return this.unreadCount === 0 ? Math.max(this.readAt, this.#thread.lastStoredAt) : this.readAt
  }

  /** The late messages that the user has not seen, for the next run. */
  get unseenLate(): LateMark[] {
    return [...this.#unseenLate.values()].map(({ thread, from, id, at }) => ({ thread, from, id, at }))
  }

  /** Whether a message arrived late in this run. */
  isLate(id: string): boolean {
    return this.#lateIds.has(id)
  }

  /** A message has arrived late: it is unread until the thread is seen. */
  markLate(message: Message): void {
    const { from, id, at } = message
    const { name } = this.#thread
    this.#lateIds.add(id)
    this.#unseenLate.set(id, { thread: name, from, id, at, mentionsUser: this.#thread.mentionsUser(message) })
    for (const ids of [this.#lateIds, this.#unseenLate]) {
      const [oldest] = ids.keys()
      if (ids.size > MAX_LATE_MESSAGES && oldest !== undefined) ids.delete(oldest)
    }
  }

  /** Whether neither this nor another client of the user has read a message. */
  isUnread({ id, at }: Pick<Message, 'id' | 'at'>): boolean {
    return at > this.readAt || this.#unseenLate.has(id)
  }

  /** Moves the read mark forward to the hybrid time `at`, and recounts the unread messages. */
  markRead(at: number): void {
    const { entries } = this.#thread
    this.readAt = Math.max(this.readAt, at)
    const left = this.#leftUnread !== undefined && this.readAt < this.#leftUnread.until ? this.#leftUnread : undefined
    this.unreadCount = this.#unseenLate.size + (left?.unreadCount ?? 0)
    this.mentionCount = left?.mentionCount ?? 0
    for (const { mentionsUser } of this.#unseenLate.values()) if (mentionsUser) this.mentionCount++
    for (let index = entries.length - 1; index >= 0; index--) {
      const entry = entries[index]
      if (entry === undefined || entry.at <= this.readAt) break
      if (!this.countsAsUnread(entry) || this.#unseenLate.has(entry.id)) continue
      this.unreadCount++
      if (entry.mentionsUser) this.mentionCount++
    }
  }

  /** The user sees the end of the thread: everything is read, late messages included. */
  markSeen(): void {
    const { isLoaded, lastReceivedAt } = this.#thread
    this.#unseenLate.clear()
    this.markRead(Math.max(lastReceivedAt, isLoaded ? 0 : (this.#leftUnread?.until ?? 0)))
  }

  /** The first unread message. Late ones, which may be far up, count only when all unread messages are late. */
  get firstUnread(): Entry | undefined {
    const { entries } = this.#thread
    return (
      entries.find(entry => this.countsAsUnread(entry) && entry.at > this.readAt && !this.#unseenLate.has(entry.id)) ??
      entries.find(entry => this.#unseenLate.has(entry.id))
    )
  }

  /** Whether an entry counts as unread when it is new: edits, deletions and reactions do not. */
  countsAsUnread(entry: Entry): boolean {
    return entry.kind === 'message' && entry.isChange === undefined && this.#thread.isReceived(entry)
  }
}
