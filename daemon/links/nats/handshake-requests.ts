import { errors, type Msg, type NatsConnection } from '@nats-io/transport-node'
import type * as z from 'zod'
import type { LinkRefusal, PeerIdentity, probeResponseSchema, StreamPosition } from '../../../src/protocol/frames.ts'
import { exceeds, type Limits } from '../../../src/protocol/limits.ts'
import type { Effect } from '../../../src/server/types.ts'
import { HANDSHAKE_TIMEOUT_MS } from '../carrier.ts'
import {
  checkDiallerProof,
  createProof,
  createWelcome,
  type DiallerProof,
  DiallingSecrets,
  isExpectedId,
  type LinkCredentials,
  newParty,
  type Party,
  proveDialler,
  readWelcome,
  type Welcome,
} from '../handshake.ts'
import { challengeSchema, handshakeRequestSchema, parseJson, SUBJECTS } from './envelopes.ts'
import type { NatsClient } from './nats-client.ts'

export interface HandshakeRequestsOptions {
  self: PeerIdentity
  credentials: LinkCredentials
  limits: Limits
  nats: Pick<NatsClient, 'connection'>
  /** Counts diallers whose signature is not valid. */
  onBadSignature: (dialler: Party) => void
  /** Called for a dialler that has proven `secret`; call `answer` with the core's decision. */
  onProven: (
    dialler: Party,
    link: string,
    secret: string,
    answer: (effect: Extract<Effect, { type: 'accept' | 'refuse' }>) => void,
  ) => void
}

/** The result of a dial: the name of the link and the secret that both sides have, or the reason for the failure. */
export type DialResult =
  | { ok: true; link: string; secret: string; acceptor: Party; holds: StreamPosition }
  | { ok: false; reason: string; code?: LinkRefusal }

/** What is used of a NATS message. */
type RequestMessage = Pick<Msg, 'data' | 'respond'>

interface PendingHandshake {
  dialler: Party
  acceptor: Party
  timer: NodeJS.Timeout
}

/** Handshakes over the backbone, as NATS requests; the proofs are the same as over sockets. */
export class HandshakeRequests {
  readonly #options: HandshakeRequestsOptions
  readonly #diallingSecrets: DiallingSecrets
  /** Challenged diallers that have not sent a proof yet, oldest first, by the name of the future link. */
  #pendingHandshakes = new Map<string, PendingHandshake>()

  constructor(options: HandshakeRequestsOptions) {
    this.#options = options
    this.#diallingSecrets = new DiallingSecrets(options.credentials, options.limits.peers)
  }

  /** The number of handshakes under way. */
  get pending(): number {
    return this.#pendingHandshakes.size
  }

  async dial(id: string): Promise<DialResult> {
    const { self, credentials } = this.#options
    const dialler = newParty(self)
    const secret = this.#diallingSecrets.secretFor(id)
    try {
      const challenge = challengeSchema.safeParse(await this.#request(id, { dialler }))
      if (!challenge.success) return { ok: false, reason: 'invalid challenge' }
      const { acceptor } = challenge.data
      if (!isExpectedId(id, acceptor.id)) return { ok: false, reason: `another server answers: ${acceptor.id}` }
      const link = acceptor.nonce
      const proven = proveDialler(secret, credentials.processKey, dialler, acceptor)
      const proof = typeof proven === 'string' ? { proof: proven } : proven
      const welcome = readWelcome(secret, dialler, acceptor, await this.#request(acceptor.id, { link, ...proof }))
      if (welcome.ok) return { ok: true, link, secret, acceptor, holds: welcome.holds }
      if (welcome.code === 'wrong-secret') this.#diallingSecrets.recordWrongSecret(id)
      return welcome
    } catch (error) {
      return { ok: false, reason: reasonOf(error) }
    }
  }

  /** Handles a handshake request. Invalid requests, and proofs for another instance of this id, get no response. */
  handleRequest(message: RequestMessage): void {
    const request = handshakeRequestSchema.safeParse(read(message))
    if (!request.success) return
    if ('dialler' in request.data) this.#sendChallenge(message, request.data.dialler)
    else this.#checkProof(message, request.data.link, request.data)
  }

  close(): void {
    for (const { timer } of this.#pendingHandshakes.values()) clearTimeout(timer)
    this.#pendingHandshakes.clear()
  }

  #sendChallenge(message: RequestMessage, dialler: Party): void {
    const { self, limits } = this.#options
    // The oldest makes room, so silent diallers cannot block others.
    const [oldest] = this.#pendingHandshakes.keys()
    if (oldest !== undefined && exceeds(this.#pendingHandshakes.size + 1, limits.handshakes)) this.#abandon(oldest)
    const acceptor = newParty(self)
    const timer = setTimeout(() => this.#pendingHandshakes.delete(acceptor.nonce), HANDSHAKE_TIMEOUT_MS)
    this.#pendingHandshakes.set(acceptor.nonce, { dialler, acceptor, timer })
    respond(message, { acceptor })
  }

  /** Removes a pending handshake and its timer. */
  #abandon(link: string): PendingHandshake | undefined {
    const pending = this.#pendingHandshakes.get(link)
    clearTimeout(pending?.timer)
    this.#pendingHandshakes.delete(link)
    return pending
  }

  #checkProof(message: RequestMessage, link: string, given: DiallerProof): void {
    const { credentials, onProven, onBadSignature } = this.#options
    const pending = this.#abandon(link)
    if (pending === undefined) return
    const { dialler, acceptor } = pending
    const answer = (welcome: Welcome) => respond(message, welcome)
    const proven = checkDiallerProof(credentials, dialler, acceptor, given)
    if (!proven.ok) {
      if (proven.refusal.code === 'bad-signature') onBadSignature(dialler)
      return answer(proven.refusal)
    }
    const { secret } = proven
    // A probe of `mesh-chatd check` ends here: the core is not involved, nothing changes in the mesh.
    if (dialler.probe) {
      return respond(message, { ok: true, proof: createProof(secret, 'acceptor', dialler, acceptor), time: Date.now() })
    }
    onProven(dialler, link, secret, effect => {
      answer(createWelcome(effect, secret, credentials.processKey, dialler, acceptor))
    })
  }

  async #request(id: string, payload: unknown): Promise<unknown> {
    const { connection } = this.#options.nats
    if (connection === undefined) throw new Error('not connected to the backbone')
    return requestHandshake(connection, id, payload, HANDSHAKE_TIMEOUT_MS)
  }
}

/**
 * Sends a handshake request to a server and returns its response.
 * @throws Error if no response arrives in time; `reasonOf` describes it
 */
export async function requestHandshake(
  connection: NatsConnection,
  id: string,
  payload: unknown,
  withinMs: number,
): Promise<unknown> {
  return read(await connection.request(SUBJECTS.handshake(id), JSON.stringify(payload), { timeout: withinMs }))
}

/** Whether no server with this id is subscribed. */
export function isNoResponders(error: unknown): boolean {
  return error instanceof errors.RequestError && error.isNoResponders()
}

function respond(
  message: RequestMessage,
  answer: Welcome | { acceptor: Party } | z.infer<typeof probeResponseSchema>,
): void {
  message.respond(JSON.stringify(answer))
}

function read({ data }: Pick<Msg, 'data'>): unknown {
  return parseJson(Buffer.from(data).toString())
}

/** Describes an error of `requestHandshake`. */
export function reasonOf(error: unknown): string {
  if (isNoResponders(error)) return 'no server with this id is on the backbone'
  if (error instanceof errors.TimeoutError) return 'no handshake response'
  return (error as Error).message
}
