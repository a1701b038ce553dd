import type { ConnectionState } from '../../src/client/events.ts'
import { Editor } from './editor.ts'
import { Thread } from './thread.ts'

/** What the screen asks of the world. */
export type ScreenRequest =
  | { type: 'send'; to: string; text: string }
  | { type: 'quit' | 'suspend' | 'redraw' | 'bell' }
  /** A preference changed and is to be kept. */
  | { type: 'save' }

/** A line for the person, until the next key. */
export interface Notice {
  text: string
  tone: 'info' | 'error'
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
  online: readonly string[] = []
  /** Whether the roster was told since the connection stands: its first telling is no coming of anybody. */
  rosterKnown = false
  readonly threads = new Map<string, Thread>()
  current: Thread | undefined
  /** The composer where no thread is open. */
  readonly loose = new Editor()
  notice: Notice | undefined
  overlay: 'help' | undefined
  /** Rows by which the overlay is scrolled. */
  overlayTop = 0
  sidebar = true
  columns = 80
  rows = 24
  /** What was entered, oldest first, and which of it stands in the composer. */
  entered: string[] = []
  enteredAt: number | undefined
  completion: Completion | undefined
  /** ^C was pressed on an empty line: the next one leaves. */
  leaving = false
  #onlineSet = new Set<string>()
  #onlineOf: readonly string[] = this.online

  constructor(user: string) {
    this.user = user
  }

  isOnline(name: string): boolean {
    if (this.#onlineOf !== this.online) {
      this.#onlineOf = this.online
      this.#onlineSet = new Set(this.online)
    }
    return this.#onlineSet.has(name)
  }

  /** The thread with a user, made when there is none. */
  thread(name: string): Thread {
    let thread = this.threads.get(name)
    if (thread === undefined) {
      thread = new Thread(name)
      this.threads.set(name, thread)
    }
    return thread
  }

  /** Threads in the order of last activity, those without a message last. */
  ordered(): Thread[] {
    return [...this.threads.values()].sort((a, b) => b.lastAt - a.lastAt || (a.name < b.name ? -1 : 1))
  }

  /** Opens a thread; one that was left without a word is forgotten. */
  open(name: string): void {
    const last = this.current
    if (last?.name === name) return
    if (last !== undefined) {
      last.newFrom = undefined
      if (last.entries.length === 0 && last.editor.text === '') this.threads.delete(last.name)
    }
    const thread = this.thread(name)
    this.current = thread
    if (thread.unread > 0) {
      const messages = thread.entries.filter(entry => entry.kind === 'message' && entry.from !== this.user)
      thread.newFrom = messages.at(-thread.unread)
    }
    thread.unread = 0
    this.enteredAt = undefined
    this.completion = undefined
  }

  get unread(): number {
    let unread = 0
    for (const thread of this.threads.values()) unread += thread.unread
    return unread
  }
}
