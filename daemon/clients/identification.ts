import { clampTime } from '../../src/common/time.ts'
import { type IdentifyRequest, type IdentifyResponse, identifyRequestSchema } from '../../src/protocol/messages.ts'
import { parseUserName } from '../../src/protocol/names.ts'
import type { ClaimTicket } from '../../src/protocol/proofs/claim-ticket.ts'
import type { AuthMode, Credential } from '../../src/protocol/proofs/credentials.ts'
import { proofVersionOf } from '../../src/protocol/proofs/mesh-identity.ts'
import type { MeshServer } from '../../src/server/server.ts'
import type { Denial, HeldName, Input } from '../../src/server/types.ts'
import { checkProof, makeChallenge } from '../auth/challenge.ts'
import type { MeshProver } from '../auth/mesh-prover.ts'
import { checkToken, type TokenKey } from '../auth/tokens.ts'
import { tlsExporterOf } from '../transport/internals.ts'
import { type Answer, type Client, type EventHandler, isIdentified, sendAnswer } from './client.ts'

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

/** Handles `identify`: checks proofs and tokens as far as the connection's budget allows, and proves the mesh. */
export class Identification {
  readonly #auth: AuthOptions
  readonly #step: (input: Input) => void
  readonly #core: CoreQueries

  constructor(auth: AuthOptions, step: (input: Input) => void, core: CoreQueries) {
    this.#auth = auth
    this.#step = step
    this.#core = core
  }

  handle: EventHandler = (client, payload, call) => {
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
    const { user, connections = false, rooms = false, views = false, typing, origin } = request.data
    client.acceptsPacked = request.data.packed === true
    const step = (more: { credential?: Credential; denial?: Denial } = {}) => {
      this.#step({
        type: 'identify',
        connection,
        user,
        protocol: 2,
        connections,
        rooms,
        views,
        typing,
        ...more,
        ...calling,
      })
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
      this.answer(client, call, { ok: false, code: 'prove-token', message })
    } else step()
    return true
  }

  /** Sends the answer to a call; answers to `identify` get the mesh proof that the client asked for. */
  answer(client: Client, call: number, payload: Answer): void {
    if ('claim' in payload) return sendAnswer(client, call, this.#signClaim(payload))
    const { meshProof } = client
    if (meshProof === undefined || !needsMeshProof(payload)) sendAnswer(client, call, payload)
    else sendAnswer(client, call, payload, this.#auth.mesh.prepare(meshProof))
    if (!isIdentified(payload)) return
    // An identified connection keeps no proof; the core limits how often it may identify again.
    client.meshProof = undefined
    // The answer may come later than the step of the identification.
    client.budget.markIdentified()
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
      return this.answer(client, call, { ok: false, code: 'prove-key', message, challenge: client.challenge })
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

  #signClaim({ user, claim }: HeldName): { ok: true; claim?: ClaimTicket } {
    const ticket = claim && this.#auth.mesh.signClaim(user, claim, clampTime(Date.now()))
    return { ok: true, ...(ticket === undefined ? {} : { claim: ticket }) }
  }

  /**
   * Notes the mesh proof that a client asks for. Returns false if it asks for a second one with another nonce or origin:
   * a connection gets one.
   */
  #rememberMeshProof(client: Client, { nonce, origin, batched = false }: IdentifyRequest): boolean {
    if (nonce === undefined || origin === undefined) return nonce === origin
    client.meshProof ??= {
      nonce,
      origin,
      channel: this.#auth.mesh.channelFor(nonce, origin, () => tlsExporterOf(client.socket.conn)),
      isBatched: batched,
      identity: undefined,
    }
    return client.meshProof.nonce === nonce && client.meshProof.origin === origin
  }
}

/** Whether the client must know the mesh before it continues. */
function needsMeshProof(payload: Answer): payload is IdentifyResponse {
  return (
    isIdentified(payload) || ('code' in payload && (payload.code === 'prove-key' || payload.code === 'prove-token'))
  )
}
