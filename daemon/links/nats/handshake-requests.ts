import { errors, type Msg, type NatsConnection } from '@nats-io/transport-node'
import type * as z from 'zod'
import type { LinkRefusal, PeerIdentity, probeResponseSchema, StreamPosition } from '../../../src/protocol/frames.ts'
import { exceeds, type Limits } from '../../../src/protocol/limits.ts'
import type { Effect } from '../../../src/server/types.ts'
import { HANDSHAKE_TIMEOUT_MS } from '../carrier.ts'
import {
  createProof,
  createWelcome,
  isExpectedId,
  isSameProof,
  newParty,
  type Party,
  readWelcome,
  type Welcome,
} from '../handshake.ts'
import { challengeSchema, handshakeRequestSchema, parseJson, SUBJECTS } from './envelopes.ts'
import type { NatsClient } from './nats-client.ts'

export interface HandshakeRequestsOptions {
  self: PeerIdentity
  secret: string
  limits: Limits
  nats: NatsClient
  /** A dialler has proven itself: `answer` is to be called with what the core decides. */
  onProven: (
    dialler: Party,
    link: string,
    answer: (effect: Extract<Effect, { type: 'accept' | 'refuse' }>) => void,
  ) => void
}

/** What a dial came to: a link of this name, or why not. */
export type DialResult =
  | { ok: true; link: string; acceptor: Party; holds: StreamPosition }
  | { ok: false; reason: string; code?: LinkRefusal }

/** Handshakes over the backbone, as requests to the door of a server: the same proofs as over sockets. */
export class HandshakeRequests {
  readonly #options: HandshakeRequestsOptions
  /** Who has knocked and not yet proven anything, by the name of the link to come. */
  #pendingHandshakes = new Map<string, { dialler: Party; acceptor: Party; timer: NodeJS.Timeout }>()

  constructor(options: HandshakeRequestsOptions) {
    this.#options = options
  }

  async dial(id: string): Promise<DialResult> {
    const { self, secret } = this.#options
    const dialler = newParty(self)
    try {
      const challenge = challengeSchema.safeParse(await this.#request(id, { dialler }))
      if (!challenge.success) return { ok: false, reason: 'a malformed challenge' }
      const { acceptor } = challenge.data
      if (!isExpectedId(id, acceptor.id)) return { ok: false, reason: `another server answers to it: ${acceptor.id}` }
      const link = acceptor.nonce
      const proof = createProof(secret, 'dialler', dialler, acceptor)
      const welcome = readWelcome(secret, dialler, acceptor, await this.#request(acceptor.id, { link, proof }))
      return welcome.ok ? { ok: true, link, acceptor, holds: welcome.holds } : welcome
    } catch (error) {
      return { ok: false, reason: reasonOf(error) }
    }
  }

  /** Somebody asks at this server's door. What is not a knock, and what is for another of the same id, has no answer. */
  handleRequest(message: Msg): void {
    const request = handshakeRequestSchema.safeParse(read(message))
    if (!request.success) return
    if ('dialler' in request.data) this.#sendChallenge(message, request.data.dialler)
    else this.#checkProof(message, request.data.link, request.data.proof)
  }

  close(): void {
    for (const { timer } of this.#pendingHandshakes.values()) clearTimeout(timer)
    this.#pendingHandshakes.clear()
  }

  #sendChallenge(message: Msg, dialler: Party): void {
    const { self, limits } = this.#options
    // Who says nothing more is not to keep the door shut: the oldest makes room.
    const [oldest] = this.#pendingHandshakes.keys()
    if (oldest !== undefined && exceeds(this.#pendingHandshakes.size + 1, limits.handshakes))
      this.#pendingHandshakes.delete(oldest)
    const acceptor = newParty(self)
    const timer = setTimeout(() => this.#pendingHandshakes.delete(acceptor.nonce), HANDSHAKE_TIMEOUT_MS)
    this.#pendingHandshakes.set(acceptor.nonce, { dialler, acceptor, timer })
    respond(message, { acceptor })
  }

  #checkProof(message: Msg, link: string, proof: string): void {
    const { secret, onProven } = this.#options
    const pending = this.#pendingHandshakes.get(link)
    if (pending === undefined) return
    const { dialler, acceptor, timer } = pending
    this.#pendingHandshakes.delete(link)
    clearTimeout(timer)
    const answer = (welcome: Welcome) => respond(message, welcome)
    if (!isSameProof(createProof(secret, 'dialler', dialler, acceptor), proof)) {
      return answer({ ok: false, code: 'wrong-secret', message: "this server does not know the mesh's secret" })
    }
    // The core never hears of it: nothing changes in the mesh.
    if (dialler.probe) {
      return respond(message, { ok: true, proof: createProof(secret, 'acceptor', dialler, acceptor), time: Date.now() })
    }
    onProven(dialler, link, effect => answer(createWelcome(effect, secret, dialler, acceptor)))
  }

  async #request(id: string, payload: unknown): Promise<unknown> {
    const { connection } = this.#options.nats
    if (connection === undefined) throw new Error('no connection to the backbone')
    return requestHandshake(connection, id, payload, HANDSHAKE_TIMEOUT_MS)
  }
}

/**
 * Asks at the door of a server, and answers with what it said.
 * @throws Error where nobody answers within the time: see `reasonOf`
 */
export async function requestHandshake(
  connection: NatsConnection,
  id: string,
  payload: unknown,
  withinMs: number,
): Promise<unknown> {
  return read(await connection.request(SUBJECTS.handshake(id), JSON.stringify(payload), { timeout: withinMs }))
}

/** Whether nobody of this id listens. */
export function isNoResponders(error: unknown): boolean {
  return error instanceof errors.RequestError && error.isNoResponders()
}

function respond(message: Msg, answer: Welcome | { acceptor: Party } | z.infer<typeof probeResponseSchema>): void {
  message.respond(JSON.stringify(answer))
}

function read({ data }: Msg): unknown {
  return parseJson(Buffer.from(data).toString())
}

export function reasonOf(error: unknown): string {
  if (isNoResponders(error)) return 'nobody of this id is at the backbone'
  if (error instanceof errors.TimeoutError) return 'no answer to the handshake'
  return (error as Error).message
}
