import type { ConnectionState } from '../../../src/client/events.ts'
import { ConfusableNames } from '../../../src/common/confusables.ts'
import { type NameList, SortedNames } from '../../../src/common/sorted-names.ts'
import type { ChangeContent, QuotedTarget } from '../../../src/protocol/message-kinds.ts'
import type { Message } from '../../../src/protocol/messages.ts'
import { isRoom } from '../../../src/protocol/rooms.ts'
import type { Draft } from '../../common/draft.ts'
import { WaitingMessages } from '../../common/waiting-messages.ts'
import type { Key } from '../../terminal/key-decoder.ts'
import type { Completion } from './editing/completion.ts'
import { Editor } from './editing/editor.ts'
import { leaveInputHistory } from './editing/input-history.ts'
import type { Finder } from './finding/finder.ts'
import type { Search } from './finding/search.ts'
import type { SearchAll } from './finding/search-all.ts'
import { type Action, resolveBindings } from './keymap.ts'
import { RosterView } from './names/roster-view.ts'
import type { Suggestion } from './names/unseen-recipient.ts'
import { DEFAULT_PREFERENCES, type Preferences } from './preferences.ts'
import type { ReadonlyModel } from './readonly-model.ts'
import type { Room, RoomList } from './rooms/room.ts'
import type { ReactionPrompt } from './threads/message-selection.ts'
import { Thread } from './threads/thread.ts'
import { ThreadNumbers } from './threads/thread-numbers.ts'
import { TypingUsers } from './threads/typing.ts'

/** A side effect that the screen asks for; cli/modes/screen/full-screen.tsx carries it out. */
export type ScreenRequest =
  | { type: 'send'; to: string; text: string; reply?: QuotedTarget }
  /** The user is writing a message. */
  | { type: 'typing'; to: string }
  /** Edit, delete or react to a message. */
  | { type: 'change'; to: string; change: ChangeContent }
  | { type: 'quit' | 'suspend' | 'redraw' }
  /** Take a waiting message back. */
  | { type: 'cancel'; id: string }
  /** Load the short names of emoji, then react with a short name, or complete. */
  | { type: 'load-emoji'; reaction?: { to: string; target: QuotedTarget; typed: string } }
  /** Ring the bell after a short delay, unless another client of the user reads the thread in that time. */
  | { type: 'bell'; thread: string }
  /** Announce a message on the desktop, after the same delay and unless it is read in that time. */
  | { type: 'notify'; thread: string; message: Message }
  /** The thread was read up to the hybrid time `at`. */
  | { type: 'read'; thread: string; at: number }
  /** Load a page of the open thread's history: the newest, the one before or after the loaded entries, or the oldest. */
  | { type: 'page'; part: 'latest' | 'before' | 'after' | 'first' }
  /** Search the open thread backwards, from its end or (`older`) from the current match. */
  | { type: 'search'; text: string; older: boolean }
  /** Go back to the match of the search that was shown before. */
  | { type: 'newer-match' }
  /** Search all threads for the text of `searchAll`. An empty text ends the search. */
  | { type: 'search-all'; text: string }
  /** Open a thread at a message, where the search text is highlighted. */
  | { type: 'go-to-message'; thread: string; message: { id: string; at: number }; text: string }
  | { type: 'join' | 'part'; room: string }
  /** Ask for the rooms of the mesh: the event `room-list`. */
  | { type: 'list-rooms' }
  /** See `SessionRequest`. */
  | { type: 'watch'; users: readonly string[] }
  | { type: 'show-names'; after: string; count: number }
  | { type: 'find-names'; text: string; count: number }
  /** Accept the changed key of a user. */
  | { type: 'trust'; user: string; key: string }
  /** Edit the draft with the user's editor. */
  | { type: 'edit-draft' }
  /** Open a link with the user's program. */
  | { type: 'open-link'; url: string }
  /** Save the preferences and the name of the open thread. */
  | { type: 'save' }

/** A line in the status row, shown until the next key, and not longer than it takes to read. */
export interface Notice {
  text: string
  tone: 'info' | 'error'
  /** Whether it stays until the next key: it asks something, or warns of an attack. */
  stays?: true
  /** Whether it is shown elsewhere, too, where it stays and is not cut. */
  isKept?: boolean
}

const MAX_START_NOTICES = 5
/** Most names of which it is remembered whether another one looks like them; some screens full. */
const MAX_SIMILAR_NAMES = 2_000

/**
 * The state of the screen. Only the modules of cli/chat/model and cli/chat/history-pages.ts change it: update.ts for
 * events of the session, handle-key.ts and what it calls for keys. Views get it as {@link ReadonlyModel}.
 */
export class Model implements ReadonlyModel {
  readonly user: string
  connection: ConnectionState = { phase: 'connecting', server: '', attempt: 1 }
  /** The users online in the mesh, sorted; those that the client knows of, if `rosterView` is partial. */
  #online: NameList = new SortedNames()
  #rosterRevision = 0
  /** The last result of `onlineThreadCount`, and what it was computed from. */
  #onlineThreads: { from: string; count: number } | undefined
  readonly rosterView = new RosterView()
  /** The number of connections of each user that has more than one. */
  connectionCounts: ReadonlyMap<string, number> = new Map()
  /** Names that look alike, among the users online, those with a thread, and this user. */
  readonly confusables = new ConfusableNames()
  /** Names of rooms that look alike, among those with a thread. */
  readonly #confusableRooms = new ConfusableNames()
  /** What `similarName` has returned in a revision: the screen asks for the same names in each frame. */
  readonly #similarNames = new Map<string, string | undefined>()
  #similarNamesOf = 0
  readonly #numbers = new ThreadNumbers()
  /** The rooms that the user is in, by name. */
  readonly rooms = new Map<string, Room>()
  /** False until the first roster of a connection: the users in it were online before and are not announced. */
  hasRoster = false
  /** Whether threads may have older messages on disk. */
  hasHistory = false
  /** The trusted key of each user, in a mesh that uses keys. */
  userKeys: ReadonlyMap<string, string> = new Map()
  /** The new key of each user whose key has changed and is not trusted yet. */
  readonly changedKeys = new Map<string, string>()
  ownKey: string | undefined
  readonly typing = new TypingUsers()
  /** The rooms of the mesh, as last asked for. */
  roomList: RoomList | undefined
  /** The longest text that the server accepts, in bytes of UTF-8; undefined: not known. */
  maxTextBytes: number | undefined
  /** The user's messages that are not confirmed yet. */
  readonly waiting = new WaitingMessages()
  /** How many of them the user was told of when quitting. */
  warnedWaitingCount = 0
  /** Messages that waited until the user deleted them: their texts do not return to the input line. */
  readonly discarded = new Set<string>()
  readonly threads = new Map<string, Thread>()
  current: Thread | undefined
  /** The input line while no thread is open. */
  readonly commandEditor = new Editor()
  notice: Notice | undefined
  /** The last notices of the client that came while no thread was open, oldest first. */
  readonly startNotices: Notice[] = []
  overlay: 'help' | 'details' | 'settings' | undefined
  /** What the help is about; '': everything. */
  helpTopic = ''
  /** The message of the open thread that the details are about. */
  detailsId: string | undefined
  /** The first visible line of the overlay. */
  overlayTop = 0
  preferences: Preferences
  /** Key → action: the defaults, overridden by the user's own bindings. */
  bindings: ReadonlyMap<string, Action>
  finder: Finder | undefined
  search: Search | undefined
  /** The search in all threads. */
  searchAll: SearchAll | undefined
  /** The keys of a sequence that is not complete yet, such as `C-x`. */
  keyPrefix: string | undefined
  reactionPrompt: ReactionPrompt | undefined
  /** A long paste that waits for confirmation. */
  pendingPaste: string | undefined
  /** The recipient that Tab takes instead of one who was never seen. */
  suggestion: Suggestion | undefined
  /** The names that the user was asked about because they were never seen. */
  readonly askedNames = new Set<string>()
  /** Recipients who are checked when it is known who is online. */
  readonly uncheckedNames = new Set<string>()
  /** The user who sent the last live message to this user alone. */
  lastSender: string | undefined
  /** Whether the user looks at the terminal: false after the terminal reports that it has lost the focus. */
  hasFocus = true
  columns = 80
  rows = 24
  /** Whether the program draws below the terminal's scrollback instead of on the whole screen. */
  isInline: boolean
  /** Lines entered before, oldest first. */
  inputHistory: string[] = []
  /** Which of them the input line shows; undefined: none. */
  inputHistoryIndex: number | undefined
  /** The draft, and changed lines, while the input history is shown: index of the line → text. */
  readonly inputEdits = new Map<number, string>()
  /** Drafts of closed threads. */
  readonly closedDrafts = new Map<string, Draft>()
  completion: Completion | undefined
  /** The emoji of each short name; undefined: not loaded yet. */
  emojiNames: ReadonlyMap<string, string> | undefined
  /** The input line for which Tab requested the short names of emoji, and the keys since then, which wait for them. */
  emojiAsked: { text: string; cursor: number; keys: Key[] } | undefined
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
      this.notice = {
        text: `unknown key action in the settings file: ${unknown.join(', ')}`,
        tone: 'error',
        stays: true,
      }
    }
  }

  /**
   * The editor that has the keyboard focus: of a search, the finder, a reaction, the open thread, or the command line.
   */
  get focusedEditor(): Editor {
    const { search, searchAll, finder, reactionPrompt } = this
    const overThread = search?.editor ?? searchAll?.editor ?? finder?.editor ?? reactionPrompt?.editor
    return overThread ?? this.current?.editor ?? this.commandEditor
  }

  /** The terminal has another size; at least one column and one row. */
  resize(columns: number, rows: number): void {
    this.columns = Math.max(1, columns)
    this.rows = Math.max(1, rows)
  }

  get online(): NameList {
    return this.#online
  }

  /** The names may be the same list as before, with other content. */
  set online(names: NameList) {
    this.#online = names
    this.#rosterRevision++
  }

  /** Number of users online who have a thread. */
  get onlineThreadCount(): number {
    const from = JSON.stringify([this.#rosterRevision, this.knowsOnline, this.threads.size, this.current?.name])
    if (this.#onlineThreads?.from !== from) {
      let count = 0
      for (const name of this.threads.keys()) if (this.isOnline(name)) count++
      this.#onlineThreads = { from, count }
    }
    return this.#onlineThreads.count
  }

  /** Number of users online in the mesh. */
  get onlineCount(): number {
    return this.rosterView.total ?? this.online.size
  }

  isOnline(name: string): boolean {
    return this.online.has(name)
  }

  /** Whether it is known who is online now: without a connection, `online` is what was known last. */
  get knowsOnline(): boolean {
    return this.connection.phase === 'online'
  }

  /** Another user or room whose name looks like this one; undefined: none. */
  similarName(name: string): string | undefined {
    const revision = this.similarNamesRevision
    if (revision !== this.#similarNamesOf || this.#similarNames.size >= MAX_SIMILAR_NAMES) {
      this.#similarNames.clear()
      this.#similarNamesOf = revision
    }
    const known = this.#similarNames.get(name)
    if (known !== undefined || this.#similarNames.has(name)) return known
    const similar = (isRoom(name) ? this.#confusableRooms : this.confusables).find(name)
    this.#similarNames.set(name, similar)
    return similar
  }

  get similarNamesRevision(): number {
    return this.confusables.revision + this.#confusableRooms.revision
  }

  /** The thread with a user or a room; creates it if there is none. */
  ensureThread(name: string): Thread {
    let thread = this.threads.get(name)
    if (thread === undefined) {
      thread = new Thread(name, this.user, () => this.preferences.highlights)
      thread.setOperators(this.rooms.get(name)?.info.operators)
      if (this.hasHistory) thread.markStored(0)
      this.threads.set(name, thread)
      this.rosterView.watch(name)
      const draft = this.closedDrafts.get(name)
      if (draft !== undefined) thread.draft = draft
      this.closedDrafts.delete(name)
      ;(thread.isRoom ? this.#confusableRooms : this.confusables).keep([name])
    }
    return thread
  }

  /** The threads of rooms, then those with users; most recent activity first, threads without messages last. */
  threadsByActivity(): Thread[] {
    const dated: { thread: Thread; at: number }[] = []
    for (const thread of this.threads.values())
      if (this.#isListed(thread) || thread === this.current) dated.push({ thread, at: thread.lastAt })
    dated.sort(
      ({ thread: a, at: aAt }, { thread: b, at: bAt }) =>
        Number(b.isRoom) - Number(a.isRoom) || bAt - aAt || (a.name < b.name ? -1 : 1),
    )
    return dated.map(({ thread }) => thread)
  }

  /**
   * The threads as the sidebar lists them: rooms above users; in each group first those with a number, in this order, which
   * does not change while they are listed; then those with unread messages, and the latest ones.
   */
  listedThreads(): Thread[] {
    const threads = this.threadsByActivity()
    this.#numbers.assign(threads.map(({ name }) => name))
    const numbered = new Set(this.#numbers.names.flatMap(name => this.threads.get(name) ?? []))
    return [true, false].flatMap(isRoom => {
      const group = threads.filter(thread => thread.isRoom === isRoom)
      const others = group.filter(thread => !numbered.has(thread))
      return [
        ...[...numbered].filter(thread => thread.isRoom === isRoom),
        ...others.filter(({ unreadCount }) => unreadCount > 0),
        ...others.filter(({ unreadCount }) => unreadCount === 0),
      ]
    })
  }

  /** The number of a thread, for Alt and a digit; undefined: it has none. */
  threadNumber(name: string): number | undefined {
    return this.#numbers.find(name)
  }

  /** Whether lists show a thread: not that of a room that the user has left. */
  #isListed({ name, isRoom }: Thread): boolean {
    return !isRoom || this.rooms.has(name)
  }

  /** Opens a thread. Removes the thread that was open before if it has no entries, no draft and no room. */
  openThread(name: string): void {
    const last = this.current
    if (last?.name === name) return
    leaveInputHistory(this, last?.editor ?? this.commandEditor)
    this.reactionPrompt = undefined
    if (last !== undefined) {
      last.selection = undefined
      last.firstUnreadId = undefined
      last.searchMatch = undefined
      last.trim(this.hasHistory, false)
      if (last.entries.length === 0 && last.editor.text === '' && !this.rooms.has(last.name))
        this.threads.delete(last.name)
    }
    const thread = this.ensureThread(name)
    this.rosterView.watchAgain(name)
    this.current = thread
    this.warnIfConfusable(thread)
    if (thread.unreadCount > 0) thread.firstUnreadId = thread.reading.firstUnread?.id
    this.completion = undefined
  }

  /** Adds a warning if a name, by default the thread's, looks like another one; once for each such pair. */
  warnIfConfusable(thread: Thread, name = thread.name): void {
    const similarName = this.similarName(name)
    if (similarName !== undefined) thread.warnOfName(name, similarName)
  }

  get unreadCount(): number {
    let unread = 0
    for (const thread of this.threads.values()) if (this.#isListed(thread)) unread += thread.unreadCount
    return unread
  }

  /** Unread messages that mention this user. */
  get mentionCount(): number {
    let mentions = 0
    for (const thread of this.threads.values()) if (this.#isListed(thread)) mentions += thread.mentionCount
    return mentions
  }

  /** Keeps a notice for the screen without a thread, where it is not cut. */
  keepStartNotice(notice: Notice): void {
    this.startNotices.push(notice)
    if (this.startNotices.length > MAX_START_NOTICES) this.startNotices.shift()
  }

  showNotice(text: string, tone: Notice['tone'] = 'info'): void {
    this.notice = { text, tone }
  }

  /** Shows a notice that stays until the next key. */
  showQuestion(text: string, tone: Notice['tone'] = 'error'): void {
    this.notice = { text, tone, stays: true }
  }
}
