/** What the screen asks of the server while the roster is a view: the client then knows only some of the users online. */
import type { SessionEvent } from '../../../../src/client/events.ts'
import { isRoom } from '../../../../src/protocol/rooms.ts'
import type { Model, ScreenRequest } from '../model.ts'

/** Names of the sorted roster that the screen shows: as many as a high sidebar has rows. */
const SHOWN_NAMES = 60
/** Names that a search asks for. */
const FOUND_NAMES = 50

/** Names that the server has found. */
export interface FoundNames {
  readonly text: string
  readonly users: readonly string[]
}

/** The input line in which Tab asked the server for names that start with `prefix`. */
export interface AskedNames {
  readonly prefix: string
  readonly text: string
  readonly cursor: number
}

/** The names that the screen watches, and what it has asked for. */
export class RosterView {
  /** Users online in the mesh, if the client does not know all of them. */
  total: number | undefined
  found: FoundNames | undefined
  asked: AskedNames | undefined
  readonly #watched = new Set<string>()
  /** Users to ask about with the next requests, and whether for the first time. */
  readonly #unsent = new Map<string, boolean>()
  /** Users that the server was asked about, and has not answered. */
  readonly #unanswered = new Set<string>()
  #hasShown = false
  /** The text that was searched last. */
  #searched = ''

  /** Whether the client knows only some of the users online. */
  get isPartial(): boolean {
    return this.total !== undefined
  }

  /** Whether the server was asked, with an earlier key, whether a user is online. */
  wasAskedAbout(user: string): boolean {
    return this.#watched.has(user) && !this.#unsent.has(user)
  }

  /** Has the session tell whether a user is online, with the next requests. */
  watch(user: string): void {
    if (isRoom(user) || this.#watched.has(user)) return
    this.#watched.add(user)
    this.#unsent.set(user, true)
  }

  /** A thread is opened: watches its user again, because the session drops the oldest of very many. */
  watchAgain(user: string): void {
    if (isRoom(user) || !this.isPartial || this.#unsent.has(user)) return
    this.#unsent.set(user, !this.#watched.has(user))
    this.#watched.add(user)
  }

  /** The roster has changed. Returns a check whether this was the first answer about a user, who may have been online before. */
  handleRoster(total: number | undefined): (user: string) => boolean {
    this.total = total
    const answered = new Set(this.#unanswered)
    this.#unanswered.clear()
    return user => answered.has(user)
  }

  /** The requests for what the screen shows now. `finderText`: what is typed in a list of users. */
  takeRequests(finderText: string | undefined): ScreenRequest[] {
    const requests: ScreenRequest[] = []
    if (!this.#hasShown) requests.push({ type: 'show-names', after: '', count: SHOWN_NAMES })
    this.#hasShown = true
    if (this.#unsent.size > 0) requests.push({ type: 'watch', users: [...this.#unsent.keys()] })
    if (this.isPartial) for (const [user, isNew] of this.#unsent) if (isNew) this.#unanswered.add(user)
    this.#unsent.clear()
    if (this.isPartial && finderText !== undefined && finderText !== '' && finderText !== this.#searched)
      requests.push(this.#search(finderText))
    return requests
  }

  /** Asks for names that complete a word of the input line; none if that was done. */
  askFor(asked: AskedNames): ScreenRequest[] {
    if (!this.isPartial || asked.prefix === '' || this.found?.text === asked.prefix) return []
    this.asked = asked
    return [this.#search(asked.prefix)]
  }

  /** Keeps the names found. Returns the input line that waits for them. */
  handleFound({ text, users }: Extract<SessionEvent, { type: 'names-found' }>): AskedNames | undefined {
    this.found = { text, users }
    const { asked } = this
    if (asked?.prefix !== text) return undefined
    this.asked = undefined
    return asked
  }

  #search(text: string): ScreenRequest {
    this.#searched = text
    return { type: 'find-names', text, count: FOUND_NAMES }
  }
}

/** The requests for what the screen shows now: call it after each key and event. */
export function rosterRequests({ rosterView, finder }: Model): ScreenRequest[] {
  const listsUsers = finder?.kind === 'switcher' || finder?.kind === 'users'
  return rosterView.takeRequests(listsUsers ? finder?.editor.text.trim() : undefined)
}
