import { TokenBucket } from '../../../src/common/token-bucket.ts'
import { EnvelopeMac } from './envelopes/envelope-mac.ts'

/** Longest handshake request, bytes. */
const MAX_REQUEST_BYTES = 8_192
/** Requests that are not signed with the mesh's secret: of servers with another secret, of strangers. */
const UNSIGNED_RATE = { perSecond: 50, burst: 200 }
/**
 * First requests on the subjects of version 0.1, which sign none. A challenge is kept for 4 s, so at most 160 are: a place
 * is taken away, if at all, a second after it was given.
 */
const LEGACY_RATE = { perSecond: 20, burst: 80 }
/** How long a signed request is remembered at least, ms, unless there are too many. */
const MEMORY_MS = 60_000
const MAX_REMEMBERED = 10_000
/** Characters of a signature that tell requests apart. */
const MEMORY_BYTES = 16
const MAC_BYTES = 32
/** The start of a request without a signature. */
const JSON_START = '{"'
/** How the second request of a dialler of version 0.1 starts: with the nonce that it answers. */
const LEGACY_PROOF_START = /^\{"link":"([\w-]{16,64})"/
const LEGACY_PROOF_START_BYTES = 80

/**
 * Decides which handshake requests a server reads. Anyone on the same NATS can send them, so those that are not signed
 * with the mesh's secret are read at a slow pace, and recorded ones once a minute: the rest is dropped unread. Requests
 * on the subjects of version 0.1 have a separate rate.
 */
export class RequestGuard {
  readonly #macs: readonly EnvelopeMac[]
  readonly #unsigned: TokenBucket
  readonly #legacy: TokenBucket
  #recent = new Set<string>()
  #older = new Set<string>()
  #rotatedAt: number

  /**
   * @param secrets of the mesh: the present one, and the one before a rotation
   * @param now monotonic ms
   */
  constructor(secrets: readonly string[], now: number) {
    this.#macs = secrets.map(secret => new EnvelopeMac(secret))
    this.#unsigned = new TokenBucket(UNSIGNED_RATE.perSecond, UNSIGNED_RATE.burst, now)
    this.#legacy = new TokenBucket(LEGACY_RATE.perSecond, LEGACY_RATE.burst, now)
    this.#rotatedAt = now
  }

  /**
   * The text of a request on a subject of version 0.1; undefined: it is dropped.
   * @param isPending whether a dialler has been challenged with this nonce: it knows the nonce, so its proof is read
   */
  admitLegacy(data: Uint8Array, isPending: (nonce: string) => boolean, now: number): string | undefined {
    if (data.length > MAX_REQUEST_BYTES) return undefined
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
    const [, nonce] = LEGACY_PROOF_START.exec(bytes.toString('latin1', 0, LEGACY_PROOF_START_BYTES)) ?? []
    const isRead = nonce === undefined ? this.#legacy.take(now) === 0 : isPending(nonce)
    return isRead ? bytes.toString() : undefined
  }

  /** The text of a request on a subject that names its sender; undefined: it is dropped. */
  admit(subject: string, data: Uint8Array, now: number): string | undefined {
    if (data.length > MAX_REQUEST_BYTES) return undefined
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
    for (const mac of this.#macs) {
      const text = mac.verify(subject, data)
      if (text !== undefined) return this.#isRepeated(bytes, now) ? undefined : text
    }
    if (this.#unsigned.take(now) > 0) return undefined
    const isPlain = bytes.toString('latin1', 0, JSON_START.length) === JSON_START
    return bytes.toString('utf8', isPlain ? 0 : Math.min(MAC_BYTES, bytes.length))
  }

  #isRepeated(bytes: Buffer, now: number): boolean {
    if (now - this.#rotatedAt >= MEMORY_MS || this.#recent.size >= MAX_REMEMBERED) {
      this.#older = this.#recent
      this.#recent = new Set()
      this.#rotatedAt = now
    }
    const signature = bytes.toString('latin1', 0, MEMORY_BYTES)
    if (this.#recent.has(signature) || this.#older.has(signature)) return true
    this.#recent.add(signature)
    return false
  }
}
