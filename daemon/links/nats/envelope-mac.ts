import { createHmac, timingSafeEqual } from 'node:crypto'

/** Bytes of HMAC-SHA-256 (RFC 2104), before each text. */
const MAC_BYTES = 32

/** Signs what crosses the backbone with the mesh's secret, and reads nothing that is not so signed. */
export class EnvelopeMac {
  readonly #key: Buffer

  constructor(secret: string) {
    // A key of its own: what is signed here proves nothing in a handshake.
    this.#key = createHmac('sha256', secret).update('mesh-chat backbone').digest()
  }

  /** A text as it is published under a subject: it is good for no other. */
  sign(subject: string, text: string): Buffer {
    const bytes = Buffer.allocUnsafe(MAC_BYTES + Buffer.byteLength(text))
    bytes.write(text, MAC_BYTES)
    this.#mac(subject, bytes.subarray(MAC_BYTES)).copy(bytes)
    return bytes
  }

  /** The text that was signed; undefined: not with this secret, or not for this subject. */
  verify(subject: string, data: Uint8Array): string | undefined {
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
    if (bytes.length < MAC_BYTES) return undefined
    const text = bytes.subarray(MAC_BYTES)
    return timingSafeEqual(this.#mac(subject, text), bytes.subarray(0, MAC_BYTES)) ? text.toString() : undefined
  }

  /** What stands for a user in a subject: of no use to who does not hold the secret, and the same length for all. */
  alias(user: string): string {
    return createHmac('sha256', this.#key).update(`user ${user}`).digest('base64url').slice(0, 22)
  }

  #mac(subject: string, text: Buffer): Buffer {
    return createHmac('sha256', this.#key).update(subject).update('\0').update(text).digest()
  }
}
