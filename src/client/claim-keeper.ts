import type { ClaimTicket } from '../protocol/proofs/claim-ticket.ts'
import { PUBLIC_MESH_KEY } from '../protocol/proofs/mesh-identity.ts'
import type { Context } from './context.ts'
import type { MeshTrust } from './mesh-trust.ts'

/** A ticket is requested this long after the client is online, ms: at random, so that the clients of a server spread. */
const FIRST_REQUEST_MS = { min: 500, max: 5_000 }
/** Time between two requests, ms. A ticket is valid for hours after it was signed. */
const RENEWAL_MS = 30 * 60_000

/** A ticket, and the key that it is for. */
export interface KeptTicket extends ClaimTicket {
  readonly key: string
}

/**
 * Keeps the ticket of this user's claim on the name, in key mode: servers forget all claims when they are all restarted, and
 * the ticket lets this user have the name back, whoever came first.
 */
export class ClaimKeeper {
  readonly #context: Context
  readonly #trust: MeshTrust
  #ticket: KeptTicket | undefined
  /** When to request a ticket; monotonic ms. */
  #requestAt = Number.POSITIVE_INFINITY

  constructor(context: Context, trust: MeshTrust, stored: KeptTicket | undefined) {
    this.#context = context
    this.#trust = trust
    this.#ticket = stored
  }

  /** When `tick` is due, monotonic ms. */
  get deadline(): number {
    return this.#requestAt
  }

  /** The ticket for an identification with a key. */
  ticketOf(key: string): ClaimTicket | undefined {
    if (this.#ticket?.key !== key) return undefined
    const { at, issued, proof } = this.#ticket
    return { at, issued, proof }
  }

  onConnected(): void {
    const { key, mode } = this.#trust.expected
    // The signature of a mesh without a secret proves nothing, and a server of 0.1 has none.
    if (mode !== 'key' || key === undefined || key === PUBLIC_MESH_KEY) return
    const { now, options } = this.#context
    this.#requestAt = now + FIRST_REQUEST_MS.min + options.random() * (FIRST_REQUEST_MS.max - FIRST_REQUEST_MS.min)
  }

  onDisconnected(): void {
    this.#requestAt = Number.POSITIVE_INFINITY
  }

  tick(): void {
    const { now, onlineConnection, effects } = this.#context
    if (onlineConnection === undefined || now < this.#requestAt) return
    this.#requestAt = now + RENEWAL_MS
    effects.push({ type: 'ask-claim', dial: onlineConnection })
  }

  /** @param key this user's key */
  handleTicket(ticket: ClaimTicket, key: string | undefined): void {
    if (key === undefined) return
    this.#ticket = { key, ...ticket }
    this.#context.effects.push({ type: 'store-claim', ticket: this.#ticket })
  }
}
