import { errors, type Msg, type NatsConnection } from '@nats-io/transport-node'
import type * as z from 'zod'
import { parseWireJson } from '../../../src/common/parse-wire-json.ts'
import {
  type LinkRefusal,
  type PeerIdentity,
  probeResponseSchema,
  type StreamPosition,
} from '../../../src/protocol/frames.ts'
import { exceeds, type Limits } from '../../../src/protocol/limits.ts'
import type { Effect } from '../../../src/server/types.ts'
import { HANDSHAKE_TIMEOUT_MS } from '../carrier.ts'
import {
  checkDiallerProof,
  createProof,
  createWelcome,
  DiallingSecrets,
  isExpectedId,
  isSameProof,
  type LinkCredentials,
  newParty,
  type Party,
  proveDialler,
  readWelcome,
  type Welcome,
} from '../handshake.ts'
import { HandshakeCookies } from '../handshake-cookies.ts'
import { EnvelopeMac } from './envelopes/envelope-mac.ts'
import {
  challengeSchema,
  handshakeRequestSchema,
  isOwnInbox,
  LEGACY_SUBJECTS,
  markNonce,
  SUBJECTS,
  subjectToken,
  unmarkNonce,
} from './envelopes/envelopes.ts'
import type { NatsClient } from './nats-client.ts'
import { RequestGuard } from './request-guard.ts'

export interface HandshakeRequestsOptions {
  self: PeerIdentity
  credentials: LinkCredentials
  limits: Limits
  nats: Pick<NatsClient, 'connection'>
  /** Whether NATS denies the subjects of version 0.1. */
  isLegacyDenied: () => boolean
  /** Called for a dialler that is refused before the core decides. */
  onRefused: (dialler: Party, refusal: Extract<Welcome, { ok: false }>) => void
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
type RequestMessage = Pick<Msg, 'data' | 'reply' | 'respond' | 'subject'>

interface PendingHandshake {
  dialler: Party
  timer: NodeJS.Timeout
}

type ProofRequest = Exclude<z.infer<typeof handshakeRequestSchema>, { dialler: Party }>

/** Handshakes over the backbone, as NATS requests; the proofs are the same as over sockets. */
export class HandshakeRequests {
  readonly #options: HandshakeRequestsOptions
  readonly #diallingSecrets: DiallingSecrets
  readonly #guard: RequestGuard
  readonly #cookies = new HandshakeCookies()
  /** Challenged diallers of version 0.1 that have not sent a proof yet, oldest first, by the name of the future link. */
  #pendingHandshakes = new Map<string, PendingHandshake>()

  constructor(options: HandshakeRequestsOptions) {
    this.#options = options
    const { secret, previousSecret } = options.credentials
    const secrets = previousSecret === undefined ? [secret] : [secret, previousSecret]
    this.#guard = new RequestGuard(secrets, performance.now())
    this.#diallingSecrets = new DiallingSecrets(options.credentials, options.limits.peers)
  }

  /** The number of handshakes under way. */
  get pending(): number {
    return this.#pendingHandshakes.size
  }

  async dial(id: string): Promise<DialResult> {
    const dialler = newBackboneParty(this.#options.self)
    const secret = this.#diallingSecrets.secretFor(id)
    try {
      const { acceptor, answer } = await this.#exchange(id, dialler, secret)
      const welcome = readWelcome(secret, dialler, acceptor, answer)
      if (welcome.ok) return { ok: true, link: acceptor.nonce, secret, acceptor, holds: welcome.holds }
      if (welcome.code === 'wrong-secret') this.#diallingSecrets.recordWrongSecret(id)
      return welcome
    } catch (error) {
      return { ok: false, reason: reasonOf(error) }
    }
  }

  /**
   * Asks a server for its identity, with fresh nonces, and opens no link. Undefined if it does not prove the secret.
   * @throws Error if it does not respond
   */
  async probe(id: string): Promise<PeerIdentity | undefined> {
    const { secret, previousSecret } = this.#options.credentials
    for (const one of previousSecret === undefined ? [secret] : [secret, previousSecret]) {
      const dialler: Party = { ...newBackboneParty(this.#options.self), probe: true }
      const { acceptor, answer } = await this.#exchange(id, dialler, one)
      const response = probeResponseSchema.safeParse(answer)
      if (!response.success || !isSameProof(createProof(one, 'acceptor', dialler, acceptor), response.data.proof))
        continue
      const { nonce: _, ...identity } = acceptor
      return identity
    }
    return undefined
  }

  /**
   * Handles a handshake request. Invalid requests, requests with a foreign reply subject, and proofs for another instance
   * of this id get no response.
   * @param sender the last token of the subject; undefined for a subject of version 0.1
   */
  handleRequest(message: RequestMessage, sender?: string): void {
    const isLegacy = sender === undefined
    const text = isLegacy
      ? this.#guard.admitLegacy(message.data, nonce => this.#pendingHandshakes.has(nonce), performance.now())
      : this.#guard.admit(message.subject, message.data, performance.now())
    const request = text === undefined ? undefined : handshakeRequestSchema.safeParse(parseWireJson(text)).data
    if (request === undefined) return
    const dialler = 'dialler' in request ? request.dialler : this.#diallerOf(request, isLegacy)
    if (dialler === undefined || (!isLegacy && sender !== subjectToken(dialler.id))) return
    if (!isOwnInbox(message.reply, dialler.id, isLegacy)) return
    if (!('dialler' in request)) this.#checkProof(message, request, dialler)
    else if (isLegacy) this.#sendLegacyChallenge(message, dialler)
    else respond(message, { acceptor: this.#acceptorFor(this.#cookies.create('', dialler, performance.now())) })
  }

  close(): void {
    for (const { timer } of this.#pendingHandshakes.values()) clearTimeout(timer)
    this.#pendingHandshakes.clear()
  }

  /** A dialler of version 0.1 does not repeat its identity with its proof, so the server keeps it. */
  #sendLegacyChallenge(message: RequestMessage, dialler: Party): void {
    // The oldest makes room, so silent diallers cannot block others.
    const [oldest] = this.#pendingHandshakes.keys()
    const { limits } = this.#options
    if (oldest !== undefined && exceeds(this.#pendingHandshakes.size + 1, limits.handshakes)) this.#abandon(oldest)
    const acceptor = newBackboneParty(this.#options.self)
    const timer = setTimeout(() => this.#pendingHandshakes.delete(acceptor.nonce), HANDSHAKE_TIMEOUT_MS)
    this.#pendingHandshakes.set(acceptor.nonce, { dialler, timer })
    respond(message, { acceptor })
  }

  /** Removes a pending handshake and its timer. */
  #abandon(link: string): void {
    clearTimeout(this.#pendingHandshakes.get(link)?.timer)
    this.#pendingHandshakes.delete(link)
  }

  /** The dialler that was challenged with the nonce of a proof; undefined: none, or too long ago, or it has proven it. */
  #diallerOf({ link, party }: ProofRequest, isLegacy: boolean): Party | undefined {
    if (isLegacy) return this.#pendingHandshakes.get(link)?.dialler
    const isKnown = party !== undefined && this.#cookies.isValid(unmarkNonce(link), '', party, performance.now())
    return isKnown ? party : undefined
  }

  #acceptorFor(cookie: string): Party {
    return { ...this.#options.self, nonce: markNonce(cookie) }
  }

  #checkProof(message: RequestMessage, { link, ...given }: ProofRequest, dialler: Party): void {
    const { self, credentials, onProven, onRefused } = this.#options
    this.#abandon(link)
    const acceptor: Party = { ...self, nonce: link }
    const answer = (welcome: Welcome) => respond(message, welcome)
    const proven = checkDiallerProof(credentials, dialler, acceptor, given)
    if (!proven.ok) {
      if (!dialler.probe) onRefused(dialler, proven.refusal)
      return answer(proven.refusal)
    }
    const { secret } = proven
    this.#cookies.spend(unmarkNonce(link), performance.now())
    // A probe of `mesh-chatd check` ends here: the core is not involved, nothing changes in the mesh.
    if (dialler.probe) {
      return respond(message, { ok: true, proof: createProof(secret, 'acceptor', dialler, acceptor), time: Date.now() })
    }
    onProven(dialler, link, secret, effect => {
      answer(createWelcome(effect, secret, credentials.processKey, dialler, acceptor))
    })
  }

  /**
   * Sends both requests of a handshake. Returns the acceptor's identity and its answer, which are not verified yet.
   * @throws Error if the server does not respond, or another one does
   */
  async #exchange(id: string, dialler: Party, secret: string): Promise<{ acceptor: Party; answer: unknown }> {
    const challenge = challengeSchema.safeParse(await this.#request(id, { dialler }, secret))
    if (!challenge.success) throw new Error('invalid challenge')
    const { acceptor } = challenge.data
    if (!isExpectedId(id, acceptor.id)) throw new Error(`another server answers: ${acceptor.id}`)
    const proven = proveDialler(secret, this.#options.credentials.processKey, dialler, acceptor)
    const proof = typeof proven === 'string' ? { proof: proven } : proven
    const request = { link: acceptor.nonce, ...proof, party: dialler }
    return { acceptor, answer: await this.#request(acceptor.id, request, secret) }
  }

  async #request(to: string, payload: unknown, secret: string): Promise<unknown> {
    const { nats, self, isLegacyDenied } = this.#options
    if (nats.connection === undefined) throw new Error('not connected to the backbone')
    return requestHandshake(nats.connection, {
      to,
      from: self.id,
      payload,
      secret,
      withinMs: HANDSHAKE_TIMEOUT_MS,
      isLegacyDenied: isLegacyDenied(),
    })
  }
}

/** This server's side of a new handshake over the backbone. */
function newBackboneParty(self: PeerIdentity): Party {
  const party = newParty(self)
  return { ...party, nonce: markNonce(party.nonce) }
}

interface HandshakeRequest {
  /** Ids of the servers. */
  to: string
  from: string
  payload: unknown
  /** Signs the request. */
  secret: string
  withinMs: number
  /** Whether NATS denies the subjects of version 0.1. */
  isLegacyDenied: boolean
}

/**
 * Sends a handshake request to a server, which may be of version 0.1, and returns its response.
 * @throws Error if no response arrives in time; `reasonOf` describes it
 */
export async function requestHandshake(
  connection: NatsConnection,
  { to, from, payload, secret, withinMs, isLegacyDenied }: HandshakeRequest,
): Promise<unknown> {
  const text = JSON.stringify(payload)
  const send = async (subject: string, data: string | Uint8Array) =>
    read(await connection.request(subject, data, { timeout: withinMs }))
  try {
    const subject = SUBJECTS.handshake(to, from)
    return await send(subject, new EnvelopeMac(secret).sign(subject, text))
  } catch (error) {
    if (!isNoResponders(error) || isLegacyDenied) throw error
    return await send(LEGACY_SUBJECTS.handshake(to), text).catch(legacyError => {
      throw legacyError instanceof errors.PermissionViolationError ? error : legacyError
    })
  }
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
  return parseWireJson(Buffer.from(data).toString())
}

/** Describes an error of `requestHandshake`. */
export function reasonOf(error: unknown): string {
  if (isNoResponders(error)) return 'no server with this id is on the backbone'
  if (error instanceof errors.TimeoutError) return 'no handshake response'
  return (error as Error).message
}
