import type { SessionEvent } from '../../src/client/events.ts'
import type { NameList } from '../../src/common/sorted-names.ts'
import { didYouMean } from '../../src/programs/command-line/suggestion.ts'
import { isRoom } from '../../src/protocol/rooms.ts'
import { sanitizeLine } from '../../src/protocol/text.ts'
import type { ClientEvent } from './client-events.ts'

/** Most senders that are remembered. */
const MAX_CORRESPONDENTS = 100_000
/** Most recipients that are remembered. */
const MAX_RECIPIENTS = 1_000

/** The users that this client has seen, to warn of a recipient whose name may be misspelt. */
export class SeenUsers {
  readonly #user: string
  /** Users in the history. */
  readonly #correspondents: Set<string>
  #online: NameList | undefined
  /** Whether no server has answered the last attempt to connect: the history alone decides. */
  #isOffline = false
  /** Whether the roster is a view: of a new recipient, the answer comes with the next change. */
  #isView = false
  #keys: ReadonlyMap<string, string> = new Map()
  readonly #members = new Map<string, NameList>()
  /** Recipients that were checked, and those that are checked when it is known who is online. */
  readonly #checked = new Set<string>()
  readonly #unchecked = new Set<string>()

  constructor(user: string, correspondents: Iterable<string>) {
    this.#user = user
    this.#correspondents = new Set(correspondents)
  }

  /** Returns the warnings about recipients that turn out to be unseen. */
  handleEvent(event: ClientEvent): string[] {
    if (event.type === 'key') this.#keys = event.known
    if (event.type === 'room') this.#observeRoom(event)
    if (event.type === 'message') this.#observeSender(event.message.from)
    if (event.type === 'connection' && event.state.phase !== 'connecting')
      this.#isOffline = event.state.phase === 'waiting'
    if (event.type === 'roster') {
      const isStart = event.total !== undefined && !this.#isView
      this.#online = event.users
      this.#isView = event.total !== undefined
      if (isStart) return []
    } else if (event.type !== 'connection' || !this.#isOffline) return []
    const recipients = [...this.#unchecked]
    this.#unchecked.clear()
    const isView = this.#isView
    this.#isView = false
    const warnings = recipients.flatMap(to => this.check(to) ?? [])
    this.#isView = isView
    return warnings
  }

  #observeSender(name: string): void {
    if (name !== this.#user && this.#correspondents.size < MAX_CORRESPONDENTS) this.#correspondents.add(name)
  }

  #observeRoom({ room, state, members }: Extract<SessionEvent, { type: 'room' }>): void {
    if (state.state === 'parted' || state.state === 'refused') this.#members.delete(room)
    else this.#members.set(room, members)
  }

  /** Whether a user is online, in the history, in a room with this user, or has a known key. */
  has(name: string): boolean {
    if (name === this.#user || this.#correspondents.has(name) || this.#online?.has(name) || this.#keys.has(name))
      return true
    for (const members of this.#members.values()) if (members.has(name)) return true
    return false
  }

  /** A warning about a recipient that was never seen, once for each; undefined: none. Rooms are joined by name. */
  check(to: string): string | undefined {
    if (isRoom(to) || this.has(to) || this.#checked.has(to)) return undefined
    const suggestion = didYouMean(to, [...this.#others()])
    const isDecidable =
      (this.#online !== undefined && !this.#isView) || (this.#isOffline && this.#correspondents.size > 0)
    if (!isDecidable) {
      if (this.#unchecked.size < MAX_RECIPIENTS) this.#unchecked.add(to)
      return undefined
    }
    if (this.#checked.size >= MAX_RECIPIENTS) this.#checked.clear()
    this.#checked.add(to)
    return sanitizeLine(`never seen "${to}"${suggestion}`)
  }

  *#others(): Generator<string> {
    const lists = [this.#correspondents, this.#online ?? [], this.#keys.keys(), ...this.#members.values()]
    for (const names of lists) for (const name of names) if (name !== this.#user) yield name
  }
}
