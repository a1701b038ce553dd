import type { SessionEvent } from '../../../src/client/events.ts'
import { Session } from '../../../src/client/session.ts'
import type { SessionEffect, SessionInput } from '../../../src/client/types.ts'
import type { Fate, Identified, Message, RosterSnapshot } from '../../../src/protocol/messages.ts'
import type { Input } from '../../../src/server/types.ts'
import { name, SANE_SKEW_MS, shown } from './ledger.ts'
import type { Death, Socket } from './network.ts'
import { PlainIdentity } from './plain-identity.ts'
import { Process, WALL } from './sim-process.ts'
import type { Accepted, SimServer, World } from './sim-server.ts'

/** A client's program on the simulated network, with its disk: performs the effects of its session. */
export class SimClient extends Process {
  readonly #world: World
  readonly user: string
  session: Session | undefined
  /** The connection that stands. */
  connection: { server: SimServer; connection: number } | undefined
  #socket: Socket | undefined
  /** Messages that came over it. */
  #received = 0
  /** What the screen was told, and shows, in this run. */
  events: SessionEvent[] = []
  readonly shown: Message[] = []
  #shownIds = new Set<string>()
  #roster = new Set<string>()
  /** The disk: it outlives the program. */
  readonly history = new Map<string, Message>()
  readonly outbox = new Map<string, Message>()
  readonly keys = new Map<string, string>()
  readonly #identity: PlainIdentity
  /** Whether the screen's events are kept; long schedules do without. */
  readonly #keeps: boolean
  /** After so many more effects it is killed. */
  #effectsLeft = Number.POSITIVE_INFINITY
  /** The latest time seen while online that an answer must sort behind. */
  #behind = 0

  constructor(name: string, user: string, world: World, keeps: boolean, key: string) {
    super(name, world.timeline)
    this.#identity = new PlainIdentity(key)
    this.user = user
    this.#world = world
    this.#keeps = keeps
    world.ledger.keepers.push(this)
  }

  protected get deadline(): number {
    return this.session?.deadline ?? Number.POSITIVE_INFINITY
  }

  protected get gathered(): boolean {
    return this.session?.gathered ?? false
  }

  protected beat(type: 'tick' | 'flush'): void {
    this.tell({ type })
  }

  /** Starts the program on what its disk holds. */
  open(server: SimServer): void {
    this.begin()
    const { user } = this
    const instance = `${this.name}~${this.life}`
    const { random, wellKnown } = this.#world
    const servers = [server, ...(wellKnown ? this.#world.servers : [])].map(({ url }) => url)
    this.session = new Session({ user, client: 'sim/1', instance, servers, random })
    this.shown.length = 0
    this.#shownIds.clear()
    this.#roster.clear()
    this.#behind = 0
    this.#effectsLeft = Number.POSITIVE_INFINITY
    this.tell({
      type: 'start',
      history: [...this.history.values()],
      outbox: [...this.outbox.values()],
      keys: this.keys,
    })
  }

  quit(): void {
    this.tell({ type: 'request', request: { type: 'close' } })
    this.kill('orderly')
  }

  kill(death: Death): void {
    this.end()
    this.session = undefined
    this.connection = undefined
    this.#socket = undefined
    this.#world.network.die(this, death)
  }

  /** kill -9, between two effects of some step to come. */
  killAfter(effects: number): void {
    this.#effectsLeft = effects
  }

  say(to: string, text: string): void {
    this.tell({ type: 'request', request: { type: 'compose', to, text } })
  }

  tell(input: SessionInput): void {
    const { session } = this
    if (session === undefined) return
    if (input.type === 'im') this.#received++
    for (const effect of session.step(input, this.timeline.now, this.wall)) {
      if (--this.#effectsLeft < 0) {
        this.#world.ledger.note(this.name, 'is killed')
        this.kill('orderly')
      }
      if (this.session !== session) return
      this.#act(effect)
    }
    this.stepped()
  }

  #act(effect: SessionEffect): void {
    const { network, ledger } = this.#world
    switch (effect.type) {
      case 'dial':
        return this.#dial(effect.dial, effect.url)
      case 'hang-up':
        this.connection = undefined
        if (this.#socket !== undefined) network.hangUp(this.#socket, 0, 'the client hangs up')
        this.#socket = undefined
        return
      case 'identify': {
        const { key } = effect.hello
        if (key === undefined && this.#world.auth === 'key') {
          // What the gate would answer.
          const challenge = { server: '', connection: '', nonce: '' }
          return this.tell({ type: 'identity', dial: effect.dial, identity: this.#identity, challenge })
        }
        return this.#call(
          (dial, answer) => ({ type: 'identified', dial, answer: answer as Identified }),
          (connection, call) => ({
            type: 'identify',
            connection,
            user: this.user,
            protocol: 2,
            connections: true,
            call,
            ...(key === undefined ? {} : { credential: { kind: 'key' as const, key } }),
          }),
        )
      }
      case 'prove':
        return
      case 'ask-key': {
        const { user } = effect
        return this.#call(
          (dial, holder) => ({ type: 'key', dial, user, key: (holder as { key?: string }).key }),
          (connection, call) => ({ type: 'key', connection, user, call }),
        )
      }
      case 'pin':
        this.keys.set(effect.user, effect.key)
        return
      case 'im': {
        const { id } = effect.message
        ledger.sent(id)
        return this.#call(
          (dial, fate) => ({ type: 'fate', dial, id, fate: fate as Fate }),
          (connection, call) => ({ type: 'im', connection, message: effect.message, call }),
        )
      }
      case 'got':
        if (effect.count > this.#received) ledger.problem(`${this.name} confirms more than it received`)
        return this.#emit(connection => ({ type: 'got', connection, count: effect.count }))
      case 'ask-roster':
        return this.#call(
          (dial, snapshot) => ({ type: 'roster-snapshot', dial, snapshot: snapshot as RosterSnapshot }),
          (connection, call) => ({ type: 'roster', connection, call }),
        )
      case 'relay': {
        const { to, frame } = effect
        return this.#emit(connection => ({ type: 'relay', connection, to, body: frame }))
      }
      case 'store':
        this.history.set(effect.message.id, effect.message)
        return this.#composed(effect.message)
      case 'hold':
        this.outbox.set(effect.message.id, effect.message)
        return this.#composed(effect.message)
      case 'release':
        this.outbox.delete(effect.id)
        return
      case 'tell':
        return this.#show(effect.event)
    }
  }

  #dial(dial: number, url: string): void {
    const { network, servers } = this.#world
    const server = servers.find(one => one.url === url)
    if (server === undefined) return
    let connection = 0
    const socket = network.open(
      {
        process: this,
        closed: reason => {
          if (this.#socket === socket) this.connection = undefined
          this.tell({ type: 'closed', dial, reason })
        },
      },
      { process: server, closed: () => server.disconnected(connection) },
      true,
    )
    this.#socket = socket
    this.#received = 0
    network.send(socket, 0, () => {
      if (!server.running) return network.hangUp(socket, 1, 'refused')
      const tell = (input: SessionInput) => this.tell(input)
      const accepted: Accepted = { socket, dial, client: this.name, tell, written: new Map() }
      connection = server.accept(accepted)
      network.send(socket, 1, () => {
        if (this.#socket === socket) this.connection = { server, connection }
        this.tell({ type: 'opened', dial })
      })
    })
  }

  #emit(input: (connection: number) => Input): void {
    const { connection } = this
    if (connection === undefined || this.#socket === undefined) return
    this.#world.network.send(this.#socket, 0, () => connection.server.input(input(connection.connection)))
  }

  #call(
    answer: (dial: number, payload: unknown) => SessionInput,
    input: (connection: number, call: number) => Input,
  ): void {
    const server = this.connection?.server
    if (server !== undefined) this.#emit(connection => input(connection, server.call(answer)))
  }

  /** The screen: keeps what it is told, and looks whether it may be true. */
  #show(event: SessionEvent): void {
    const { ledger } = this.#world
    if (this.#keeps) this.events.push(event)
    const line = ledger.lines === undefined ? undefined : shown(event)
    if (line !== undefined) ledger.note(this.name, line)
    if (event.type === 'message') {
      const { message, origin } = event
      if (this.#shownIds.has(message.id)) ledger.problem(`${this.name} shows ${name(message)} twice`)
      this.#shownIds.add(message.id)
      this.shown.push(message)
      const heard = origin !== 'composed' && this.connection !== undefined
      if (heard && ledger.followed(message)) this.#behind = Math.max(this.#behind, message.at)
    } else if (event.type === 'progress' && event.progress.state === 'delivered') {
      ledger.told(this.name, event.id)
    } else if (event.type === 'roster') {
      if (ledger.gentle && event.left.length > 0) ledger.problem(`${this.name} sees ${event.left.join(', ')} flicker`)
      for (const user of event.left) this.#roster.delete(user)
      for (const user of event.joined) this.#roster.add(user)
      if (this.#roster.size !== event.users.size || [...event.users].some(user => !this.#roster.has(user))) {
        ledger.problem(`${this.name}: the roster is not what it was with those who joined and without those who left`)
      }
    }
  }

  #composed(message: Message): void {
    const { ledger } = this.#world
    if (message.from !== this.user || ledger.composed.has(message.id)) return
    ledger.composed.set(message.id, { message, at: this.timeline.now })
    ledger.note(this.name, `composes ${name(message)} at ${((message.at - WALL) / 1000).toFixed(3)}`)
    if (message.at <= this.#behind) ledger.problem(`${this.name}: ${name(message)} sorts before what it answers`)
    const ahead = message.at - WALL - this.timeline.now
    if (this.connection !== undefined && ahead <= SANE_SKEW_MS) this.#behind = Math.max(this.#behind, message.at)
  }
}
