import type { KeyHolder, Refusal, RosterSnapshot } from '../../protocol/messages.ts'
import { parseUserName } from '../../protocol/names.ts'
import type { Context } from '../context.ts'
import { NOT_IDENTIFIED, rateLimited } from '../refusals.ts'
import type { ClientInput, Denial, HeldName } from '../types.ts'
import type { Admission } from './admission.ts'
import type { Connection } from './connection.ts'

/** A connection gets a ticket of its claim at most this often, ms: the edge signs each one. */
const TICKET_INTERVAL_MS = 10_000

export interface UnidentifiedConnection {
  /** When the server closes it; monotonic ms. */
  deadline: number
  refusals: number
  askedRoster: boolean
  isLoopback: boolean
}

/** Answers requests of clients that read the state of the mesh: the roster, the key of a name, the own claim. */
export class ClientRequests {
  readonly #context: Context
  readonly #connections: ReadonlyMap<number, Connection>
  readonly #unidentified: ReadonlyMap<number, UnidentifiedConnection>
  readonly #admission: Admission

  constructor(
    context: Context,
    connections: ReadonlyMap<number, Connection>,
    unidentified: ReadonlyMap<number, UnidentifiedConnection>,
    admission: Admission,
  ) {
    this.#context = context
    this.#connections = connections
    this.#unidentified = unidentified
    this.#admission = admission
  }

  /** Answers with the whole roster. With `auth: open`, an unidentified connection may ask once. */
  sendRoster(id: number, call: number): void {
    const { effects, now, roster, options } = this.#context
    const answer = (payload: RosterSnapshot | Refusal) => {
      effects.push({ type: 'answer', connection: id, call, payload })
    }
    const connection = this.#connections.get(id)
    if (connection === undefined) {
      const unidentified = this.#unidentified.get(id)
      if (unidentified === undefined || unidentified.askedRoster) {
        return answer(NOT_IDENTIFIED)
      }
      if (options.auth !== 'open') {
        return answer({ ok: false, code: 'unauthorized', message: 'only users of this mesh may list who is online' })
      }
      unidentified.askedRoster = true
      return answer(roster.snapshot())
    }
    const wait = connection.takeToken(now)
    if (wait === 0) return answer(roster.snapshot())
    answer(rateLimited(wait))
  }

  /** Returns why a connection may not read the cluster status, or undefined if it may. */
  checkStatusAccess(id: number): Denial | undefined {
    if (this.#connections.has(id)) return undefined
    const unidentified = this.#unidentified.get(id)
    if (unidentified === undefined) return NOT_IDENTIFIED
    if (unidentified.isLoopback || this.#context.options.auth === 'open') return undefined
    const message = 'only users of this mesh, and programs on the same machine, may read the cluster status'
    return { code: 'unauthorized', message }
  }

  /** Answers with the key that holds a name. */
  sendKey({ connection: id, user, call }: Extract<ClientInput, { type: 'key' }>): void {
    const { effects, now } = this.#context
    const answer = (payload: KeyHolder) => void effects.push({ type: 'answer', connection: id, call, payload })
    const connection = this.#connections.get(id)
    if (connection === undefined) return answer(NOT_IDENTIFIED)
    const name = parseUserName(user)
    if (!name.ok) return answer({ ok: false, code: 'bad-name', message: name.reason })
    const wait = connection.takeToken(now)
    if (wait > 0) return answer(rateLimited(wait))
    const claim = this.#admission.oldestClaim(name.value)
    answer(claim === undefined ? { ok: true } : { ok: true, key: claim.key })
  }

  /** Answers with the claim on the user's name. */
  sendClaim(id: number, call: number): void {
    const { effects, now, directory } = this.#context
    const answer = (payload: HeldName | Refusal) => {
      effects.push({ type: 'answer', connection: id, call, payload })
    }
    const connection = this.#connections.get(id)
    if (connection === undefined) return answer(NOT_IDENTIFIED)
    const wait = connection.ticketAt + TICKET_INTERVAL_MS - now
    if (wait > 0) return answer(rateLimited(wait))
    connection.ticketAt = now
    answer({ ok: true, user: connection.user, claim: directory.ownClaim(connection.user) })
  }
}
