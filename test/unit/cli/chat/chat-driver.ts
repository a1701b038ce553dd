import { handleKey } from '../../../../cli/chat/model/handle-key.ts'
import { Model, type ScreenRequest } from '../../../../cli/chat/model/model.ts'
import type { Preferences } from '../../../../cli/chat/model/preferences.ts'
import { update } from '../../../../cli/chat/model/update.ts'
import { renderScreen } from '../../../../cli/chat/views/render.ts'
import { rowText } from '../../../../cli/chat/views/row.ts'
import { KeyDecoder } from '../../../../cli/terminal/key-decoder.ts'
import type { RoomState } from '../../../../src/client/events.ts'
import { SortedNames } from '../../../../src/common/sorted-names.ts'
import type { RoomInfo } from '../../../../src/protocol/messages.ts'

/** The wall time of all events: 10:00 local time. */
export const DAY = new Date(2026, 10, 24, 10, 0).getTime()

/** What terminals send for keys. */
export const KEYS = {
  up: '\u001b[A',
  down: '\u001b[B',
  pageUp: '\u001b[5~',
  pageDown: '\u001b[6~',
  scrollToStart: '\u001b[1;3H',
  scrollToEnd: '\u001b[1;3F',
  shiftTab: '\u001b[Z',
  dismiss: '\u0007',
  enter: '\r',
  tab: '\t',
} as const

/** Bytes of Ctrl with a letter. */
export const ctrl = (letter: string) => String.fromCharCode(letter.toUpperCase().charCodeAt(0) - 64)

export const paste = (text: string) => `\u001b[200~${text}\u001b[201~`

/** Drives the model of Anna's chat with session events and keys, and reads the screen. */
export class ChatDriver {
  readonly model: Model
  #messages = 0
  readonly #rosterRequests: ScreenRequest[] = []
  readonly #choosesSidebar: boolean

  constructor(preferences?: Preferences) {
    this.model = new Model('Anna', preferences)
    this.#choosesSidebar = preferences === undefined
    if (preferences === undefined) this.model.preferences = { ...this.model.preferences, typing: false }
    this.resize(64, 11)
  }

  /** Without preferences of a test, typing is not told, and the sidebar is shown from 60 columns on. */
  resize(columns: number, rows: number): void {
    this.model.resize(columns, rows)
    if (this.#choosesSidebar) {
      const sidebar = columns >= 60 ? 'on' : 'auto'
      this.model.preferences = { ...this.model.preferences, sidebar }
    }
  }

  tell(event: Parameters<typeof update>[1]): ScreenRequest[] {
    return this.#withoutRosterRequests(update(this.model, event, DAY))
  }

  /** Types text as a terminal sends it: control characters and escape sequences are keys. */
  type(text: string): ScreenRequest[] {
    return this.#withoutRosterRequests(new KeyDecoder().feed(text).flatMap(key => handleKey(this.model, key)))
  }

  /** What the screen has asked for a view of the roster since the last call. */
  takeRosterRequests(): ScreenRequest[] {
    return this.#rosterRequests.splice(0)
  }

  #withoutRosterRequests(requests: ScreenRequest[]): ScreenRequest[] {
    const isAboutRoster = ({ type }: ScreenRequest) => ['watch', 'show-names', 'find-names'].includes(type)
    this.#rosterRequests.push(...requests.filter(isAboutRoster))
    return requests.filter(request => !isAboutRoster(request))
  }

  online(): void {
    this.tell({ type: 'connection', state: { phase: 'online', server: 'server-2', url: 'http://x' } })
  }

  roster(users: readonly string[], joined: readonly string[] = [], left: readonly string[] = []): void {
    const names = new SortedNames()
    names.reset(users)
    this.tell({ type: 'roster', users: names, joined, left })
  }

  /** Tells that `total` users are online; the client knows these. */
  view(total: number, users: readonly string[], joined: readonly string[] = []): void {
    const names = new SortedNames()
    names.reset(users)
    this.tell({ type: 'roster', users: names, joined, left: [], total })
  }

  /** Tells that the user is in a room with these members, in addition to Anna. */
  room(
    room: string,
    others: readonly string[],
    {
      state = { state: 'joined' } as RoomState,
      info = {} as RoomInfo,
      joined = [] as readonly string[],
      left = [] as readonly string[],
    } = {},
  ): void {
    const members = new SortedNames()
    members.reset(['Anna', ...others].sort())
    this.tell({ type: 'room', room, state, members, info, joined, left })
  }

  /** Adds a message; each is a minute later than the one before. Returns its side effects. */
  message(
    from: string,
    to: string,
    text: string,
    { origin = 'live' as 'live' | 'composed' | 'history', id = `${this.#messages + 1}` } = {},
  ): ScreenRequest[] {
    const at = DAY + ++this.#messages * 60_000
    return this.tell({ type: 'message', message: { id, at, from, to, text }, origin })
  }

  /** Adds a message composed here, and returns its id. */
  compose(to: string, text: string): string {
    this.message('Anna', to, text, { origin: 'composed' })
    return `${this.#messages}`
  }

  get input(): string {
    return this.model.focusedEditor.text
  }

  get thread(): string | undefined {
    return this.model.current?.name
  }

  get notice(): string | undefined {
    return this.model.notice?.text
  }

  /** All inverse text of the screen. */
  inverseText(): string {
    const segments = renderScreen(this.model, DAY).rows.flat()
    return segments
      .filter(({ inverse }) => inverse)
      .map(({ text }) => text)
      .join('')
      .trim()
  }

  /** The rows of the screen, without trailing spaces. */
  screen(): string {
    const rows = renderScreen(this.model, DAY).rows.map(row => rowText(row).trimEnd())
    return `\n${rows.join('\n')}\n`
  }
}
