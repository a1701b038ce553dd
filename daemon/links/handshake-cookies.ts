import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Party } from './handshake.ts'

/** How long a challenge can be answered, ms. */
export const COOKIE_MS = 30_000

const TIME_BYTES = 6
const RANDOM_BYTES = 8
/** HMAC-SHA-256 (RFC 2104), truncated. */
const MAC_BYTES = 16
const COOKIE = /^[\w-]{40}$/

/**
 * Nonces of an acceptor that it recognizes without keeping them, as a server of DTLS does with its cookies (RFC 9147,
 * section 5.1): a nonce contains its time and an HMAC over it, the dialler and the dialler's address. A stranger who starts
 * many handshakes takes nothing away from a peer that returns with its nonce and its proof.
 */
export class HandshakeCookies {
  readonly #key = randomBytes(32)
  /** The nonces of proven diallers with the times when they expire, oldest first: each is good for one link. */
  readonly #spent = new Map<string, number>()

  /** Nonces that are remembered: one per proven dialler of the last `COOKIE_MS`. */
  get remembered(): number {
    return this.#spent.size
  }

  /**
   * @param address where the dialler connects from; the proof is accepted from there only
   * @param now ms, of any clock that does not jump
   */
  create(address: string, dialler: Party, now: number): string {
    const start = Buffer.alloc(TIME_BYTES + RANDOM_BYTES)
    start.writeUIntBE(Math.floor(now), 0, TIME_BYTES)
    randomBytes(RANDOM_BYTES).copy(start, TIME_BYTES)
    return Buffer.concat([start, this.#mac(start, address, dialler)]).toString('base64url')
  }

  /** Whether this object made the nonce for this dialler, and it has neither expired nor been spent. */
  isValid(nonce: string, address: string, dialler: Party, now: number): boolean {
    if (!COOKIE.test(nonce) || this.#spent.has(nonce)) return false
    const bytes = Buffer.from(nonce, 'base64url')
    const start = bytes.subarray(0, TIME_BYTES + RANDOM_BYTES)
    const age = now - start.readUIntBE(0, TIME_BYTES)
    if (age < -1 || age > COOKIE_MS) return false
    return timingSafeEqual(this.#mac(start, address, dialler), bytes.subarray(start.length))
  }

  /** Call when a dialler has proven the mesh's secret with this nonce, so that a recorded proof opens no second link. */
  spend(nonce: string, now: number): void {
    for (const [spent, expiresAt] of this.#spent) {
      if (expiresAt > now) break
      this.#spent.delete(spent)
    }
    this.#spent.set(nonce, now + COOKIE_MS + 1)
  }

  #mac(start: Uint8Array, address: string, dialler: Party): Buffer {
    return createHmac('sha256', this.#key)
      .update(start)
      .update(JSON.stringify([address, dialler]))
      .digest()
      .subarray(0, MAC_BYTES)
  }
}
