/** The product's own client session on real sockets, with its outbox in memory and a record of its events. */
import { openSession } from '../../../cli/session/connection.ts'
import type { SessionEvent } from '../../../src/client/events.ts'
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
  /** Users that left, with the time of the event, ms. */
  readonly departures: { name: string; at: number }[] = []
  /** The server that it is online at; undefined: offline. */
  server: string | undefined
  /** When its connection was last lost, and when it was last online again, ms. */
  disconnectedAt = 0
  onlineAt = 0
  readonly #request: ReturnType<typeof openSession>

  constructor(user: string, servers: readonly string[]) {
    this.user = user
    const instance = `${process.pid}~${++instances}`
    const held = this.#held
    const disk = {
      get held() {
        return [...held.values()]
      },
      store: () => {},
      hold: (message: Message) => void held.set(message.id, message),
      release: (id: string) => void held.delete(id),
    }
    const options = { user, client: 'test/1', instance, servers, random: Math.random }
    this.#request = openSession(options, disk, event => this.#handleEvent(event))
  }

  get held(): Message[] {
    return [...this.#held.values()]
  }

  /** Ids of all messages in thread order. */
  get orderedIds(): string[] {
    return [...this.shown].sort(compareMessages).map(({ id }) => id)
  }

  send(to: string, text: string): void {
    this.#request({ type: 'compose', to, text })
  }

  close(): void {
    this.#request({ type: 'close' })
  }

  #handleEvent(event: SessionEvent): void {
    const now = performance.now()
    if (event.type === 'roster') {
      this.roster = [...event.users]
      for (const name of event.left) this.departures.push({ name, at: now })
    } else if (event.type === 'message') {
      this.shown.push(event.message)
      if (event.origin === 'composed') this.composed.push(event.message)
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
