/** The product's own client session on real sockets, with its outbox in memory and a record of its events. */
import { openSession } from '../../../cli/session/connection.ts'
import type { SessionEvent, SessionRequest } from '../../../src/client/events.ts'
import { compareMessages } from '../../../src/common/hybrid-clock.ts'
import type { Message } from '../../../src/protocol/messages.ts'

let instances = 0

export class RealClient {
  readonly user: string
  /** The outbox: held messages by id. */
  readonly #held = new Map<string, Message>()
  /** Messages in the order in which they appeared. */
  readonly shown: Message[] = []
  /** Messages that this client composed. */
  readonly composed: Message[] = []
  roster: readonly string[] = []
  /** The members of the rooms that it is in; none while it is offline. */
  readonly rooms = new Map<string, readonly string[]>()
  /** The rooms that it could not join, each with the code. */
  readonly roomErrors: string[] = []
  /** Users that left the mesh or a room, with the time of the event, ms. */
  readonly departures: { name: string; at: number }[] = []
  /** The server that it is online at; undefined: offline. */
  server: string | undefined
  /** When its connection was last lost, and when it was last online again, ms. */
  disconnectedAt = 0
  onlineAt = 0
  readonly #request: ReturnType<typeof openSession>

  /** Number of users online, if the roster is a view. */
  total: number | undefined
  /** The last names found and listed. */
  found: readonly string[] | undefined
  listed: { first: number; users: readonly string[] } | undefined

  constructor(user: string, servers: readonly string[], { views = false } = {}) {
    this.user = user
    const instance = `${process.pid}~${++instances}`
    const held = this.#held
    const disk = {
      get held() {
        return [...held.values()]
      },
      store: () => {},
      storeReceipt: () => {},
      storeRejected: () => {},
      storeRooms: () => {},
      hold: (message: Message) => void held.set(message.id, message),
      release: (id: string) => void held.delete(id),
    }
    const options = { user, client: 'test/1', instance, servers, random: Math.random, views }
    this.#request = openSession(options, disk, event => this.#handleEvent(event))
  }

  get held(): Message[] {
    return [...this.#held.values()]
  }

  /** Ids of all messages in thread order. */
  get orderedIds(): string[] {
    return [...this.shown].sort(compareMessages).map(({ id }) => id)
  }

  /** Ids of the messages to a room in thread order. */
  orderedIdsTo(room: string): string[] {
    return this.shown
      .filter(({ to }) => to === room)
      .sort(compareMessages)
      .map(({ id }) => id)
  }

  send(to: string, text: string): void {
    this.#request({ type: 'compose', to, text })
  }

  joinRoom(room: string): void {
    this.#request({ type: 'join', room })
  }

  partRoom(room: string): void {
    this.#request({ type: 'part', room })
  }

  request(request: Extract<SessionRequest, { type: 'watch' | 'show-names' | 'find-names' | 'list-names' }>): void {
    this.#request(request)
  }

  close(): void {
    this.#request({ type: 'close' })
  }

  #handleEvent(event: SessionEvent): void {
    const now = performance.now()
    if (event.type === 'roster') {
      this.roster = [...event.users]
      this.total = event.total
      for (const name of event.left) this.departures.push({ name, at: now })
    } else if (event.type === 'names-found') this.found = event.users
    else if (event.type === 'names-listed') this.listed = event
    else if (event.type === 'message') {
      this.shown.push(event.message)
      if (event.origin === 'composed') this.composed.push(event.message)
    } else if (event.type === 'room') {
      if ('code' in event.state) this.roomErrors.push(`${event.room} ${event.state.code}`)
      if (event.state.state === 'joined') this.rooms.set(event.room, [...event.members])
      else this.rooms.delete(event.room)
      for (const name of event.left) this.departures.push({ name, at: now })
    } else if (event.type === 'connection') {
      const { state } = event
      if (state.phase === 'online') {
        this.server = state.server
        this.onlineAt = now
      } else {
        if (this.server !== undefined) this.disconnectedAt = now
        this.server = undefined
      }
    }
  }
}
