import type { Server, Socket } from 'socket.io'
import { parseComposedMessage } from '../src/protocol/guards.ts'
import {
  findRequestSchema,
  legacyMessageSchema,
  namesRequestSchema,
  type Refusal,
  receivedCountSchema,
  relayRequestSchema,
  typingRequestSchema,
  watchRequestSchema,
} from '../src/protocol/messages.ts'
import type { ClientEffect, Input } from '../src/server/types.ts'
import {
  Client,
  type ClientEvents,
  CONNECT_CALL,
  type EventHandler,
  eventPacket,
  sendAnswer,
} from './clients/client.ts'
import { type AuthOptions, type CoreQueries, Identification } from './clients/identification.ts'
import type { Log } from './log/log.ts'
import { MalformedPayloads } from './log/malformed-payloads.ts'
import { Backpressure } from './transport/backpressure.ts'
import { compactListeners } from './transport/internals.ts'
import { FrameBatch } from './transport/packets/frame-batch.ts'
import { imPacket } from './transport/packets/im-packets.ts'
import { Packet } from './transport/packets/packet.ts'
import { packedDelta } from './transport/packets/roster-packets.ts'
import { releaseRequest } from './transport/release-request.ts'

/** Writes per event-loop turn: each takes some 20 µs of CPU, and others wait meanwhile. Of bulk events, half as many. */
const MAX_WRITES_PER_TURN = 1_000

/** Events for thousands of clients that are not urgent: messages overtake them, except to the same client. */
const BULK_EVENTS: ReadonlySet<string> = new Set(['roster', 'view', 'connections', 'update_client'])

/** Clients' connections, on the default namespace: validates each payload, then passes it to the core. */
export class ClientGateway implements ClientEvents {
  readonly #step: (input: Input) => void
  readonly #identification: Identification
  readonly #malformed: MalformedPayloads
  readonly #onPending: () => void
  #clients = new Map<number, Client>()
  /** Connections with packets to send at the end of this turn. */
  #pendingBatches: FrameBatch[] = []
  /** Those that only have packets of bulk events. */
  #bulkBatches: FrameBatch[] = []
  #isAddingBulk = false
  #lastNumber = 0
  readonly #onBatchPending = (batch: FrameBatch) => {
    const batches = this.#isAddingBulk ? this.#bulkBatches : this.#pendingBatches
    batches.push(batch)
    this.#onPending()
  }

  /**
   * @param onPending called when packets wait for the end of this turn: the caller must call `flush` then
   * @param core what the core knows
   */
  constructor(
    io: Server,
    auth: AuthOptions,
    log: Log,
    step: (input: Input) => void,
    onPending: () => void,
    core: CoreQueries,
  ) {
    this.#step = step
    this.#identification = new Identification(auth, step, core)
    this.#malformed = new MalformedPayloads(log)
    this.#onPending = onPending
    io.on('connection', socket => this.#onConnection(socket))
  }

  /** Malformed payloads so far. */
  get malformed(): number {
    return this.#malformed.total
  }

  /** Open connections, and calls of theirs without an answer yet. */
  get counts(): { clients: number; pendingCalls: number } {
    let pendingCalls = 0
    for (const client of this.#clients.values()) pendingCalls += client.pendingCalls?.size ?? 0
    return { clients: this.#clients.size, pendingCalls }
  }

  /** Sends the packets of this turn, in one write per connection. What is too much for a turn is left for the next one. */
  flush(maxWrites = MAX_WRITES_PER_TURN): void {
    this.#pendingBatches = flushSome(this.#pendingBatches, maxWrites)
    if (this.#pendingBatches.length === 0) this.#bulkBatches = flushSome(this.#bulkBatches, maxWrites / 2)
    if (this.#pendingBatches.length + this.#bulkBatches.length > 0) this.#onPending()
  }

  perform(effect: ClientEffect): void {
    if (effect.type === 'answer') {
      const client = this.#clients.get(effect.connection)
      if (client !== undefined) this.#identification.answer(client, effect.call, effect.payload)
    } else if (effect.type === 'close') {
      const socket = this.#clients.get(effect.connection)?.socket
      if (socket === undefined) return
      socket.disconnect()
      Backpressure.of(socket.conn).close()
    } else if (effect.type === 'emit') {
      const { message } = effect
      const packet = new Packet(message.event === 'im' ? imPacket(message.payload) : eventPacket(message))
      const packed = (message.event === 'roster' ? packedDelta(message.payload) : undefined) ?? packet
      this.#isAddingBulk = BULK_EVENTS.has(message.event)
      for (const id of effect.to) {
        const client = this.#clients.get(id)
        if (client === undefined) continue
        // A typing notice is not worth the memory while a client reads slowly.
        if (message.event === 'typing' && Backpressure.of(client.socket.conn).isSlow) continue
        const pending = this.#pendingBatches.length
        client.batch.add(client.acceptsPacked ? packed : packet)
        if (this.#isAddingBulk || this.#bulkBatches.length === 0 || this.#pendingBatches.length > pending) continue
        // The connection waits already, maybe for a bulk event: what is urgent takes that along. An empty batch does nothing.
        this.#pendingBatches.push(client.batch)
      }
      this.#isAddingBulk = false
    }
  }

  #onConnection(socket: Socket): void {
    const identifyPayload: unknown = socket.handshake.auth.identify
    releaseRequest(socket)
    const connection = ++this.#lastNumber
    const backpressure = Backpressure.of(socket.conn)
    const { budget } = backpressure
    const batch = new FrameBatch(socket.conn, this.#onBatchPending, backpressure)
    const client = new Client(connection, socket, batch, budget, this)
    this.#clients.set(connection, client)
    this.#step({ type: 'connected', connection, address: budget.address.key })
    client.listen()
    if (backpressure.features.compactListeners) compactListeners(socket.conn)
    if (identifyPayload === undefined) return
    this.handleEvent(client, 'identify', identifyPayload, CONNECT_CALL)
  }

  handleDisconnect({ connection }: Client): void {
    this.#clients.delete(connection)
    this.#step({ type: 'disconnected', connection })
  }

  handleSocketIoEvent(client: Client, event: string, args: readonly unknown[]): void {
    const acknowledge = args.at(-1)
    const payload = typeof args[0] === 'function' ? undefined : args[0]
    if (typeof acknowledge !== 'function') return void this.handleEvent(client, event, payload, undefined)
    const call = -++this.#lastNumber
    client.pendingCalls ??= new Map()
    client.pendingCalls.set(call, payload => acknowledge(payload))
    if (!this.handleEvent(client, event, payload, call)) client.pendingCalls.delete(call)
  }

  handleEvent(client: Client, event: string, payload: unknown, call: number | undefined): boolean {
    if (!this.#clients.has(client.connection)) return false
    const handler = this.#handlers.get(event)
    if (handler === undefined) return false
    if (handler(client, payload, call)) return true
    client.countMalformed ??= this.#malformed.counterFor(`connection ${client.connection}`)
    client.countMalformed(event)
    const message = `invalid payload of ${event}`
    const refusal: Refusal = { ok: false, code: 'bad-payload', message }
    if (call !== undefined) sendAnswer(client, call, refusal)
    else client.batch.add(new Packet(eventPacket({ event: 'refused', payload: { ...refusal, event } })))
    return true
  }

  #im: EventHandler = ({ connection }, payload, call) => {
    const message = parseComposedMessage(payload) ?? legacyMessageSchema.safeParse(payload).data
    if (message === undefined) return false
    this.#step(call === undefined ? { type: 'im', connection, message } : { type: 'im', connection, message, call })
    return true
  }

  /** Has no answer. A call is rejected: it would stay pending for ever. */
  #got: EventHandler = ({ connection }, payload, call) => {
    const count = receivedCountSchema.safeParse(payload)
    if (!count.success || call !== undefined) return false
    this.#step({ type: 'got', connection, count: count.data })
    return true
  }

  #roster: EventHandler = (client, _, call) => {
    if (call === undefined) return false
    if (this.#mayAsk(client, call)) this.#step({ type: 'roster', connection: client.connection, call })
    return true
  }

  /** Whether a connection may ask for something long. Strangers share a rate with others of their address. */
  #mayAsk(client: Client, call: number): boolean {
    const { budget } = client
    const retryAfter = budget.isIdentified ? 0 : budget.address.takeRoster(performance.now())
    if (retryAfter === 0) return true
    const message = `too many requests from ${budget.address.key}; identify, or retry in ${retryAfter} ms`
    sendAnswer(client, call, { ok: false, code: 'rate-limited', message, retryAfter })
    return false
  }

  #key: EventHandler = ({ connection }, user, call) => {
    if (call !== undefined) this.#step({ type: 'key', connection, user, call })
    return call !== undefined
  }

  #claim: EventHandler = ({ connection }, _, call) => {
    if (call !== undefined) this.#step({ type: 'claim', connection, call })
    return call !== undefined
  }

  #watch: EventHandler = ({ connection }, payload, call) => {
    const names = watchRequestSchema.safeParse(payload)
    if (!names.success || call === undefined) return false
    this.#step({ type: 'watch', connection, names: names.data, call })
    return true
  }

  #names: EventHandler = ({ connection }, payload, call) => {
    const request = namesRequestSchema.safeParse(payload)
    if (!request.success || call === undefined) return false
    const { after, count, follow = false } = request.data
    this.#step({ type: 'names', connection, after, count, follow, call })
    return true
  }

  #find: EventHandler = ({ connection }, payload, call) => {
    const request = findRequestSchema.safeParse(payload)
    if (!request.success || call === undefined) return false
    this.#step({ type: 'find', connection, ...request.data, call })
    return true
  }

  #survey: EventHandler = (client, _, call) => {
    if (call === undefined) return false
    if (this.#mayAsk(client, call)) this.#step({ type: 'survey', connection: client.connection, call })
    return true
  }

  /** Has no answer, either. */
  #relay: EventHandler = ({ connection }, payload, call) => {
    const request = relayRequestSchema.safeParse(payload)
    if (!request.success || call !== undefined) return false
    const { to, room, body } = request.data
    this.#step({ type: 'relay', connection, to, body, ...(room === undefined ? {} : { room }) })
    return true
  }

  /** Has no answer, either: what is not passed on is dropped. */
  #typing: EventHandler = ({ connection }, payload, call) => {
    const notice = typingRequestSchema.safeParse(payload)
    if (!notice.success || call !== undefined) return false
    this.#step({ type: 'typing', connection, notice: notice.data })
    return true
  }

  #join: EventHandler = ({ connection }, room, call) => {
    if (call !== undefined) this.#step({ type: 'join', connection, room, call })
    return call !== undefined
  }

  #part: EventHandler = ({ connection }, room, call) => {
    if (call !== undefined) this.#step({ type: 'part', connection, room, call })
    return call !== undefined
  }

  #rooms: EventHandler = ({ connection }, _, call) => {
    if (call !== undefined) this.#step({ type: 'rooms', connection, call })
    return call !== undefined
  }

  /** In a `Map`, so that an event named `__proto__` finds nothing. */
  readonly #handlers: ReadonlyMap<string, EventHandler> = new Map([
    ['identify', (...event) => this.#identification.handle(...event)],
    ['im', this.#im],
    ['got', this.#got],
    ['roster', this.#roster],
    ['key', this.#key],
    ['claim', this.#claim],
    ['relay', this.#relay],
    ['typing', this.#typing],
    ['join', this.#join],
    ['part', this.#part],
    ['rooms', this.#rooms],
    ['watch', this.#watch],
    ['names', this.#names],
    ['find', this.#find],
    ['survey', this.#survey],
  ])
}

/** Flushes the first batches of a list. Returns the others. */
function flushSome(batches: FrameBatch[], maxWrites: number): FrameBatch[] {
  const rest = batches.length > maxWrites ? batches.splice(maxWrites) : []
  const now = performance.now()
  for (const batch of batches) batch.flush(now)
  return rest
}
