import { createHmac, timingSafeEqual } from 'node:crypto'

/** Length of the HMAC-SHA-256 (RFC 2104) that precedes each text, bytes. */
const MAC_BYTES = 32

/** Signs and verifies the envelopes on the backbone with the secret of the mesh. */
export class EnvelopeMac {
  readonly #key: Buffer

  constructor(secret: string) {
    // A derived key: an envelope's MAC must not be usable as a handshake proof.
    this.#key = createHmac('sha256', secret).update('mesh-chat backbone').digest()
  }

  /** Signs a text for one subject; it does not verify under another. */
  sign(subject: string, text: string): Buffer {
    const bytes = Buffer.allocUnsafe(MAC_BYTES + Buffer.byteLength(text))
    bytes.write(text, MAC_BYTES)
    this.#mac(subject, bytes.subarray(MAC_BYTES)).copy(bytes)
    return bytes
  }

  /** The signed text; undefined if it was signed with another secret or for another subject. */
  verify(subject: string, data: Uint8Array): string | undefined {
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
    if (bytes.length < MAC_BYTES) return undefined
    const text = bytes.subarray(MAC_BYTES)
    return timingSafeEqual(this.#mac(subject, text), bytes.subarray(0, MAC_BYTES)) ? text.toString() : undefined
  }

  /** Stands for a user in a subject: hides the name from readers without the secret, and has a fixed length. */
  alias(user: string): string {
    return this.#aliasOf(`user ${user}`)
  }

  /** Stands for a room in a subject. No user has the same alias: `user` and `room` keep them apart. */
  roomAlias(room: string): string {
    return this.#aliasOf(`room ${room}`)
  }

  #aliasOf(text: string): string {
    return createHmac('sha256', this.#key).update(text).digest('base64url').slice(0, 22)
  }

  #mac(subject: string, text: Buffer): Buffer {
    return createHmac('sha256', this.#key).update(subject).update('\0').update(text).digest()
  }
}
