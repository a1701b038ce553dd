import type { Server, Socket } from 'socket.io'
import { clampTime } from '../src/common/time.ts'
import type { ClaimTicket } from '../src/protocol/claim-ticket.ts'
import type { AuthMode, Challenge, Credential } from '../src/protocol/credentials.ts'
import { parseComposedMessage } from '../src/protocol/guards.ts'
import { type MeshIdentity, proofVersionOf } from '../src/protocol/mesh-identity.ts'
import {
  type IdentifyRequest,
  type IdentifyResponse,
  identifyRequestSchema,
  legacyMessageSchema,
  type Refusal,
  receivedCountSchema,
  relayRequestSchema,
} from '../src/protocol/messages.ts'
import { parseUserName } from '../src/protocol/names.ts'
import type { MeshServer } from '../src/server/server.ts'
import type { ClientEffect, Denial, HeldName, Input } from '../src/server/types.ts'
import { checkProof, makeChallenge } from './auth/challenge.ts'
import type { MeshProver, RequestedProof } from './auth/mesh-prover.ts'
import { checkToken, type TokenKey } from './auth/tokens.ts'
import type { Log } from './log/log.ts'
import { MalformedPayloads } from './log/malformed-payloads.ts'
import { Backpressure } from './transport/backpressure.ts'
import type { ConnectionBudget } from './transport/budgets/connection-budget.ts'
import { tlsExporterOf } from './transport/internals.ts'
import { EventReader } from './transport/packets/event-reader.ts'
import { FrameBatch } from './transport/packets/frame-batch.ts'
import { imPacket } from './transport/packets/im-packets.ts'
import { Packet } from './transport/packets/packet.ts'
import { identifiedPacket, packedDelta, rosterPacket } from './transport/packets/roster-packets.ts'
import { releaseRequest } from './transport/release-request.ts'

/**
 * A client's connection. Members that most connections never need are created on first use.
 */
interface Client {
  readonly connection: number
  readonly socket: Socket
  readonly batch: FrameBatch
  /** Acknowledgement functions of calls that came through Socket.IO's decoder, by negative numbers. */
  pendingCalls: Map<number, (payload: unknown) => void> | undefined
  /** Counts its malformed payloads. */
  countMalformed: ((event: string) => void) | undefined
  /** The challenge that it must sign, in key mode. */
  challenge: Challenge | undefined
  /** Whether it accepts packed rosters and deltas. */
  acceptsPacked: boolean
  /** What its connection may use. */
  readonly budget: ConnectionBudget
  /** The mesh proof that it asks for; undefined for a client of 0.1. */
  meshProof: RequestedProof | undefined
}

/** The call of an `identify` sent in Socket.IO's `auth`, while connecting: the event `identified` answers it. */
const CONNECT_CALL = -1

/** How the server of this id authenticates users. */
export interface AuthOptions {
  server: string
  mode: AuthMode
  /** Checks tokens. */
  tokenKey: TokenKey | undefined
  /** Proves the mesh to clients. */
  mesh: MeshProver
}

/** What the gateway asks the core. */
export type CoreQueries = Pick<MeshServer, 'isIdentified' | 'isClaimKnown'>

/**
 * Handles an event. `call` is the number of the acknowledgement that the client asks for: its own where `EventReader`
 * read the event, a negative one where Socket.IO did. Returns false for a malformed payload.
 */
type EventHandler = (client: Client, payload: unknown, call: number | undefined) => boolean

/** Clients' connections, on the default namespace: validates each payload, then passes it to the core. */
export class ClientGateway {
  readonly #step: (input: Input) => void
  readonly #auth: AuthOptions
  readonly #malformed: MalformedPayloads
  readonly #onPending: () => void
  readonly #core: CoreQueries
  #clients = new Map<number, Client>()
  /** Connections with packets to send at the end of this turn. */
  #pendingBatches: FrameBatch[] = []
  #lastNumber = 0
  readonly #onBatchPending = (batch: FrameBatch) => {
    this.#pendingBatches.push(batch)
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
    this.#core = core
    this.#step = step
    this.#auth = auth
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

  /** Sends the packets of this turn, in one write per connection. */
  flush(): void {
    const batches = this.#pendingBatches
    this.#pendingBatches = []
    for (const batch of batches) batch.flush()
  }

  perform(effect: ClientEffect): void {
    if (effect.type === 'answer') {
      const client = this.#clients.get(effect.connection)
      if (client !== undefined) this.#answer(client, effect.call, effect.payload)
    } else if (effect.type === 'close') {
      const socket = this.#clients.get(effect.connection)?.socket
      if (socket === undefined) return
      socket.disconnect()
      Backpressure.of(socket.conn).close()
    } else if (effect.type === 'emit') {
      const { message } = effect
      const packet = new Packet(message.event === 'im' ? imPacket(message.payload) : eventPacket(message))
      const packed = (message.event === 'roster' ? packedDelta(message.payload) : undefined) ?? packet
      for (const id of effect.to) {
        const client = this.#clients.get(id)
        client?.batch.add(client.acceptsPacked ? packed : packet)
      }
    }
  }

  #onConnection(socket: Socket): void {
    const identifyPayload: unknown = socket.handshake.auth.identify
    releaseRequest(socket)
    const connection = ++this.#lastNumber
    const backpressure = Backpressure.of(socket.conn)
    const { budget } = backpressure
    const batch = new FrameBatch(socket.conn, this.#onBatchPending, backpressure)
    const client: Client = {
      connection,
      socket,
      batch,
      pendingCalls: undefined,
      countMalformed: undefined,
      challenge: undefined,
      acceptsPacked: false,
      budget,
      meshProof: undefined,
    }
    this.#clients.set(connection, client)
    this.#step({ type: 'connected', connection, address: budget.address.key })
    socket.onAny((event: string, ...args: unknown[]) => this.#handleSocketIoEvent(client, event, args))
    const reader = EventReader.of(socket.conn)
    if (reader !== undefined) {
      reader.onEvent = (event, payload, call) =>
        this.#clients.has(connection) && this.#handleEvent(client, event, payload, call)
    }
    socket.on('disconnect', () => {
      if (reader !== undefined) reader.onEvent = undefined
      this.#clients.delete(connection)
      this.#step({ type: 'disconnected', connection })
    })
    if (identifyPayload === undefined) return
    this.#handleEvent(client, 'identify', identifyPayload, CONNECT_CALL)
    batch.flush()
  }

  /** Handles an event that came through Socket.IO's decoder. */
  #handleSocketIoEvent(client: Client, event: string, args: readonly unknown[]): void {
    const acknowledge = args.at(-1)
    const payload = typeof args[0] === 'function' ? undefined : args[0]
    if (typeof acknowledge !== 'function') return void this.#handleEvent(client, event, payload, undefined)
    const call = -++this.#lastNumber
    client.pendingCalls ??= new Map()
    client.pendingCalls.set(call, payload => acknowledge(payload))
    if (!this.#handleEvent(client, event, payload, call)) client.pendingCalls.delete(call)
  }

  /** False: unknown event. */
  #handleEvent(client: Client, event: string, payload: unknown, call: number | undefined): boolean {
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

  #identify: EventHandler = (client, payload, call) => {
    const { connection } = client
    const calling = call === undefined ? {} : { call }
    const request = identifyRequestSchema.safeParse(payload)
    if (!request.success && typeof payload !== 'string') return false
    if (!request.success) {
      this.#step({ type: 'identify', connection, user: payload, protocol: 1, ...calling })
      if (this.#core.isIdentified(connection)) client.budget.markIdentified()
      return true
    }
    if (!this.#rememberMeshProof(client, request.data)) return false
    const { user, connections = false, origin } = request.data
    client.acceptsPacked = request.data.packed === true
    const step = (more: { credential?: Credential; denial?: Denial } = {}) => {
      this.#step({ type: 'identify', connection, user, protocol: 2, connections, ...more, ...calling })
      if (this.#core.isIdentified(connection)) client.budget.markIdentified()
    }
    const { mode, tokenKey, mesh } = this.#auth
    const hasCredential = mode === 'key' ? request.data.proof !== undefined : request.data.token !== undefined
    if (origin !== undefined && !mesh.isOwnOrigin(origin)) {
      const message = `this server is not known as ${origin}; its operator can list it under "names" in the config`
      step({ denial: { code: 'wrong-origin', message } })
    } else if (client.meshProof?.channel === 'unknown') {
      const message = 'this nonce binds the proof to TLS; connect by WebSocket with TLS 1.3'
      step({ denial: { code: 'bad-payload', message } })
    } else if (hasCredential && !client.budget.takeCredential()) {
      const reason = 'too many proofs or tokens on this connection; reconnect to try again'
      step({ credential: { kind: 'invalid', reason } })
    } else if (hasCredential && client.budget.address.takeCredential(performance.now()) > 0) {
      // Without an answer: a refusal would be final for the client, and it may have done nothing wrong.
      client.budget.exceed(`too many proofs or tokens from ${client.budget.address.key}`)
    } else if (mode === 'key' && call !== undefined)
      this.#checkKey(client, request.data, call, credential => step({ credential }))
    else if (tokenKey !== undefined && request.data.token !== undefined)
      void checkToken(tokenKey, request.data.token).then(credential => step({ credential }))
    else if (mode === 'token' && origin !== undefined && call !== undefined) {
      // The client sends its token once the server has proven the mesh.
      const message = 'this mesh authenticates users by tokens; send one'
      this.#answer(client, call, { ok: false, code: 'prove-token', message })
    } else step()
    return true
  }

  /** Sends a challenge, or checks the proof that answers one. */
  #checkKey(
    client: Client,
    { user, key, proof, proofVersion, claim }: IdentifyRequest,
    call: number,
    step: (credential: Credential) => void,
  ): void {
    if (key === undefined || proof === undefined) {
      client.challenge = makeChallenge(this.#auth.server, client.connection)
      const message = 'this mesh authenticates users by keys; sign the challenge'
      return this.#answer(client, call, { ok: false, code: 'prove-key', message, challenge: client.challenge })
    }
    // Each challenge is valid for one attempt.
    const { challenge, meshProof } = client
    client.challenge = undefined
    // A client that has asked for the mesh proof binds its own proof to the mesh: no server can pass it on elsewhere.
    const binding = meshProof && this.#auth.mesh.bindingOf(meshProof)
    if (proofVersion !== (binding && proofVersionOf(binding)))
      return step({ kind: 'invalid', reason: 'the proof does not have the version for this identification' })
    const credential = checkProof(user, key, proof, challenge, binding)
    const isTicketValid = credential.kind === 'key' && claim !== undefined && this.#checkTicket(user, key, claim)
    step(isTicketValid ? { ...credential, ticket: claim } : credential)
  }

  /** Whether a client shows a ticket of its claim that this server needs: the signature is checked only then. */
  #checkTicket(user: string, key: string, ticket: ClaimTicket): boolean {
    const name = parseUserName(user)
    if (!name.ok || this.#core.isClaimKnown(name.value, { key, at: ticket.at })) return false
    return this.#auth.mesh.hasSigned(name.value, key, ticket)
  }

  /** Sends the answer to a call; answers to `identify` get the mesh proof that the client asked for. */
  #answer(client: Client, call: number, payload: Answer): void {
    if ('claim' in payload) return sendAnswer(client, call, this.#signClaim(payload))
    sendAnswer(client, call, needsMeshProof(payload) ? { ...payload, ...this.#proveMesh(client) } : payload)
    if (!isIdentified(payload)) return
    // An identified connection keeps no proof; the core limits how often it may identify again.
    client.meshProof = undefined
    // The answer may come later than the step of the identification.
    client.budget.markIdentified()
  }

  #signClaim({ user, claim }: HeldName): { ok: true; claim?: ClaimTicket } {
    const ticket = claim && this.#auth.mesh.signClaim(user, claim, clampTime(Date.now()))
    return { ok: true, ...(ticket === undefined ? {} : { claim: ticket }) }
  }

  /** The proof for a connection is made once: it costs more CPU time than any other part of an answer. */
  #proveMesh({ meshProof }: Client): { mesh?: MeshIdentity } {
    if (meshProof === undefined) return {}
    meshProof.identity ??= this.#auth.mesh.prove(meshProof)
    return { mesh: meshProof.identity }
  }

  /**
   * Notes the mesh proof that a client asks for. Returns false if it asks for a second one with another nonce or origin:
   * a connection gets one.
   */
  #rememberMeshProof(client: Client, { nonce, origin }: IdentifyRequest): boolean {
    if (nonce === undefined || origin === undefined) return nonce === origin
    client.meshProof ??= {
      nonce,
      origin,
      channel: this.#auth.mesh.channelFor(nonce, origin, () => tlsExporterOf(client.socket.conn)),
      identity: undefined,
    }
    return client.meshProof.nonce === nonce && client.meshProof.origin === origin
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
    const { connection, budget } = client
    const retryAfter = budget.isIdentified ? 0 : budget.address.takeRoster(performance.now())
    if (retryAfter === 0) this.#step({ type: 'roster', connection, call })
    else {
      const message = `too many rosters for ${budget.address.key}; identify, or retry in ${retryAfter} ms`
      sendAnswer(client, call, { ok: false, code: 'rate-limited', message, retryAfter })
    }
    return true
  }

  #key: EventHandler = ({ connection }, user, call) => {
    if (call !== undefined) this.#step({ type: 'key', connection, user, call })
    return call !== undefined
  }

  #claim: EventHandler = ({ connection }, _, call) => {
    if (call !== undefined) this.#step({ type: 'claim', connection, call })
    return call !== undefined
  }

  #survey: EventHandler = ({ connection }, _, call) => {
    if (call !== undefined) this.#step({ type: 'survey', connection, call })
    return call !== undefined
  }

  /** Has no answer, either. */
  #relay: EventHandler = ({ connection }, payload, call) => {
    const request = relayRequestSchema.safeParse(payload)
    if (!request.success || call !== undefined) return false
    this.#step({ type: 'relay', connection, to: request.data.to, body: request.data.body })
    return true
  }

  /** In a `Map`, so that an event named `__proto__` finds nothing. */
  readonly #handlers: ReadonlyMap<string, EventHandler> = new Map([
    ['identify', this.#identify],
    ['im', this.#im],
    ['got', this.#got],
    ['roster', this.#roster],
    ['key', this.#key],
    ['claim', this.#claim],
    ['relay', this.#relay],
    ['survey', this.#survey],
  ])
}

type Answer = Extract<ClientEffect, { type: 'answer' }>['payload']
/** An answer on the wire. */
type SentAnswer = Exclude<Answer, HeldName> | { ok: true; claim?: ClaimTicket }

/** Whether a payload answers an accepted `identify`. */
function isIdentified(payload: SentAnswer): payload is Extract<IdentifyResponse, { ok: true }> {
  return 'roster' in payload
}

/** Whether the client must know the mesh before it continues. */
function needsMeshProof(payload: Answer): payload is IdentifyResponse {
  return (
    isIdentified(payload) || ('code' in payload && (payload.code === 'prove-key' || payload.code === 'prove-token'))
  )
}

function sendAnswer({ batch, pendingCalls, acceptsPacked }: Client, call: number, payload: SentAnswer): void {
  if (call < CONNECT_CALL) {
    pendingCalls?.get(call)?.(payload)
    pendingCalls?.delete(call)
  } else if (isIdentified(payload)) {
    batch.add(identifiedPacket(call === CONNECT_CALL ? '2["identified",' : `3${call}[`, payload, acceptsPacked))
  } else if (call === CONNECT_CALL) batch.add(new Packet(eventPacket({ event: 'identified', payload })))
  else if ('users' in payload) batch.add(rosterPacket(call, payload, acceptsPacked))
  else batch.add(new Packet(`3${call}${JSON.stringify([payload])}`))
}

/** An event of Socket.IO's default namespace. */
function eventPacket({ event, payload }: { event: string; payload: unknown }): string {
  return `2${JSON.stringify([event, payload])}`
}
