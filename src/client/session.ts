import { compareMessages, HybridClock } from '../common/hybrid-clock.ts'
import type { Content } from '../protocol/message-kinds.ts'
import type { Fate, Message } from '../protocol/messages.ts'
import { parseUserName } from '../protocol/names.ts'
import { isRoom } from '../protocol/rooms.ts'
import { ClaimKeeper } from './claim-keeper.ts'
import { Connection } from './connection.ts'
import { type Context, emit } from './context.ts'
import type { SessionRequest } from './events.ts'
import { NO_ARCHIVE } from './history/message-log.ts'
import { MessageStore, toMessage } from './history/message-store.ts'
import { Saves } from './history/saves.ts'
import { Siblings } from './history/siblings.ts'
import { KnownKeys } from './keys/known-keys.ts'
import { MeshTrust } from './mesh-trust.ts'
import { MessageReceiver } from './messages/message-receiver.ts'
import { MessageSender } from './messages/message-sender.ts'
import { ReceiptLog } from './messages/receipts.ts'
import { TypingNotices } from './messages/typing-notices.ts'
import { RoomHistory } from './rooms/room-history.ts'
import { RoomProofs } from './rooms/room-proofs.ts'
import { Rooms } from './rooms/rooms.ts'
import { RosterCopy } from './roster-copy.ts'
import type { OnlineInput, SessionEffect, SessionInput, SessionOptions, StoredState } from './types.ts'

/** Most inputs that wait while the caller decides about the mesh of a server that has let the client in. */
const MAX_EARLY_INPUTS = 1_000

/**
 * A client session as a state machine: one connection at a time to one of the servers, an outbox, the roster, and each
 * message once. `step` takes an input and the time, and returns the effects to perform, in order.
 */
export class Session {
  readonly #context: Context
  readonly #stored: StoredState
  readonly #store: MessageStore
  readonly #roster: RosterCopy
  readonly #keys: KnownKeys
  readonly #receipts: ReceiptLog
  readonly #sender: MessageSender
  readonly #receiver: MessageReceiver
  readonly #siblings: Siblings
  readonly #rooms: Rooms
  readonly #roomHistory: RoomHistory
  readonly #typing: TypingNotices
  readonly #claims: ClaimKeeper
  readonly #connection: Connection
  /** Inputs of a server that has let the client in, until the caller has accepted its mesh; handled after that. */
  #earlyInputs: OnlineInput[] = []

  constructor(options: SessionOptions, stored: StoredState) {
    this.#context = {
      options,
      clock: new HybridClock(),
      saves: new Saves(options.answersSaves === true),
      onlineConnection: undefined,
      clockOffset: undefined,
      maxTextBytes: undefined,
      now: 0,
      wall: 0,
      effects: [],
    }
    this.#stored = stored
    this.#rooms = new Rooms(this.#context, stored.rooms ?? [], {
      onJoined: room => {
        this.#roomHistory.onJoined(room)
        this.#sender.sendWaiting(room.name)
      },
      onMembersJoined: room => {
        this.#roomHistory.onMembersJoined(room)
        this.#sender.sendWaiting(room.name)
      },
      onMissed: room => this.#roomHistory.onMissed(room),
      onParted: room => {
        this.#roomHistory.onParted(room)
        this.#sender.handleParted(room)
      },
      onListChanged: entries => this.#siblings.tellRooms(entries),
    })
    const roomArchive = stored.roomArchive ?? (() => NO_ARCHIVE)
    this.#store = new MessageStore(this.#context, stored.archive, roomArchive, room => this.#rooms.receives(room))
    this.#roster = new RosterCopy(this.#context)
    const trust = new MeshTrust(this.#context)
    this.#keys = new KnownKeys(this.#context, stored.keys, trust)
    const proofs = new RoomProofs(this.#context, this.#keys, trust)
    this.#receipts = new ReceiptLog(this.#context, stored.receipts)
    this.#sender = new MessageSender(
      this.#context,
      this.#keys,
      this.#roster,
      this.#store,
      this.#receipts,
      this.#rooms,
      proofs,
    )
    this.#receiver = new MessageReceiver(this.#context, this.#keys, this.#sender, this.#store, proofs, this.#rooms)
    this.#siblings = new Siblings(this.#context, this.#store, this.#keys, trust, this.#receipts, this.#rooms)
    this.#roomHistory = new RoomHistory(this.#context, this.#rooms, this.#store, proofs, trust, this.#keys)
    this.#typing = new TypingNotices(this.#context, this.#keys, proofs, this.#roster, this.#rooms)
    this.#claims = new ClaimKeeper(this.#context, trust, stored.claim)
    this.#connection = new Connection(this.#context, this.#keys, trust, this.#claims, {
      onOnline: ({ roster, connections = [], rooms, typing }) => {
        this.#rooms.onConnected(rooms === true)
        this.#typing.onConnected(typing === true)
        this.#receiver.onConnected()
        this.#siblings.onConnected()
        this.#claims.onConnected()
        this.#sender.handleTime()
        this.#sender.handleJoined(this.#roster.onConnected(roster, connections))
      },
      onLost: () => {
        this.#earlyInputs = []
        this.#siblings.onDisconnected()
        this.#rooms.onDisconnected()
        this.#roomHistory.onDisconnected()
        this.#claims.onDisconnected()
        this.#roster.onDisconnected()
        this.#sender.onDisconnected()
      },
    })
  }

  /** When `tick` is due, monotonic ms. */
  get deadline(): number {
    if (this.#context.onlineConnection === undefined) return this.#connection.deadline
    return Math.min(
      this.#receiver.deadline,
      this.#sender.deadline,
      this.#siblings.deadline,
      this.#rooms.deadline,
      this.#roomHistory.deadline,
      this.#claims.deadline,
      this.#roster.deadline,
    )
  }

  /** Whether the caller must step `flush` at the end of this event-loop turn. */
  get needsFlush(): boolean {
    return this.#context.onlineConnection !== undefined && this.#receiver.deadline <= this.#context.now
  }

  /** The time of the mesh minus the monotonic clock, ms, as this client knows it; undefined before the first connection. */
  get meshTimeOffset(): number | undefined {
    return this.#context.clockOffset
  }

  /** Whether a server that has proven its mesh has let the client in. */
  get isLetIn(): boolean {
    return this.#context.onlineConnection !== undefined || this.#connection.isWaitingForAcceptance
  }

  /** All messages of this client, in order, except own ones that no server has accepted yet. */
  get messages(): Message[] {
    return this.#store.logs
      .flatMap(log => log.between({ from: 0 }))
      .map(toMessage)
      .sort(compareMessages)
  }

  /** The messages that are not confirmed yet. */
  get pendingMessages(): Message[] {
    return this.#sender.pendingMessages
  }

  /** The names online in the whole mesh, sorted. */
  get roster(): string[] {
    return this.#roster.names
  }

  /** Whether the roster has only the users that this client watches and shows. */
  get isRosterView(): boolean {
    return this.#roster.isView
  }

  /** The rooms that the user is in, with their members, sorted. */
  get rooms(): Map<string, string[]> {
    return new Map(Array.from(this.#rooms.all, ({ name, members }) => [name, members.toArray()]))
  }

  /** Users with more than one connection. */
  get connectionCounts(): ReadonlyMap<string, number> {
    return this.#roster.connectionCounts
  }

  /**
   * @param now monotonic time, ms
   * @param wall ms since 1970; may jump
   */
  step(input: SessionInput, now: number, wall: number): SessionEffect[] {
    const context = this.#context
    context.now = now
    context.wall = wall
    context.effects = []
    this.#handle(input)
    return context.effects
  }

  #handle(input: SessionInput): void {
    // Inputs of an earlier connection arrive late; drop them.
    if ('dial' in input && input.dial !== this.#connection.dial) return
    switch (input.type) {
      case 'start':
        return this.#start()
      case 'request':
        return this.#handleRequest(input.request)
      case 'opened':
        return this.#connection.handleOpened(input.exporter)
      case 'closed':
        return this.#connection.failover(input.reason)
      case 'identified':
        return this.#connection.handleIdentified(input.answer)
      case 'mesh-accepted':
        return this.#handleMeshAccepted()
      case 'identity':
        return this.#connection.identifyWithKey(input.identity, input.challenge)
      case 'no-identity':
        return this.#connection.handleRefused('unauthorized', input.reason)
      case 'saved':
        return this.#handleSaved(input.through)
      case 'flush':
        return this.#receiver.sendConfirmation()
      case 'tick':
        return this.#tick()
      default:
        return this.#handleOnlineInput(input)
    }
  }

  /** Only the identification may act before the client is online: everything else comes from a server of any mesh. */
  #handleOnlineInput(input: OnlineInput): void {
    if (this.#context.onlineConnection !== undefined) return this.#handleServerInput(input)
    // The server has let the client in and counts its messages as sent: keep them until the mesh is accepted.
    if (!this.#connection.isWaitingForAcceptance) return
    if (this.#earlyInputs.length >= MAX_EARLY_INPUTS) return this.#connection.failover('too many early messages')
    this.#earlyInputs.push(input)
  }

  #handleMeshAccepted(): void {
    this.#connection.handleAccepted()
    const inputs = this.#earlyInputs
    this.#earlyInputs = []
    for (const input of inputs) this.#handle(input)
  }

  #handleServerInput(input: OnlineInput): void {
    switch (input.type) {
      case 'move':
        return this.#connection.handleMove(input.servers)
      case 'time':
        if (this.#connection.handleTime(input.time)) this.#sender.handleTime()
        return
      case 'im':
        // Not counted as received: the server sends it again, or its sender does.
        if (this.#context.saves.isFull) return this.#connection.failover('messages cannot be stored')
        if (!isRoom(input.message.to)) this.#watch([input.message.from, input.message.to])
        return this.#receiver.handleMessage(input.message)
      case 'fate':
        return this.#handleFate(input.id, input.fate)
      case 'receipts':
        for (const receipt of input.receipts) this.#receipts.record(receipt)
        return
      case 'key':
        return this.#sender.handleKeyHolder(input.user, input.key)
      case 'claim':
        return this.#claims.handleTicket(input.ticket, this.#keys.ownKey)
      case 'roster':
        return this.#sender.handleJoined(this.#roster.applyDelta(input.delta))
      case 'roster-snapshot':
        return this.#sender.handleJoined(this.#roster.applySnapshot(input.snapshot))
      case 'view':
        return this.#sender.handleJoined(this.#roster.applyView(input.change))
      case 'watched':
        return this.#sender.handleJoined(this.#roster.applyWatched(input.names, input.answer))
      case 'names':
        return this.#handleNames(input)
      case 'found':
        if (input.answer.ok) emit(this.#context, { type: 'names-found', text: input.text, users: input.answer.users })
        return
      case 'connections':
        return this.#roster.applyConnectionCounts(input.changes)
      case 'siblings':
        return this.#siblings.setConnections(input.connections)
      case 'relay':
        return this.#siblings.handleFrame(input)
      case 'room-joined':
        return this.#rooms.handleJoinAnswer(input.room, input.answer)
      case 'room-parted':
        return this.#rooms.handlePartAnswer(input.room)
      case 'room':
        return this.#rooms.handleEvent(input.event)
      case 'room-list':
        return emit(this.#context, { type: 'room-list', rooms: input.list.rooms, total: input.list.total })
      case 'typing':
        return this.#typing.handle(input.notice)
      case 'room-relay':
        return this.#roomHistory.handleFrame(input)
      default:
        input satisfies never
    }
  }

  #handleNames({ request, answer }: Extract<OnlineInput, { type: 'names' }>): void {
    const { after, follow } = request
    if (follow === true) return this.#sender.handleJoined(this.#roster.applyRange(request, answer))
    if (!answer.ok) return
    const { first, total, users } = answer
    emit(this.#context, { type: 'names-listed', after, first, total, users })
  }

  #handleFate(id: string, fate: Fate): void {
    this.#sender.handleFate(id, fate)
    if (!fate.ok && fate.time !== undefined) {
      this.#connection.handleTime(fate.time)
      // Also if the time is known: the answers to several messages tell the same time.
      if (this.#context.onlineConnection !== undefined) this.#sender.handleTime()
    }
    if (this.#sender.mustMeasureTime) this.#connection.failover('the clock of the server has changed')
  }

  #start(): void {
    this.#store.load(this.#stored.history)
    for (const room of this.#rooms.list.joined) this.#store.logOf(room)
    this.#rooms.start()
    this.#sender.start(this.#stored.outbox)
    this.#watch(this.#sender.pendingMessages.map(({ to }) => to))
    this.#connection.start()
  }

  #handleRequest(request: SessionRequest): void {
    switch (request.type) {
      case 'compose': {
        const { to, text, reply } = request
        const content = { kind: 'text' as const, text, ...(reply === undefined ? {} : { reply }) }
        this.#compose(to, content)
        return
      }
      case 'watch':
        return this.#watch(request.users)
      case 'show-names':
        return this.#roster.show(request.after, request.count)
      case 'find-names':
      case 'list-names': {
        const { onlineConnection: dial, effects } = this.#context
        if (dial === undefined) return
        if (request.type === 'find-names')
          effects.push({ type: 'find', dial, text: request.text, count: request.count })
        else effects.push({ type: 'names', dial, request: { after: request.after, count: request.count } })
        return
      }
      case 'change':
        this.#compose(request.to, request.change)
        return
      case 'cancel':
        if (!this.#connection.isClosed) this.#sender.cancel(request.id)
        return
      case 'adopt':
        if (this.#connection.isClosed) return
        this.#watch(request.messages.map(({ to }) => to))
        return this.#sender.adopt(request.messages)
      case 'join':
        if (!this.#connection.isClosed) this.#rooms.join(request.room)
        return
      case 'part':
        if (!this.#connection.isClosed) this.#rooms.part(request.room)
        return
      case 'list-rooms': {
        const { onlineConnection, effects } = this.#context
        if (onlineConnection !== undefined) effects.push({ type: 'ask-rooms', dial: onlineConnection })
        return
      }
      case 'typing':
        return this.#typing.send(request.to)
      case 'read':
        return this.#siblings.markRead(request.thread, request.at)
      case 'trust':
        if (this.#keys.trust(request.user, request.key)) this.#sender.sendWaiting(request.user)
        return
      case 'close':
        this.#sender.close()
        return this.#connection.close()
      default:
        request satisfies never
    }
  }

  #compose(to: string, content: Content): void {
    if (this.#connection.isClosed) return
    this.#watch([to])
    this.#sender.compose(to, content)
    this.#typing.onSent(to)
  }

  /** Asks the server to tell whether users are online. */
  #watch(users: readonly string[]): void {
    const names = users.flatMap(user => {
      const name = parseUserName(user)
      return name.ok ? [name.value] : []
    })
    this.#roster.watch(names)
  }

  /** Sends and confirms what waited for the disk. */
  #handleSaved(through: number): void {
    this.#context.saves.handleSaved(through)
    this.#sender.handleSaved()
    if (this.#context.onlineConnection === undefined) return
    this.#sender.send()
    this.#receiver.sendConfirmation()
  }

  #tick(): void {
    this.#connection.tick()
    if (this.#context.onlineConnection === undefined) return
    if (this.#sender.hasOverdue) return this.#connection.failover('the server does not answer')
    this.#sender.send()
    this.#receiver.sendConfirmation()
    this.#siblings.tick()
    this.#rooms.tick()
    this.#roomHistory.tick()
    this.#claims.tick()
    this.#roster.tick()
  }
}
