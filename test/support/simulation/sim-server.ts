import type { SessionInput } from '../../../src/client/types.ts'
import { type AcceptorFrame, type DiallerFrame, presenceSchema } from '../../../src/protocol/frames.ts'
import { DEFAULT_LIMITS, type Limits } from '../../../src/protocol/limits.ts'
import type { IdentifyRequest, Message, ServerAddress } from '../../../src/protocol/messages.ts'
import { type ClaimTicket, claimTicketText } from '../../../src/protocol/proofs/claim-ticket.ts'
import type { AuthMode, Claim } from '../../../src/protocol/proofs/credentials.ts'
import { type MeshIdentity, NO_TLS, serverProofText } from '../../../src/protocol/proofs/mesh-identity.ts'
import { MeshServer } from '../../../src/server/server.ts'
import type { Effect, Input } from '../../../src/server/types.ts'
import { signatureOf } from '../mesh-signatures.ts'
import type { Network, SimSocket, TerminationMode } from './network.ts'
import { keyNamed } from './plain-identity.ts'
import type { Recorder } from './recorder.ts'
import { SimProcess } from './sim-process.ts'
import type { Timeline } from './timeline.ts'

const GRACE_MS = 5_000
/** How long a turn of the event loop takes, ms. */
const TURN_MS = 0.1
/** Time limit for dialling a peer, including the handshake, ms. */
const HANDSHAKE_TIMEOUT_MS = 4_000

/** The parts of a simulation that its processes share. */
export interface SimulationContext {
  readonly timeline: Timeline
  readonly network: Network
  readonly recorder: Recorder
  readonly random: () => number
  readonly servers: readonly SimServer[]
  /** Authentication mode of the servers. */
  readonly auth: AuthMode
  /** The key that the servers prove to clients. */
  readonly meshKey: string
  /** Limits of the servers that differ from the defaults. */
  readonly limits: Partial<Limits>
  /** Users and memberships of snapshots that a server applies in one turn of the event loop; undefined: the default. */
  readonly appliedPerTurn: number | undefined
  /** Users, and memberships, in one presence frame of a server; undefined: the default. */
  readonly entriesPerFrame: number | undefined
  /** The servers that one knows when it starts. */
  readonly initialPeers: (server: SimServer) => { peers: ServerAddress[]; seeds: string[] }
  /** Whether a server is of version 0.1, which has no process key. */
  readonly isLegacy: (server: SimServer) => boolean
  /** Called with each frame that a server sends to another. */
  readonly onFrame: (frame: DiallerFrame | AcceptorFrame) => void
  /** Whether clients start with the addresses of all servers, or learn them from the one that they dial. */
  readonly clientsKnowAllServers: boolean
}

/** The end of a link of a program that is not a server of the simulation. */
export interface Intruder {
  send(frame: DiallerFrame): void
  close(): void
}

type SessionInputHandler = (input: SessionInput) => void
type ToSessionInput = (dial: number, payload: unknown) => SessionInput

/** A server's view of a connected client. */
export interface ClientConnection {
  socket: SimSocket
  dial: number
  client: string
  user: string
  deliver: SessionInputHandler
  /** How often each message was written to the connection, by message id. */
  writeCounts: Map<string, number>
}

/** A server's end of a link; `incarnation` is the peer's. */
interface SimLink {
  socket: SimSocket
  /** 0: this server dialled it. */
  side: 0 | 1
  peer: SimServer
  /** The peer's number of the link. */
  link: number
  incarnation: string
  /** Frames that wait for the chunks of a snapshot before them; undefined: none is sent. */
  waiting?: (DiallerFrame | AcceptorFrame)[] | undefined
}

/** A frame as its receiver reads it. */
function unpacked(frame: DiallerFrame | AcceptorFrame): DiallerFrame | AcceptorFrame {
  const isPacked = frame.event === 'presence' && frame.payload.type === 'snapshot' && frame.payload.packed !== undefined
  return isPacked ? { event: 'presence', payload: presenceSchema.parse(frame.payload) } : frame
}

/** A server on the simulated network: performs the effects of its core. */
export class SimServer extends SimProcess {
  readonly #context: SimulationContext
  core: MeshServer | undefined
  /** Some turns of its event loop take this long, ms; undefined: none. */
  slowTurnMs: number | undefined
  #connections = new Map<number, ClientConnection>()
  #links = new Map<number, SimLink>()
  #calls = new Map<number, ToSessionInput>()
  #pendingHandshakes = new Map<number, (effect: Extract<Effect, { type: 'accept' | 'refuse' }>) => void>()
  #lastNumber = 0

  constructor(id: string, context: SimulationContext) {
    super(id, context.timeline)
    this.#context = context
  }

  get id(): string {
    return this.name
  }

  get url(): string {
    return `http://${this.id}:1`
  }

  /** Of the running process. Servers of 0.1 have one that is not the public key of the process. */
  get incarnation(): string {
    const name = `${this.id}#${this.generation}`
    return this.#context.isLegacy(this) ? name : keyNamed(name)
  }

  get #introduction() {
    return {
      id: this.id,
      incarnation: this.incarnation,
      protocol: 2,
      url: this.url,
      auth: this.#context.auth,
      ...(this.#context.isLegacy(this) ? {} : { rooms: true as const, compact: true as const }),
    }
  }

  protected get deadline(): number {
    return this.core?.deadline ?? Number.POSITIVE_INFINITY
  }

  protected get needsFlush(): boolean {
    return this.core?.needsFlush ?? false
  }

  protected nextTurnMs(): number {
    return this.slowTurnMs !== undefined && this.#context.random() < 0.5 ? this.slowTurnMs : TURN_MS
  }

  protected stepCore(type: 'tick' | 'flush'): void {
    this.step({ type })
  }

  boot(): void {
    this.markStarted()
    this.#lastNumber = 0
    this.#context.network.resetStaleSockets(this)
    const { incarnation } = this.#introduction
    const { peers, seeds } = this.#context.initialPeers(this)
    const { random, appliedPerTurn, entriesPerFrame } = this.#context
    this.core = new MeshServer({
      id: this.id,
      incarnation,
      url: this.url,
      peers,
      seeds,
      limits: { ...DEFAULT_LIMITS, ...this.#context.limits },
      graceMs: GRACE_MS,
      ...(appliedPerTurn === undefined ? {} : { appliedPerTurn }),
      ...(entriesPerFrame === undefined ? {} : { entriesPerFrame }),
      random,
      narrateMessages: false,
      auth: this.#context.auth,
    })
    this.step({ type: 'start' })
  }

  kill(mode: TerminationMode): void {
    this.markStopped()
    this.core = undefined
    this.#connections.clear()
    this.#links.clear()
    this.#calls.clear()
    this.#pendingHandshakes.clear()
    this.#context.network.terminate(this, mode)
  }

  step(input: Input): void {
    if (this.core === undefined) return
    for (const effect of this.core.step(input, this.timeline.now, this.wall)) this.#perform(effect)
    if (this.running) this.scheduleTickAndFlush()
  }

  /** A client has connected. Returns the number of its connection. */
  acceptClient(accepted: ClientConnection): number {
    const connection = ++this.#lastNumber
    this.#connections.set(connection, accepted)
    this.step({ type: 'connected', connection })
    return connection
  }

  handleDisconnect(connection: number): void {
    if (this.#connections.delete(connection)) this.step({ type: 'disconnected', connection })
  }

  /** The proof of its mesh for a client's nonce and the origin that the client dialled. */
  proveMesh({ nonce = '', origin = '' }: Pick<IdentifyRequest, 'nonce' | 'origin'>): MeshIdentity {
    const { id, incarnation, auth } = this.#introduction
    const { meshKey: key } = this.#context
    const text = serverProofText({ nonce, origin, auth, server: id, incarnation, channel: NO_TLS }, key)
    return { server: id, incarnation, auth, key, proof: signatureOf(key, text) }
  }

  /** The ticket of a user's claim. */
  signClaim(user: string, { key, at }: Claim): ClaimTicket {
    const { meshKey } = this.#context
    const signed = { at, issued: this.wall }
    return { ...signed, proof: signatureOf(meshKey, claimTicketText(user, key, signed, meshKey)) }
  }

  hasSigned(user: string, key: string, ticket: ClaimTicket): boolean {
    const { meshKey } = this.#context
    return ticket.proof === signatureOf(meshKey, claimTicketText(user, key, ticket, meshKey))
  }

  /** Registers a client's call. Returns its number; the core's answer to it goes through `answer`. */
  registerCall(answer: ToSessionInput): number {
    this.#calls.set(++this.#lastNumber, answer)
    return this.#lastNumber
  }

  /** Dials a peer. A call that the core did not request makes a duplicate handshake. */
  dial(peer: string): void {
    const { network, servers } = this.#context
    const to = servers.find(({ id, url }) => id === peer || url === peer)
    // An address without a server.
    if (to === undefined)
      return this.setTimer(HANDSHAKE_TIMEOUT_MS, () => this.step({ type: 'dial-failed', peer, reason: 'unreachable' }))
    let settled = false
    let localLink = 0
    let remoteLink = 0
    const fail = (reason: string) => {
      if (settled) return
      settled = true
      network.hangUp(socket, 0, reason)
      this.step({ type: 'dial-failed', peer, reason })
    }
    const closed = (reason: string) => {
      if (localLink === 0) fail(reason)
      else if (this.#links.delete(localLink)) this.step({ type: 'link-closed', link: localLink, reason })
    }
    const socket: SimSocket = network.open(
      { process: this, onClose: closed },
      {
        process: to,
        onClose: reason => {
          to.#pendingHandshakes.delete(remoteLink)
          if (to.#links.delete(remoteLink)) to.step({ type: 'link-closed', link: remoteLink, reason })
        },
      },
      false,
    )
    this.setTimer(HANDSHAKE_TIMEOUT_MS, () => fail('handshake timeout'))
    const introduction = this.#introduction
    network.send(socket, 0, () => {
      if (!to.running) return network.hangUp(socket, 1, 'refused')
      remoteLink = ++to.#lastNumber
      to.#pendingHandshakes.set(remoteLink, effect => {
        to.#pendingHandshakes.delete(remoteLink)
        if (effect.type === 'refuse') {
          const { code, message } = effect
          network.send(socket, 1, () => {
            if (settled) return
            settled = true
            this.step({ type: 'dial-failed', peer, reason: message, code })
          })
          return network.hangUp(socket, 1, message)
        }
        const acceptorIntroduction = to.#introduction
        const { incarnation } = introduction
        const link = { socket, side: 1 as const, peer: this as SimServer, link: 0, incarnation }
        to.#links.set(remoteLink, link)
        network.send(socket, 1, () => {
          if (settled) return
          settled = true
          localLink = ++this.#lastNumber
          link.link = localLink
          const { incarnation } = acceptorIntroduction
          this.#links.set(localLink, { socket, side: 0, peer: to, link: remoteLink, incarnation })
          this.step({ type: 'dialled', peer, link: localLink, introduction: acceptorIntroduction, holds: effect.holds })
        })
      })
      to.step({ type: 'accepted', link: remoteLink, introduction })
    })
  }

  /** The number of the open link that the running process of a peer has dialled; undefined: there is none. */
  linkFrom(peer: SimServer): number | undefined {
    for (const [number, link] of this.#links) {
      if (link.side === 1 && link.peer === peer && peer.running && link.incarnation === peer.incarnation) return number
    }
    return undefined
  }

  /** Requests a snapshot as after a gap. Returns false if the peer has no link to this server. */
  requestSnapshot(peer: SimServer): boolean {
    const link = this.#links.get(this.linkFrom(peer) ?? 0)
    if (link === undefined) return false
    const frame = { event: 'resync' as const, payload: null }
    const deliver = () => link.peer.step({ type: 'frame', link: link.link, frame })
    this.#context.network.send(link.socket, link.side, deliver, 'frame')
    return true
  }

  /**
   * A program that is not a server of the simulation dials in and has the secret of the mesh. Returns how it sends frames;
   * undefined: it is refused. A carrier rejects a process key that the program does not have.
   */
  acceptIntruder(introduction: { id: string; incarnation: string; url?: string }): Intruder | undefined {
    const link = ++this.#lastNumber
    let accepted = false
    this.#pendingHandshakes.set(link, effect => {
      this.#pendingHandshakes.delete(link)
      accepted = effect.type === 'accept'
    })
    this.step({ type: 'accepted', link, introduction: { ...introduction, protocol: 2, auth: this.#context.auth } })
    if (!accepted) return undefined
    return {
      send: frame => this.step({ type: 'frame', link, frame }),
      close: () => this.step({ type: 'link-closed', link, reason: 'the intruder leaves' }),
    }
  }

  #perform(effect: Effect): void {
    const { network, recorder } = this.#context
    switch (effect.type) {
      case 'emit':
        for (const connection of effect.to) this.#emit(connection, effect.message)
        return
      case 'answer': {
        const accepted = this.#connections.get(effect.connection)
        const answer = this.#calls.get(effect.call)
        this.#calls.delete(effect.call)
        if (accepted === undefined || answer === undefined) return
        return network.send(accepted.socket, 1, () => accepted.deliver(answer(accepted.dial, effect.payload)))
      }
      case 'close': {
        const socket = this.#connections.get(effect.connection)?.socket
        if (socket === undefined) return
        network.hangUp(socket, 1, effect.reason)
        return this.setTimer(0, () => this.handleDisconnect(effect.connection))
      }
      case 'dial':
        return this.dial(effect.peer)
      case 'accept':
      case 'refuse':
        return this.#pendingHandshakes.get(effect.link)?.(effect)
      case 'send': {
        const link = this.#links.get(effect.link)
        if (link === undefined) return
        if (link.waiting === undefined) return this.#send(link, effect.frame)
        link.waiting.push(effect.frame)
        return
      }
      case 'hang-up': {
        const link = this.#links.get(effect.link)
        this.#links.delete(effect.link)
        if (link !== undefined) network.hangUp(link.socket, link.side, effect.reason)
        return
      }
      case 'exit':
        recorder.log(this.id, `exits: ${effect.reason}`)
        if (effect.code !== 0) recorder.addProblem(`${this.id} exits with code ${effect.code}: ${effect.reason}`)
        return this.setTimer(0, () => this.kill('orderly'))
      case 'log': {
        if (recorder.lines === undefined) return
        const { event, ...rest } = effect.entry
        recorder.log(this.id, [event.replaceAll('-', ' '), ...Object.values(rest)].join(' '))
      }
    }
  }

  /** Sends a frame. The chunks of a snapshot are made and sent one in each turn, and what follows them waits, as in every carrier. */
  #send(link: SimLink, sent: DiallerFrame | AcceptorFrame): void {
    const frame = unpacked(sent)
    this.#context.onFrame(frame)
    const deliver = () => link.peer.step({ type: 'frame', link: link.link, frame })
    this.#context.network.send(link.socket, link.side, deliver, 'frame')
    if (!('isChunk' in sent)) return
    const waiting = link.waiting ?? []
    link.waiting = waiting
    this.setTimer(this.nextTurnMs(), () => {
      link.waiting = undefined
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        if ('isChunk' in next) link.waiting = waiting
        this.#send(link, next)
        if (link.waiting !== undefined) return
      }
    })
  }

  #emit(connection: number, message: Extract<Effect, { type: 'emit' }>['message']): void {
    const accepted = this.#connections.get(connection)
    if (accepted === undefined) return
    // The client detects a lost delta when the next one arrives.
    const isDelta = message.event === 'roster' || (message.event === 'room' && 'version' in message.payload)
    if (isDelta && this.#context.network.isLossy && this.#context.random() < 0.1) return
    if (message.event === 'im') this.#countWrite(accepted, message.payload)
    if (message.event === 'typing')
      this.#context.recorder.checkTyping(`${this.id} to ${accepted.client}`, accepted.user, message.payload)
    const input = toSessionInput(message, accepted.dial)
    if (input !== undefined) this.#context.network.send(accepted.socket, 1, () => accepted.deliver(input))
  }

  #countWrite(accepted: ClientConnection, message: Message): void {
    const times = (accepted.writeCounts.get(message.id) ?? 0) + 1
    accepted.writeCounts.set(message.id, times)
    this.#context.recorder.checkWrite(`${this.id} to ${accepted.client}`, message, times)
  }
}

/** The input that a client's session gets for an event from its server; undefined: none. */
function toSessionInput(message: Extract<Effect, { type: 'emit' }>['message'], dial: number): SessionInput | undefined {
  switch (message.event) {
    case 'im':
      return { type: 'im', dial, message: message.payload }
    case 'roster':
      return { type: 'roster', dial, delta: message.payload }
    case 'view':
      return { type: 'view', dial, change: message.payload }
    case 'connections':
      return { type: 'connections', dial, changes: message.payload }
    case 'siblings':
      return { type: 'siblings', dial, ...message.payload }
    case 'receipts':
      return { type: 'receipts', dial, receipts: message.payload }
    case 'move':
      return { type: 'move', dial, ...message.payload }
    case 'time':
      return { type: 'time', dial, ...message.payload }
    case 'room':
      return { type: 'room', dial, event: message.payload }
    case 'typing':
      return { type: 'typing', dial, notice: message.payload }
    case 'relay': {
      if ('room' in message.payload) {
        const { room, user, from } = message.payload
        const body = message.payload.body as Pick<Extract<SessionInput, { type: 'room-relay' }>, 'frame' | 'mesh'>
        return { type: 'room-relay', dial, room, user, from, ...body }
      }
      const body = message.payload.body as Pick<Extract<SessionInput, { type: 'relay' }>, 'frame' | 'mesh' | 'sealed'>
      return { type: 'relay', dial, from: message.payload.from, ...body }
    }
    default:
      return undefined
  }
}
