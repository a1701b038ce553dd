import type { ConnectionState } from '../../../src/client/events.ts'
import { ConfusableNames } from '../../../src/common/confusables.ts'
import { type NameList, SortedNames } from '../../../src/common/sorted-names.ts'
import { Editor } from './editor.ts'
import type { Finder } from './finder.ts'
import { type Action, resolveBindings } from './keymap.ts'
import { DEFAULT_PREFERENCES, type Preferences } from './preferences.ts'
import { Thread } from './thread.ts'

/** What the screen asks of the world. */
export type ScreenRequest =
  | { type: 'send'; to: string; text: string }
  | { type: 'quit' | 'suspend' | 'redraw' }
  /** Ring, unless the thread was read elsewhere within a moment. */
  | { type: 'bell'; thread: string }
  /** The thread was read up to a hybrid time. */
  | { type: 'read'; thread: string; at: number }
  /** Read a part of the open thread's history: the last, the one before or behind what is there, the first. */
  | { type: 'page'; part: 'latest' | 'before' | 'behind' | 'first' }
  /** Look for a text in the open thread, from its end or from what was found last. */
  | { type: 'search'; text: string; older: boolean }
  /** The person says that a user's new key is theirs. */
  | { type: 'trust'; user: string }
  /** A preference changed and is to be kept. */
  | { type: 'save' }

/** A line for the person, until the next key. */
export interface Notice {
  text: string
  tone: 'info' | 'error'
}

/** A search through the open thread: what is typed, and how it stands. */
export interface Search {
  editor: Editor
  state: 'idle' | 'looking' | 'found' | 'nothing'
}

/** Names completed by Tab: where the word began, what it may become, which of these stands there now. */
export interface Completion {
  start: number
  candidates: readonly string[]
  index: number
}

/** All that the screen shows. Changed by `update.ts` (what the session tells) and `actions.ts` (what hands do) only. */
export class Model {
  readonly user: string
  connection: ConnectionState = { phase: 'connecting', server: '', attempt: 1 }
  /** The sorted names online in the whole mesh. */
  online: NameList = new SortedNames()
  /** Who has more than one connection. */
  connectionCounts: ReadonlyMap<string, number> = new Map()
  /** Who of those looks like somebody else. */
  readonly confusables = new ConfusableNames()
  /** Whether the roster was told since the connection stands: its first telling is no coming of anybody. */
  hasRoster = false
  /** Whether there may be more of a thread on disk. */
  hasHistory = false
  /** Whose key is whose, where the mesh knows its users by keys; who has another now, which nobody has trusted yet. */
  userKeys: ReadonlyMap<string, string> = new Map()
  readonly changedKeys = new Map<string, string>()
  ownKey: string | undefined
  readonly threads = new Map<string, Thread>()
  current: Thread | undefined
  /** The composer where no thread is open. */
  readonly commandEditor = new Editor()
  notice: Notice | undefined
  overlay: 'help' | undefined
  /** Rows by which the overlay is scrolled. */
  overlayTop = 0
  preferences: Preferences
  /** What keys do: the table's bindings, and over them the person's own. */
  bindings: ReadonlyMap<string, Action>
  finder: Finder | undefined
  search: Search | undefined
  /** A paste that waits for a yes. */
  pendingPaste: string | undefined
  /** Who wrote last. */
  lastSender: string | undefined
  columns = 80
  rows = 24
  /** What was entered, oldest first, and which of it stands in the composer. */
  inputHistory: string[] = []
  inputHistoryIndex: number | undefined
  completion: Completion | undefined
  /** ^C was pressed on an empty line: the next one leaves. */
  quitArmed = false

  constructor(user: string, preferences: Preferences = DEFAULT_PREFERENCES) {
    this.user = user
    this.preferences = preferences
    const { bindings, unknown } = resolveBindings(preferences.keys)
    this.bindings = bindings
    if (unknown.length > 0) this.notice = { text: `no such action: ${unknown.join(', ')}`, tone: 'error' }
  }

  isOnline(name: string): boolean {
    return this.online.has(name)
  }

  /** The thread with a user, made when there is none. */
  ensureThread(name: string): Thread {
    let thread = this.threads.get(name)
    if (thread === undefined) {
      thread = new Thread(name)
      if (this.hasHistory) thread.markStored(0)
      this.threads.set(name, thread)
    }
    return thread
  }

  /** Threads in the order of last activity, those without a message last. */
  threadsByActivity(): Thread[] {
    return [...this.threads.values()].sort((a, b) => b.lastAt - a.lastAt || (a.name < b.name ? -1 : 1))
  }

  /** Opens a thread; one that was left without a word is forgotten. */
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
    if (thread.unreadCount > 0) {
      const messages = thread.entries.filter(entry => entry.kind === 'message' && entry.from !== this.user)
      thread.firstUnreadId = messages.at(-thread.unreadCount)?.id
    }
    this.inputHistoryIndex = undefined
    this.completion = undefined
  }

  /** Says in a thread, once for each, that its name is easily taken for that of somebody else who is online. */
  warnIfConfusable(thread: Thread): void {
    const alike = this.confusables.find(thread.name)
    if (alike === undefined || alike === thread.confusableWith) return
    thread.confusableWith = alike
    thread.addWarning(`${thread.name} looks like ${alike}, who is online, and is somebody else.`, 0)
  }

  get unreadCount(): number {
    let unread = 0
    for (const thread of this.threads.values()) unread += thread.unreadCount
    return unread
  }
}
