import type { SessionRequest } from '../../../src/client/events.ts'
import { isPermitted, toChange } from '../../../src/client/messages/message-changes.ts'
import { ConfusableNames } from '../../../src/common/confusables.ts'
import type { Message } from '../../../src/protocol/messages.ts'
import { sanitizedJson } from '../../../src/protocol/text.ts'
import { isOperator } from '../../chat/model/rooms/room.ts'
import type { ClientEvent } from '../../common/client-events.ts'
import { LineReader } from '../../io/stdin.ts'
import { MessageLookup } from '../../session/message-lookup.ts'
import { PendingMessages } from '../../session/pending-messages.ts'
import { type End, endAfterDelivery } from '../end-of-input.ts'
import { eventToJson, type JsonMessageRequest, type JsonRequest, parseRequest, roomEventToJson } from './format.ts'
import { toSessionRequest } from './message-requests.ts'

/** Messages whose `ref` is remembered, the latest ones: more than an outbox holds. */
const MAX_REFS = 20_000

type RoomEvent = Extract<ClientEvent, { type: 'room' }>

const NOT_THE_NEW_KEY = 'not trusted: the key of this user has not changed, or has changed to another key'

/** `--json`, for programs: events as JSON lines on stdout, requests as JSON lines on stdin. */
export class JsonMode {
  readonly #user: string
  readonly #write: (line: string) => void
  readonly #lookup: MessageLookup
  readonly #pending = new PendingMessages()
  readonly #confusables = new ConfusableNames()
  /** The new key of each user whose key has changed and is not trusted yet. */
  readonly #changedKeys = new Map<string, string>()
  /** Message id → the `ref` of its request, latest last. */
  readonly #refs = new Map<string, string | number>()
  /** The last event of each room that the user is in. */
  readonly #rooms = new Map<string, RoomEvent>()
  /** The `ref` of the request that is being carried out. */
  #composingRef: string | number | undefined
  #isComposing = false
  #isOnline = false
  /** Set by the first `connection` event: messages before it come from the history on disk. */
  #started = false

  /**
   * @param correspondents users in the history: names that look like theirs are marked, also while they are offline
   * @param lookup finds the messages that requests name
   */
  constructor(
    user: string,
    correspondents: Iterable<string>,
    write: (line: string) => void,
    lookup = new MessageLookup(user),
  ) {
    this.#user = user
    this.#write = write
    this.#lookup = lookup
    this.#confusables.keep([user, ...correspondents])
  }

  handleEvent(event: ClientEvent): void {
    this.#pending.handleEvent(event)
    if (event.type === 'message') this.#lookup.observe(event.message)
    if (event.type === 'connection') {
      this.#started = true
      this.#isOnline = event.state.phase === 'online'
    }
    if (!this.#started && (event.type === 'message' || event.type === 'progress')) return
    if (event.type === 'message' && !this.#isPermitted(event.message)) return
    if (event.type === 'key') {
      if (event.state === 'changed') this.#changedKeys.set(event.user, event.key)
      else this.#changedKeys.delete(event.user)
    }
    if (event.type === 'roster') this.observeRoster(event)
    const id = messageId(event)
    const composed = event.type === 'progress' || (event.type === 'message' && event.origin === 'composed')
    if (id !== undefined && composed && this.#composingRef !== undefined) this.#remember(id, this.#composingRef)
    if (event.type === 'room') return this.#handleRoom(event)
    if (this.#isAboutToBeSent(event)) return
    const json = eventToJson(event, this.#user, this.#confusables)
    const ref = id === undefined ? undefined : this.#refs.get(id)
    if (json !== undefined) this.#writeEvent(ref === undefined ? json : { ...json, ref })
    // After the delivery, more connections may confirm the message.
    if (event.type === 'progress' && event.progress.state === 'refused') this.#refs.delete(event.id)
    if (event.type === 'cancelled') this.#refs.delete(event.message.id)
  }

  /** Notes who is online, without output. */
  observeRoster({ joined, left }: Extract<ClientEvent, { type: 'roster' }>): void {
    this.#confusables.update(joined, left)
  }

  /** Reads stdin to its end; then waits for the delivery results of the messages sent, and calls `end`. */
  readStdin(send: (request: SessionRequest) => void, end: End): void {
    const input = new LineReader({
      onLine: line => {
        if (this.handleLine(line, send) === 'close') input.close()
      },
      onLongLine: () => this.#writeEvent({ type: 'error', message: 'the line is too long', line: '' }),
      onEnd: error => void endAfterDelivery(this.#pending, end, () => {}, error),
    })
  }

  /** Carries out the request of a line. Returns `close` if the program is to end. */
  handleLine(line: string, send: (request: SessionRequest) => void): 'close' | undefined {
    if (line.trim() === '') return undefined
    const request = parseRequest(line)
    if (typeof request === 'string') {
      this.#writeEvent({ type: 'error', message: request, line: line.slice(0, 200) })
    } else if ('type' in request) {
      if (request.type === 'close') return 'close'
      const problem = this.#perform(request, send)
      if (problem !== undefined) this.#writeEvent({ type: 'error', message: problem, line: line.slice(0, 200) })
    } else {
      const composed = toSessionRequest(request, this.#lookup, room => this.#isOperator(room))
      if (typeof composed === 'string') {
        this.#writeEvent({ type: 'error', message: composed, line: line.slice(0, 200) })
        return undefined
      }
      this.#composingRef = request.ref
      this.#isComposing = true
      send(composed)
      this.#isComposing = false
      this.#composingRef = undefined
    }
    return undefined
  }

  /** Whether a new message is reported as waiting only until it is on disk: it is sent then. */
  #isAboutToBeSent(event: ClientEvent): boolean {
    if (event.type !== 'progress' || !this.#isComposing || !this.#isOnline) return false
    return event.progress.state === 'waiting' && event.progress.reason === 'offline'
  }

  #isOperator(room: string, name = this.#user): boolean {
    return isOperator(this.#rooms.get(room), name)
  }

  /** Whether the sender of an edit or deletion may make it. */
  #isPermitted(message: Message): boolean {
    const change = toChange(message)
    return change === undefined || isPermitted(change, name => this.#isOperator(message.to, name))
  }

  /** Carries out a request. Returns why that is not possible. */
  #perform(
    request: Exclude<JsonRequest, JsonMessageRequest | { type: 'close' }>,
    send: (request: SessionRequest) => void,
  ): string | undefined {
    if (request.type === 'trust' && this.#changedKeys.get(request.user) !== request.key) return NOT_THE_NEW_KEY
    if (request.type !== 'members') {
      this.#pending.handleRequest(request)
      send(request)
      return undefined
    }
    const event = this.#rooms.get(request.room)
    if (event?.state.state !== 'joined') return `not in ${request.room}: only its members know who is there`
    this.#writeEvent(roomEventToJson({ ...event, joined: [], left: [] }, true))
    return undefined
  }

  /** Writes all members when they are known, and changes after that. */
  #handleRoom(event: RoomEvent): void {
    const { room, state } = event
    const isKnown = this.#rooms.has(room)
    if (state.state === 'joined') this.#rooms.set(room, event)
    else if (state.state === 'parted' || state.state === 'refused') this.#rooms.delete(room)
    else if (isKnown) this.#rooms.set(room, event)
    this.#writeEvent(roomEventToJson(event, !isKnown))
  }

  #remember(id: string, ref: string | number): void {
    this.#refs.set(id, ref)
    const [oldest] = this.#refs.keys()
    if (this.#refs.size > MAX_REFS && oldest !== undefined) this.#refs.delete(oldest)
  }

  #writeEvent(json: object): void {
    this.#write(`${sanitizedJson(json)}\n`)
  }
}

function messageId(event: ClientEvent): string | undefined {
  if (event.type === 'message' || event.type === 'redated' || event.type === 'cancelled') return event.message.id
  return event.type === 'progress' || event.type === 'not-cancelled' ? event.id : undefined
}
