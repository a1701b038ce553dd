import type { KeptTicket } from '../../../src/client/claim-keeper.ts'
import type { MeshPin, SessionEvent } from '../../../src/client/events.ts'
import type { HeldMessage, StoredMessage } from '../../../src/client/history/message-log.ts'
import { Session } from '../../../src/client/session.ts'
import type { SessionEffect, SessionInput } from '../../../src/client/types.ts'
import type {
  Fate,
  IdentifyRequest,
  IdentifyResponse,
  JoinResponse,
  Message,
  NamesPage,
  RosterSnapshot,
  WatchedNames,
} from '../../../src/protocol/messages.ts'
import type { HeldName, Input } from '../../../src/server/types.ts'
import { storedState } from '../harness/stored-state.ts'
import { meshSignatures } from '../mesh-signatures.ts'
import { STRANGER_URL, strangerInputs } from './hostile/stranger.ts'
import type { SimSocket, TerminationMode } from './network.ts'
import { PlainIdentity } from './plain-identity.ts'
import { describeEvent, describeMessage, MAX_SANE_SKEW_MS } from './recorder.ts'
import { SimDisk } from './sim-disk.ts'
import { SIMULATION_EPOCH_MS, SimProcess } from './sim-process.ts'
import type { ClientConnection, SimServer, SimulationContext } from './sim-server.ts'

/** A client on the simulated network, with its disk: performs the effects of its session. */
export class SimClient extends SimProcess {
  readonly #context: SimulationContext
  readonly user: string
  session: Session | undefined
  /** The open connection, if there is one. */
  connection: { server: SimServer; connection: number } | undefined
  #socket: SimSocket | undefined
  /** The number of the latest connection. */
  #latestDial = 0
  /** The number of the open connection to a server that is not of the mesh. */
  #strangerDial: number | undefined
  /** The mesh that it has met; kept like the disk. */
  #pin: MeshPin | undefined
  /** Messages received over it. */
  #received = 0
  /** The session's events in this run. */
  events: SessionEvent[] = []
  /** Messages shown on the screen in this run, in the order in which they appeared. */
  readonly shown: Message[] = []
  #shownIds = new Set<string>()
  #roster = new Set<string>()
  /** The disk: kept when the process is killed. */
  readonly disk: SimDisk
  readonly keys = new Map<string, string>()
  claim: KeptTicket | undefined
  readonly #identity: PlainIdentity
  /** Users that it watches, and the part of the sorted roster that it shows, where the roster is a view. */
  readonly watched: string[] = []
  showsAfter = ''
  showsNames = 0
  /** Whether `events` are kept; long schedules do without. */
  readonly #keepsEvents: boolean
  /** Number of effects that it still performs before it is killed. */
  #effectsLeft = Number.POSITIVE_INFINITY
  /** Latest message time received while online; a message composed now must sort after it. */
  #latestReceivedAt = 0
  /** The times of this run's own messages, which a message composed later must sort after. A message may be dated again. */
  readonly #ownTimes = new Map<string, number>()
  /** The time of each own message, when it was last dated. */
  readonly #datedAt = new Map<string, number>()
  /** When the messages were composed that this run has not dated by the time of the mesh yet. */
  readonly #undated = new Map<string, number>()

  constructor(name: string, user: string, context: SimulationContext, keepsEvents: boolean, key: string) {
    super(name, context.timeline)
    this.#identity = new PlainIdentity(key)
    this.disk = new SimDisk(this, context.random)
    this.user = user
    this.#context = context
    this.#keepsEvents = keepsEvents
    context.recorder.clients.push(this)
  }

  get history(): ReadonlyMap<string, StoredMessage> {
    return this.disk.history
  }

  get outbox(): ReadonlyMap<string, HeldMessage> {
    return this.disk.outbox
  }

  protected get deadline(): number {
    return this.session?.deadline ?? Number.POSITIVE_INFINITY
  }

  protected get needsFlush(): boolean {
    return this.session?.needsFlush ?? false
  }

  protected nextTurnMs(): number {
    return 0.1
  }

  protected stepCore(type: 'tick' | 'flush'): void {
    this.step({ type })
  }

  /** Starts the process with the contents of its disk. */
  start(server: SimServer): void {
    this.markStarted()
    const { user } = this
    const instance = `${this.name}~${this.generation}`
    const { random, clientsKnowAllServers } = this.#context
    const servers = [server, ...(clientsKnowAllServers ? this.#context.servers : [])].map(({ url }) => url)
    const options = {
      user,
      client: 'sim/1',
      instance,
      servers,
      random,
      mesh: this.#pin,
      answersSaves: true,
      typing: true,
      ...meshSignatures,
    }
    const stored = {
      history: [...this.history.values()],
      outbox: [...this.outbox.values()],
      keys: this.keys,
      claim: this.claim,
      rooms: this.disk.rooms,
      receipts: [...this.disk.receipts.values()],
    }
    this.session = new Session(options, storedState(stored))
    this.shown.length = 0
    this.#shownIds.clear()
    this.#roster.clear()
    this.#latestReceivedAt = 0
    this.#ownTimes.clear()
    this.#undated.clear()
    this.#effectsLeft = Number.POSITIVE_INFINITY
    this.step({ type: 'start' })
    if (this.watched.length > 0) this.step({ type: 'request', request: { type: 'watch', users: this.watched } })
    if (this.showsNames > 0) this.showNames(this.showsAfter, this.showsNames)
  }

  /** Has its session tell whether a user is online: matters only if the roster is a view. */
  watch(user: string): void {
    this.watched.push(user)
    this.step({ type: 'request', request: { type: 'watch', users: [user] } })
  }

  /** Shows a part of the sorted roster, likewise. */
  showNames(after: string, count: number): void {
    this.showsAfter = after
    this.showsNames = count
    this.step({ type: 'request', request: { type: 'show-names', after, count } })
  }

  quit(): void {
    this.step({ type: 'request', request: { type: 'close' } })
    this.kill('orderly')
  }

  kill(mode: TerminationMode): void {
    this.disk.handleKill()
    this.markStopped()
    this.session = undefined
    this.connection = undefined
    this.#strangerDial = undefined
    this.#socket = undefined
    this.#context.network.terminate(this, mode)
  }

  /** kill -9 between two effects of a coming step. */
  killAfterEffects(count: number): void {
    this.#effectsLeft = count
  }

  send(to: string, text: string): void {
    this.step({ type: 'request', request: { type: 'compose', to, text } })
  }

  cancel(id: string): void {
    this.#context.recorder.mayBeCancelled.add(id)
    this.step({ type: 'request', request: { type: 'cancel', id } })
  }

  /** The user presses a key in a message to a user or a room. */
  type(to: string): void {
    this.#context.recorder.recordTyping(this.user, to)
    this.step({ type: 'request', request: { type: 'typing', to } })
  }

  /** The rooms that the client has joined. */
  get rooms(): string[] {
    return [...(this.session?.rooms.keys() ?? [])]
  }

  joinRoom(room: string): void {
    this.#context.recorder.recordJoin(this.user, room)
    this.step({ type: 'request', request: { type: 'join', room } })
    this.#checkRoom(room, true)
  }

  partRoom(room: string): void {
    this.step({ type: 'request', request: { type: 'part', room } })
    this.#checkRoom(room, false)
  }

  #checkRoom(room: string, isIn: boolean): void {
    if (this.session !== undefined && this.rooms.includes(room) !== isIn)
      this.#context.recorder.addProblem(`${this.name} is ${isIn ? 'not' : 'still'} in ${room}`)
  }

  /** Its server drains, and announces another one. */
  hear(id: string, url: string): void {
    this.step({ type: 'move', dial: this.#latestDial, servers: [{ id, url }] })
  }

  step(input: SessionInput): void {
    const { session } = this
    if (session === undefined) return
    if (input.type === 'im') this.#received++
    for (const effect of session.step(input, this.timeline.now, this.wall)) {
      if (--this.#effectsLeft < 0) {
        this.#context.recorder.log(this.name, 'is killed')
        this.kill('orderly')
      }
      if (this.session !== session) return
      this.#perform(effect)
    }
    this.scheduleTickAndFlush()
  }

  #perform(effect: SessionEffect): void {
    const { network, recorder } = this.#context
    switch (effect.type) {
      case 'dial':
        return this.#dial(effect.dial, effect.url)
      case 'hang-up':
        this.connection = undefined
        this.#strangerDial = undefined
        if (this.#socket !== undefined) network.hangUp(this.#socket, 0, 'the client hangs up')
        this.#socket = undefined
        return
      case 'identify': {
        const { request } = effect
        const { key, claim, typing } = request
        if (this.#strangerDial === effect.dial) return this.#meetStranger(effect.dial, request)
        const server = this.connection?.server
        if (server === undefined) return
        const mesh = server.proveMesh(request)
        if (key === undefined && this.#context.auth === 'key') {
          // A real server asks for the key; here its challenge arrives at once.
          const challenge = { server: server.id, connection: '', nonce: '' }
          const answer = { ok: false, code: 'prove-key', message: 'sign', challenge, mesh } as const
          return this.step({ type: 'identified', dial: effect.dial, answer })
        }
        const isSigned = claim !== undefined && key !== undefined && server.hasSigned(this.user, key, claim)
        const ticket = isSigned ? { ticket: claim } : {}
        return this.#call(
          (dial, answer) => ({ type: 'identified', dial, answer: { ...(answer as IdentifyResponse), mesh } }),
          (connection, call) => ({
            type: 'identify',
            connection,
            user: this.user,
            protocol: 2,
            connections: true,
            rooms: true,
            typing,
            views: !this.#context.isLegacy(server),
            call,
            ...(key === undefined ? {} : { credential: { kind: 'key' as const, key, ...ticket } }),
          }),
        )
      }
      case 'prove': {
        const { dial, challenge } = effect
        return this.step({ type: 'identity', dial, identity: this.#identity, challenge })
      }
      case 'ask-key': {
        const { user } = effect
        return this.#call(
          (dial, holder) => ({ type: 'key', dial, user, key: (holder as { key?: string }).key }),
          (connection, call) => ({ type: 'key', connection, user, call }),
        )
      }
      case 'ask-claim': {
        const server = this.connection?.server
        if (server === undefined || this.#context.isLegacy(server)) return
        return this.#call(
          (dial, answer) => {
            const { user, claim } = answer as HeldName
            // A real server signs the answer of its core.
            return { type: 'claim', dial, ticket: server.signClaim(user, claim ?? { key: '', at: 0 }) }
          },
          (connection, call) => ({ type: 'claim', connection, call }),
        )
      }
      case 'store-claim':
        this.claim = effect.ticket
        return
      case 'pin':
        this.keys.set(effect.user, effect.key)
        return
      case 'im': {
        const { id } = effect.message
        recorder.recordSend(id)
        return this.#call(
          (dial, fate) => ({ type: 'fate', dial, id, fate: fate as Fate }),
          (connection, call) => ({ type: 'im', connection, message: effect.message, call }),
        )
      }
      case 'got':
        if (effect.count > this.#received) recorder.addProblem(`${this.name} confirms more than it received`)
        return this.#emit(connection => ({ type: 'got', connection, count: effect.count }))
      case 'ask-roster':
        return this.#call(
          (dial, snapshot) => ({ type: 'roster-snapshot', dial, snapshot: snapshot as RosterSnapshot }),
          (connection, call) => ({ type: 'roster', connection, call }),
        )
      case 'watch': {
        const { names } = effect
        return this.#call(
          (dial, answer) => ({ type: 'watched', dial, names, answer: answer as WatchedNames }),
          (connection, call) => ({ type: 'watch', connection, names, call }),
        )
      }
      case 'names': {
        const { request } = effect
        const { after, count, follow = false } = request
        return this.#call(
          (dial, answer) => ({ type: 'names', dial, request, answer: answer as NamesPage }),
          (connection, call) => ({ type: 'names', connection, after, count, follow, call }),
        )
      }
      case 'find':
        return
      case 'relay': {
        const { to, frame, mesh, sealed } = effect
        return this.#emit(connection => ({ type: 'relay', connection, to, body: { frame, mesh, sealed } }))
      }
      case 'store':
        return this.disk.write(() => void this.disk.history.set(effect.message.id, storedMessage(effect)))
      case 'join': {
        const { room } = effect
        return this.#call(
          (dial, answer) => ({ type: 'room-joined', dial, room, answer: answer as JoinResponse }),
          (connection, call) => ({ type: 'join', connection, room, call }),
        )
      }
      case 'part': {
        const { room } = effect
        return this.#call(
          dial => ({ type: 'room-parted', dial, room }),
          (connection, call) => ({ type: 'part', connection, room, call }),
        )
      }
      case 'ask-rooms':
        return
      case 'room-relay': {
        const { room, to, frame, mesh } = effect
        return this.#emit(connection => ({ type: 'relay', connection, to, room, body: { frame, mesh } }))
      }
      case 'typing':
        return this.#emit(connection => ({ type: 'typing', connection, notice: effect.notice }))
      case 'store-rooms':
        return this.disk.write(() => {
          this.disk.rooms = effect.rooms
        })
      case 'store-receipt':
        return this.disk.write(() => {
          const { id, at, receipt } = effect
          const { delivered, of } = receipt
          const to = recorder.composed.get(id)?.message.to ?? ''
          this.disk.receipts.set(id, of === undefined ? [id, at, to, delivered] : [id, at, to, delivered, of, []])
        })
      case 'store-rejected':
        return this.disk.write(() => void this.disk.rejected.set(effect.message.id, effect.message))
      case 'store-pending': {
        const recordSaved = this.#recordComposed(effect.message)
        this.#checkFirstDate(effect.message, effect.provisional === true)
        return this.disk.write(() => {
          const { provisional } = effect
          this.disk.outbox.set(effect.message.id, { ...storedMessage(effect), ...(provisional ? { provisional } : {}) })
          recordSaved()
        })
      }
      case 'remove-pending':
        return this.disk.write(() => void this.disk.outbox.delete(effect.id))
      case 'save':
        return this.disk.save(() => this.step({ type: 'saved', through: effect.through }))
      case 'event':
        return this.#handleEvent(effect.event)
    }
  }

  #dial(dial: number, url: string): void {
    this.#latestDial = dial
    const { network, servers } = this.#context
    if (url === STRANGER_URL) {
      this.#strangerDial = dial
      this.setTimer(10, () => this.step({ type: 'opened', dial }))
      return
    }
    const server = servers.find(one => one.url === url)
    if (server === undefined) return
    let connection = 0
    const socket = network.open(
      {
        process: this,
        onClose: reason => {
          if (this.#socket === socket) this.connection = undefined
          this.step({ type: 'closed', dial, reason })
        },
      },
      { process: server, onClose: () => server.handleDisconnect(connection) },
      true,
    )
    this.#socket = socket
    this.#received = 0
    network.send(socket, 0, () => {
      if (!server.running) return network.hangUp(socket, 1, 'refused')
      const deliver = (input: SessionInput) => this.step(input)
      const { name, user } = this
      const accepted: ClientConnection = { socket, dial, client: name, user, deliver, writeCounts: new Map() }
      connection = server.acceptClient(accepted)
      network.send(socket, 1, () => {
        if (this.#socket === socket) this.connection = { server, connection }
        this.step({ type: 'opened', dial })
      })
    })
  }

  #meetStranger(dial: number, request: IdentifyRequest): void {
    const inputs = strangerInputs(dial, request, dial)
    this.setTimer(10, () => {
      for (const input of inputs) this.step(input)
    })
  }

  #emit(input: (connection: number) => Input): void {
    const { connection } = this
    if (this.#strangerDial !== undefined)
      this.#context.recorder.addProblem(`${this.name} gives something to a stranger`)
    if (connection === undefined || this.#socket === undefined) return
    this.#context.network.send(this.#socket, 0, () => connection.server.step(input(connection.connection)))
  }

  #call(
    answer: (dial: number, payload: unknown) => SessionInput,
    input: (connection: number, call: number) => Input,
  ): void {
    const server = this.connection?.server
    this.#emit(connection => input(connection, server?.registerCall(answer) ?? 0))
  }

  /** The screen: keeps the events, and checks the invariants that must hold at any time. */
  #handleEvent(event: SessionEvent): void {
    const { recorder } = this.#context
    if (this.#keepsEvents) this.events.push(event)
    if (event.type === 'mesh') this.#pin = event
    if (event.type === 'mesh') this.step({ type: 'mesh-accepted', dial: this.#latestDial })
    const line = recorder.lines === undefined ? undefined : describeEvent(event)
    if (line !== undefined) recorder.log(this.name, line)
    if (event.type === 'message') {
      const { message, origin } = event
      if (this.#shownIds.has(message.id)) recorder.addProblem(`${this.name} shows ${describeMessage(message)} twice`)
      this.#shownIds.add(message.id)
      recorder.checkMember(this.name, this.user, message)
      this.shown.push(message)
      const isReceivedOnline = origin !== 'composed' && this.connection !== undefined
      if (isReceivedOnline && recorder.repliesMustSortAfter(message))
        this.#latestReceivedAt = Math.max(this.#latestReceivedAt, message.at)
    } else if (event.type === 'cancelled') {
      if (event.isDeleted) recorder.withdrawn.add(event.message.id)
      else recorder.recordCancelled(event.message.id)
    } else if (event.type === 'not-cancelled') {
      recorder.mayBeCancelled.delete(event.id)
    } else if (event.type === 'progress' && event.progress.state === 'delivered') {
      recorder.checkDelivered(this.name, event.id)
    } else if (event.type === 'roster') {
      if (recorder.expectsNoDisruption && event.left.length > 0)
        recorder.addProblem(`${this.name} sees ${event.left.join(', ')} leave during a short fault`)
      for (const user of event.left) this.#roster.delete(user)
      for (const user of event.joined) this.#roster.add(user)
      if (this.#roster.size !== event.users.size || [...event.users].some(user => !this.#roster.has(user))) {
        recorder.addProblem(
          `${this.name}: the roster is not the previous one plus the users that joined minus those that left`,
        )
      }
    }
  }

  /** A message composed before the first connection gets about the time at which it was composed. */
  #checkFirstDate(message: Message, isProvisional: boolean): void {
    const { recorder } = this.#context
    const { now } = this.timeline
    const offset = this.session?.meshTimeOffset
    if (isProvisional && offset === undefined && !this.#undated.has(message.id)) this.#undated.set(message.id, now)
    if (isProvisional) return
    const composedAt = this.#undated.get(message.id)
    this.#undated.delete(message.id)
    if (composedAt === undefined || !recorder.isTimeRight(offset)) return
    if (message.at < SIMULATION_EPOCH_MS + composedAt - MAX_SANE_SKEW_MS - 1_000)
      recorder.addProblem(`${this.name}: ${describeMessage(message)} has the time of a wrong clock`)
  }

  /** Returns the function to call once the message is on the disk: from then on it must not get lost. */
  #recordComposed(message: Message): () => void {
    const { recorder } = this.#context
    const at = this.timeline.now
    recorder.log(
      this.name,
      `composes ${describeMessage(message)} at ${((message.at - SIMULATION_EPOCH_MS) / 1000).toFixed(3)}`,
    )
    const record = (composedAt: number) => void recorder.composed.set(message.id, { message, at: composedAt })
    // The same time as before: also again after a crash that has lost it.
    if (this.#datedAt.get(message.id) === message.at) return () => record(recorder.composed.get(message.id)?.at ?? at)
    this.#datedAt.set(message.id, message.at)
    const isTimeRight = recorder.isTimeRight(this.session?.meshTimeOffset)
    this.#ownTimes.delete(message.id)
    if (message.at <= Math.max(this.#latestReceivedAt, ...this.#ownTimes.values()) && isTimeRight)
      recorder.addProblem(`${this.name}: ${describeMessage(message)} sorts before a message seen earlier`)
    if (isTimeRight && recorder.repliesMustSortAfter(message)) this.#ownTimes.set(message.id, message.at)
    return () => record(at)
  }
}

function storedMessage({ message, sealed }: { message: Message; sealed?: string }): StoredMessage {
  return sealed === undefined ? message : { ...message, sealed }
}
