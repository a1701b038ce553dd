import type { ConnectionState } from '../../../src/client/events.ts'
import { ConfusableNames } from '../../../src/common/confusables.ts'
import { type NameList, SortedNames } from '../../../src/common/sorted-names.ts'
import type { Completion } from './editing/completion.ts'
import { Editor } from './editing/editor.ts'
import type { Finder } from './finder.ts'
import { type Action, resolveBindings } from './keymap.ts'
import { DEFAULT_PREFERENCES, type Preferences } from './preferences.ts'
import type { ReadonlyModel } from './readonly-model.ts'
import type { Search } from './search.ts'
import { Thread } from './thread.ts'

/** A side effect that the screen asks for; cli/modes/full-screen.tsx carries it out. */
export type ScreenRequest =
  | { type: 'send'; to: string; text: string }
  | { type: 'quit' | 'suspend' | 'redraw' }
  /** Ring the bell after a short delay, unless another client of the user reads the thread in that time. */
  | { type: 'bell'; thread: string }
  /** The thread was read up to the hybrid time `at`. */
  | { type: 'read'; thread: string; at: number }
  /** Load a page of the open thread's history: the newest, the one before or after the loaded entries, or the oldest. */
  | { type: 'page'; part: 'latest' | 'before' | 'after' | 'first' }
  /** Search the open thread backwards, from its end or (`older`) from the current match. */
  | { type: 'search'; text: string; older: boolean }
  /** Accept the changed key of a user. */
  | { type: 'trust'; user: string; key: string }
  /** Save the preferences and the name of the open thread. */
  | { type: 'save' }

/** A line in the status row, shown until the next key. */
export interface Notice {
  text: string
  tone: 'info' | 'error'
}

const MAX_START_NOTICES = 5

/**
 * The state of the screen. Only the modules of cli/chat/model and cli/chat/history-pages.ts change it: update.ts for
 * events of the session, handle-key.ts and what it calls for keys. Views get it as {@link ReadonlyModel}.
 */
export class Model implements ReadonlyModel {
  readonly user: string
  connection: ConnectionState = { phase: 'connecting', server: '', attempt: 1 }
  /** All users online in the mesh, sorted. */
  online: NameList = new SortedNames()
  /** The number of connections of each user that has more than one. */
  connectionCounts: ReadonlyMap<string, number> = new Map()
  /** Names that look alike, among the users online, those with a thread, and this user. */
  readonly confusables = new ConfusableNames()
  /** False until the first roster of a connection: the users in it were online before and are not announced. */
  hasRoster = false
  /** Whether threads may have older messages on disk. */
  hasHistory = false
  /** The trusted key of each user, in a mesh that uses keys. */
  userKeys: ReadonlyMap<string, string> = new Map()
  /** The new key of each user whose key has changed and is not trusted yet. */
  readonly changedKeys = new Map<string, string>()
  ownKey: string | undefined
  readonly threads = new Map<string, Thread>()
  current: Thread | undefined
  /** The input line while no thread is open. */
  readonly commandEditor = new Editor()
  notice: Notice | undefined
  /** The last notices of the client that came while no thread was open, oldest first. */
  readonly startNotices: Notice[] = []
  overlay: 'help' | undefined
  /** The first visible line of the overlay. */
  overlayTop = 0
  preferences: Preferences
  /** Key → action: the defaults, overridden by the user's own bindings. */
  bindings: ReadonlyMap<string, Action>
  finder: Finder | undefined
  search: Search | undefined
  /** A long paste that waits for confirmation. */
  pendingPaste: string | undefined
  /** The user who sent the last live message. */
  lastSender: string | undefined
  columns = 80
  rows = 24
  /** Whether the program draws below the terminal's scrollback instead of on the whole screen. */
  isInline: boolean
  /** Lines entered before, oldest first. */
  inputHistory: string[] = []
  /** Which of them the input line shows; undefined: none. */
  inputHistoryIndex: number | undefined
  completion: Completion | undefined
  /** Set by Ctrl+C on an empty line: the next Ctrl+C quits. */
  quitArmed = false

  constructor(user: string, preferences: Preferences = DEFAULT_PREFERENCES, isInline = false) {
    this.user = user
    this.confusables.keep([user])
    this.isInline = isInline
    this.preferences = preferences
    const { bindings, unknown } = resolveBindings(preferences.keys)
    this.bindings = bindings
    if (unknown.length > 0) {
      this.notice = { text: `unknown key action in the settings file: ${unknown.join(', ')}`, tone: 'error' }
    }
  }

  /** The editor that has the keyboard focus: of the search, the finder, the open thread, or the command line. */
  get focusedEditor(): Editor {
    return this.search?.editor ?? this.finder?.editor ?? this.current?.editor ?? this.commandEditor
  }

  /** The terminal has another size; at least one column and one row. */
  resize(columns: number, rows: number): void {
    this.columns = Math.max(1, columns)
    this.rows = Math.max(1, rows)
  }

  isOnline(name: string): boolean {
    return this.online.has(name)
  }

  /** The thread with a user; creates it if there is none. */
  ensureThread(name: string): Thread {
    let thread = this.threads.get(name)
    if (thread === undefined) {
      thread = new Thread(name)
      if (this.hasHistory) thread.markStored(0)
      this.threads.set(name, thread)
      this.confusables.keep([name])
    }
    return thread
  }

  /** The threads, most recent activity first, threads without messages last. */
  threadsByActivity(): Thread[] {
    return [...this.threads.values()].sort((a, b) => b.lastAt - a.lastAt || (a.name < b.name ? -1 : 1))
  }

  /** Opens a thread. Removes the thread that was open before if it has neither entries nor a draft. */
  openThread(name: string): void {
    const last = this.current
    if (last?.name === name) return
    if (last !== undefined) {
      last.firstUnreadId = undefined
      last.searchMatch = undefined
      if (last.entries.length === 0 && last.editor.text === '') this.threads.delete(last.name)
    }
    const thread = this.ensureThread(name)
    this.current = thread
    this.warnIfConfusable(thread)
    if (thread.unreadCount > 0) thread.firstUnreadId = thread.firstUnread?.id
    this.inputHistoryIndex = undefined
    this.completion = undefined
  }

  /** Adds a warning if the thread's name looks like another name; once for each such name. */
  warnIfConfusable(thread: Thread): void {
    const similarName = this.confusables.find(thread.name)
    if (similarName === undefined || similarName === thread.confusableWith) return
    thread.confusableWith = similarName
    thread.addWarning(`${thread.name} looks like ${similarName}, another user.`, 0)
  }

  get unreadCount(): number {
    let unread = 0
    for (const thread of this.threads.values()) unread += thread.unreadCount
    return unread
  }

  /** Keeps a notice for the screen without a thread, where it is not cut. */
  keepStartNotice(notice: Notice): void {
    this.startNotices.push(notice)
    if (this.startNotices.length > MAX_START_NOTICES) this.startNotices.shift()
  }

  showNotice(text: string, tone: Notice['tone'] = 'info'): void {
    this.notice = { text, tone }
  }
}
