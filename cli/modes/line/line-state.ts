import type { SessionEvent, SessionRequest } from '../../../src/client/events.ts'
import { ConfusableNames } from '../../../src/common/confusables.ts'
import { type NameList, SortedNames } from '../../../src/common/sorted-names.ts'
import type { QuotedTarget } from '../../../src/protocol/message-kinds.ts'
import type { Message } from '../../../src/protocol/messages.ts'
import { isRoom, parseRoomName } from '../../../src/protocol/rooms.ts'
import { sanitizeLine } from '../../../src/protocol/text.ts'
import type { ClientEvent } from '../../common/client-events.ts'
import { SeenUsers } from '../../common/seen-users.ts'
import { WaitingMessages } from '../../common/waiting-messages.ts'
import { MessageLookup } from '../../session/message-lookup.ts'
import { PendingMessages } from '../../session/pending-messages.ts'
import { LineLinks } from './links.ts'
import { nameText } from './message-line.ts'
import { RoomLines } from './room-lines.ts'
import type { LineServices } from './services.ts'
import { LineSources } from './sources.ts'

export type Send = (request: SessionRequest) => void

export const NO_RECIPIENT = 'no recipient; choose one with /to NAME or /join #ROOM'

type RosterEvent = Extract<SessionEvent, { type: 'roster' }>
type KeyEvent = Extract<SessionEvent, { type: 'key' }>

/** What the line mode knows from events and earlier lines, for the commands; and how they print and send. */
export class LineState {
  readonly user: string
  readonly services: LineServices
  readonly pending = new PendingMessages()
  readonly waiting = new WaitingMessages()
  readonly confusables = new ConfusableNames()
  readonly lookup: MessageLookup
  readonly sources: LineSources
  readonly links: LineLinks
  readonly rooms: RoomLines
  readonly seen: SeenUsers
  /** To whom lines are sent: a user, or a room. */
  recipient: string | undefined
  /** The user who wrote last to this user alone. */
  lastSender: string | undefined
  /** A message that waits for an answer: which of two recipients is meant. */
  question: { readonly to: string; readonly text: string } | undefined
  isOnline = false
  /** All users online. */
  online: NameList = new SortedNames()
  /** Whether the client knows only some of the users online. */
  isPartial = false
  /** The last key event, which has all known keys. */
  lastKeyEvent: KeyEvent | undefined
  /** The new key of each user whose key has changed and is not trusted yet. */
  readonly changedKeys = new Map<string, string>()
  /** Settles when the reactions with short names of emoji are sent. */
  reactions: Promise<unknown> = Promise.resolve()
  readonly #printRaw: (line: string) => void

  /**
   * @param correspondents users in the history: names that look like theirs are marked, also while they are offline
   * @param print prints a line as it is
   * @param now ms since 1970
   */
  constructor(
    user: string,
    correspondents: Iterable<string>,
    print: (line: string) => void,
    now: () => number,
    services: LineServices,
  ) {
    const names = [...correspondents]
    this.user = user
    this.services = services
    this.#printRaw = print
    this.lookup = new MessageLookup(user, services.history)
    this.sources = new LineSources(user, services.history)
    this.links = new LineLinks(user)
    this.confusables.keep([user, ...names])
    this.rooms = new RoomLines(user, this.confusables, now, () => services.preferences().joins)
    this.seen = new SeenUsers(user, names)
  }

  /** Takes in an event. Prints only warnings. */
  handleEvent(event: ClientEvent): void {
    this.pending.handleEvent(event)
    this.waiting.handleEvent(event)
    for (const warning of this.seen.handleEvent(event)) this.print(`* ${warning}`)
    if (event.type === 'connection') this.isOnline = event.state.phase === 'online'
    if (event.type === 'key') this.#handleKey(event)
    if (event.type !== 'message') return
    const { message, origin } = event
    this.lookup.observe(message)
    this.sources.observe(message)
    if (origin === 'live' && !this.isIgnored(message)) this.#noteSender(message)
  }

  observeRoster({ users, joined, left, total }: RosterEvent): void {
    this.online = users
    this.isPartial = total !== undefined
    this.confusables.update(joined, left)
  }

  isIgnored({ from }: Pick<Message, 'from'>): boolean {
    return from !== this.user && this.services.preferences().ignored.includes(from)
  }

  /** A name as it is shown: with a mark if it looks like another one. */
  shown(name: string): string {
    return nameText(name, this.confusables)
  }

  /** Prints a line that is not a message. It may have control characters, which are made visible. */
  print(line: string): void {
    this.#printRaw(sanitizeLine(line))
  }

  warnOfUnseen(to: string): void {
    const warning = this.seen.check(to)
    if (warning !== undefined) this.print(`* ${warning}`)
  }

  compose(to: string, text: string, send: Send, reply?: QuotedTarget): void {
    this.warnOfUnseen(to)
    send(reply === undefined ? { type: 'compose', to, text } : { type: 'compose', to, text, reply })
  }

  composeToRecipient(text: string, send: Send): void {
    if (this.recipient === undefined) this.print(NO_RECIPIENT)
    else if (text !== '') this.compose(this.recipient, text, send)
  }

  /** Sends a request whose answer the end of the program waits for. */
  request(request: SessionRequest, send: Send): void {
    this.pending.handleRequest(request)
    send(request)
  }

  /** Runs a function with the room that is named, or else with the room that lines are sent to. */
  withRoom(name: string, run: (room: string) => void): void {
    const given = name || (isRoom(this.recipient ?? '') ? this.recipient : undefined)
    if (given === undefined) return this.print('no room; name one, such as #ops')
    const room = parseRoomName(given)
    if (room.ok) run(room.value)
    else this.print(room.reason)
  }

  #noteSender({ from, to }: Pick<Message, 'from' | 'to'>): void {
    if (!isRoom(to) && from !== this.user) this.lastSender = from
  }

  #handleKey(event: KeyEvent): void {
    this.lastKeyEvent = event
    if (event.state === 'changed') this.changedKeys.set(event.user, event.key)
    else this.changedKeys.delete(event.user)
  }
}
