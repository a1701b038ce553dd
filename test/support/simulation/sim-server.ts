import type { SessionInput } from '../../../src/client/types.ts'
import type { AuthMode } from '../../../src/protocol/credentials.ts'
import { DEFAULT_LIMITS } from '../../../src/protocol/limits.ts'
import type { Message, ServerAddress } from '../../../src/protocol/messages.ts'
import { MeshServer } from '../../../src/server/server.ts'
import type { Effect, Input } from '../../../src/server/types.ts'
import type { Ledger } from './ledger.ts'
import type { Death, Network, Socket } from './network.ts'
import { Process } from './sim-process.ts'
import type { Timeline } from './timeline.ts'

const GRACE_MS = 5_000
/** How long a dial of a peer and its handshake may take, ms. */
const HANDSHAKE_MS = 4_000

/** What a simulation shares. */
export interface World {
  readonly timeline: Timeline
  readonly network: Network
  readonly ledger: Ledger
  readonly random: () => number
  readonly servers: readonly SimServer[]
  /** How servers know their users. */
  readonly auth: AuthMode
  /** Which servers one knows when it starts. */
  readonly knows: (server: SimServer) => { peers: ServerAddress[]; seeds: string[] }
  /** Whether clients are given the addresses of all servers, or learn them from the one that they dial. */
  readonly wellKnown: boolean
}

type Tell = (input: SessionInput) => void
type Answer = (dial: number, payload: unknown) => SessionInput

/** What a client's program has of a server: its side of a connection. */
export interface Accepted {
  socket: Socket
  dial: number
  client: string
  tell: Tell
  /** How often each message was written to it. */
  written: Map<string, number>
}

/** A server on the simulated network: performs the effects of its core. */
export class SimServer extends Process {
  readonly #world: World
  core: MeshServer | undefined
  #connections = new Map<number, Accepted>()
  #links = new Map<number, { socket: Socket; side: 0 | 1; peer: SimServer; link: number }>()
  #calls = new Map<number, Answer>()
  #welcomes = new Map<number, (effect: Extract<Effect, { type: 'accept' | 'refuse' }>) => void>()
  #numbers = 0

  constructor(id: string, world: World) {
    super(id, world.timeline)
    this.#world = world
  }

  get id(): string {
    return this.name
  }

  get url(): string {
    return `http://${this.id}:1`
  }

  get #introduction() {
    return { id: this.id, incarnation: `${this.id}#${this.life}`, protocol: 2, url: this.url, auth: this.#world.auth }
  }

  protected get deadline(): number {
    return this.core?.deadline ?? Number.POSITIVE_INFINITY
  }

  protected get gathered(): boolean {
    return this.core?.gathered ?? false
  }

  protected beat(type: 'tick' | 'flush'): void {
    this.input({ type })
  }

  boot(): void {
    this.begin()
    this.#numbers = 0
    this.#world.network.deny(this)
    const { incarnation } = this.#introduction
    const { peers, seeds } = this.#world.knows(this)
    const { random } = this.#world
    this.core = new MeshServer({
      id: this.id,
      incarnation,
      url: this.url,
      peers,
      seeds,
      limits: DEFAULT_LIMITS,
      graceMs: GRACE_MS,
      random,
      narrateMessages: false,
      auth: this.#world.auth,
    })
    this.input({ type: 'start' })
  }

  kill(death: Death): void {
    this.end()
    this.core = undefined
    this.#connections.clear()
    this.#links.clear()
    this.#calls.clear()
    this.#welcomes.clear()
    this.#world.network.die(this, death)
  }

  input(input: Input): void {
    if (this.core === undefined) return
    for (const effect of this.core.step(input, this.timeline.now, this.wall)) this.#perform(effect)
    if (this.running) this.stepped()
  }

  /** A client's program has reached this one; answers with the number of the connection. */
  accept(accepted: Accepted): number {
    const connection = ++this.#numbers
    this.#connections.set(connection, accepted)
    this.input({ type: 'connected', connection })
    return connection
  }

  disconnected(connection: number): void {
    if (this.#connections.delete(connection)) this.input({ type: 'disconnected', connection })
  }

  /** Keeps how a call of a client is to be answered. */
  call(answer: Answer): number {
    this.#calls.set(++this.#numbers, answer)
    return this.#numbers
  }

  /** Dials a peer; called once more than the core wants, it makes a duplicate handshake. */
  dial(peer: string): void {
    const { network, servers } = this.#world
    const to = servers.find(({ id, url }) => id === peer || url === peer)
    if (to === undefined) return
    let settled = false
    let mine = 0
    let theirs = 0
    const ends = (reason: string) => {
      if (settled) return
      settled = true
      network.hangUp(socket, 0, reason)
      this.input({ type: 'dial-failed', peer, reason })
    }
    const closed = (reason: string) => {
      if (mine === 0) ends(reason)
      else if (this.#links.delete(mine)) this.input({ type: 'link-closed', link: mine, reason })
    }
    const socket: Socket = network.open(
      { process: this, closed },
      {
        process: to,
        closed: reason => {
          to.#welcomes.delete(theirs)
          if (to.#links.delete(theirs)) to.input({ type: 'link-closed', link: theirs, reason })
        },
      },
      false,
    )
    this.timer(HANDSHAKE_MS, () => ends('no answer to the handshake'))
    const introduction = this.#introduction
    network.send(socket, 0, () => {
      if (!to.running) return network.hangUp(socket, 1, 'refused')
      theirs = ++to.#numbers
      to.#welcomes.set(theirs, effect => {
        to.#welcomes.delete(theirs)
        if (effect.type === 'refuse') {
          const { code, message } = effect
          network.send(socket, 1, () => {
            if (settled) return
            settled = true
            this.input({ type: 'dial-failed', peer, reason: message, code })
          })
          return network.hangUp(socket, 1, message)
        }
        const met = to.#introduction
        const link = { socket, side: 1 as const, peer: this as SimServer, link: 0 }
        to.#links.set(theirs, link)
        network.send(socket, 1, () => {
          if (settled) return
          settled = true
          mine = ++this.#numbers
          link.link = mine
          this.#links.set(mine, { socket, side: 0, peer: to, link: theirs })
          this.input({ type: 'dialled', peer, link: mine, introduction: met, holds: effect.holds })
        })
      })
      to.input({ type: 'accepted', link: theirs, introduction })
    })
  }

  #perform(effect: Effect): void {
    const { network, ledger } = this.#world
    switch (effect.type) {
      case 'emit':
        for (const connection of effect.to) this.#emit(connection, effect.message)
        return
      case 'answer': {
        const accepted = this.#connections.get(effect.connection)
        const answer = this.#calls.get(effect.call)
        this.#calls.delete(effect.call)
        if (accepted === undefined || answer === undefined) return
        return network.send(accepted.socket, 1, () => accepted.tell(answer(accepted.dial, effect.payload)))
      }
      case 'close': {
        const socket = this.#connections.get(effect.connection)?.socket
        if (socket === undefined) return
        network.hangUp(socket, 1, effect.reason)
        return this.timer(0, () => this.disconnected(effect.connection))
      }
      case 'dial':
        return this.dial(effect.peer)
      case 'accept':
      case 'refuse':
        return this.#welcomes.get(effect.link)?.(effect)
      case 'send': {
        const link = this.#links.get(effect.link)
        if (link === undefined) return
        const { frame } = effect
        const deliver = () => link.peer.input({ type: 'frame', link: link.link, frame })
        return network.send(link.socket, link.side, deliver, 'frame')
      }
      case 'hang-up': {
        const link = this.#links.get(effect.link)
        this.#links.delete(effect.link)
        if (link !== undefined) network.hangUp(link.socket, link.side, effect.reason)
        return
      }
      case 'exit':
        ledger.note(this.id, `exits: ${effect.reason}`)
        if (effect.code !== 0) ledger.problem(`${this.id} ended by itself: ${effect.reason}`)
        return this.timer(0, () => this.kill('orderly'))
      case 'log': {
        if (ledger.lines === undefined) return
        const { event, ...rest } = effect.note
        ledger.note(this.id, [event.replaceAll('-', ' '), ...Object.values(rest)].join(' '))
      }
    }
  }

  #emit(connection: number, message: Extract<Effect, { type: 'emit' }>['message']): void {
    const accepted = this.#connections.get(connection)
    if (accepted === undefined) return
    // A lost change of the roster shows with the next one.
    if (message.event === 'roster' && this.#world.network.lossy && this.#world.random() < 0.1) return
    if (message.event === 'im') this.#count(accepted, message.payload)
    const input = asInput(message, accepted.dial)
    if (input !== undefined) this.#world.network.send(accepted.socket, 1, () => accepted.tell(input))
  }

  #count(accepted: Accepted, message: Message): void {
    const times = (accepted.written.get(message.id) ?? 0) + 1
    accepted.written.set(message.id, times)
    this.#world.ledger.written(`${this.id} to ${accepted.client}`, message, times)
  }
}

/** What a client's session is told of an event from its server. */
function asInput(message: Extract<Effect, { type: 'emit' }>['message'], dial: number): SessionInput | undefined {
  switch (message.event) {
    case 'im':
      return { type: 'im', dial, message: message.payload }
    case 'roster':
      return { type: 'roster', dial, delta: message.payload }
    case 'connections':
      return { type: 'connections', dial, changes: message.payload }
    case 'siblings':
      return { type: 'siblings', dial, ...message.payload }
    case 'move':
      return { type: 'move', dial, ...message.payload }
    case 'relay': {
      const frame = message.payload.body as Extract<SessionInput, { type: 'relay' }>['frame']
      return { type: 'relay', dial, from: message.payload.from, frame }
    }
    default:
      return undefined
  }
}
