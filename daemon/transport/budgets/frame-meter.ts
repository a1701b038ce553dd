/** What a frame costs besides its payload, bytes: the buffer objects that ws keeps of it until the message is complete. */
const FRAME_OVERHEAD_BYTES = 128
/** What a chunk of TCP costs besides its bytes, while ws keeps it for an unfinished message (measured: 470 bytes). */
const CHUNK_OVERHEAD_BYTES = 512

const OPCODE_BINARY = 2
/** From here on opcodes are of control frames, which may come between the fragments of a message. */
const OPCODE_CONTROL = 8
const MAX_HEADER_BYTES = 14

/** Why a connection is closed. */
export type FrameViolation = 'binary' | 'too large' | 'too fragmented'

/**
 * Reads the headers of a client's WebSocket frames (RFC 6455, section 5.2) and skips their payloads: counts what an
 * unfinished message holds, before ws has put its fragments together. A frame that is too long or binary is found at
 * its header.
 */
export class FrameMeter {
  /** Bytes of the unfinished message, with the overhead of its frames. */
  #messageBytes = 0
  /** Overhead of the chunks that the unfinished message came in: ws keeps each until the message is complete. */
  #chunkBytes = 0
  /** Bytes of the current frame's payload that are still to come. */
  #payloadLeft = 0
  #isControl = false
  #isFinal = false
  /** The start of a header that is not complete yet. */
  #header: Uint8Array | undefined
  #headerLength = 0

  /** Bytes that the unfinished message holds, overhead included; 0 between messages. */
  get held(): number {
    return this.#messageBytes + this.#chunkBytes
  }

  /**
   * Reads what arrived.
   * @param maxHeld most bytes of one message, and most overhead of its chunks
   * @returns what is not allowed; the connection must be closed then
   */
  read(chunk: Uint8Array, maxHeld: number): FrameViolation | undefined {
    const violation = this.#readFrames(chunk, maxHeld)
    if (violation !== undefined) return violation
    if (this.#isBetweenMessages) {
      this.#chunkBytes = 0
      return undefined
    }
    this.#chunkBytes += CHUNK_OVERHEAD_BYTES
    return this.#chunkBytes > maxHeld ? 'too fragmented' : undefined
  }

  get #isBetweenMessages(): boolean {
    return this.#messageBytes === 0 && this.#payloadLeft === 0 && this.#header === undefined
  }

  #readFrames(chunk: Uint8Array, maxHeld: number): FrameViolation | undefined {
    let at = 0
    while (at < chunk.length) {
      if (this.#payloadLeft > 0) {
        const length = Math.min(this.#payloadLeft, chunk.length - at)
        at += length
        this.#payloadLeft -= length
        if (!this.#isControl) this.#messageBytes += length
        if (this.#payloadLeft === 0) this.#endFrame()
        continue
      }
      // A header of this chunk alone is read in place: this runs for each message.
      const header = this.#header === undefined ? chunk : this.#fill(chunk, at)
      const start = this.#header === undefined ? at : 0
      const length = headerLengthAt(header, start)
      if (header.length - start < length) {
        this.#keep(header.subarray(start))
        return undefined
      }
      at += length - this.#headerLength
      this.#headerLength = 0
      this.#header = undefined
      const violation = this.#beginFrame(header, start, maxHeld)
      if (violation !== undefined) return violation
    }
    return undefined
  }

  #fill(chunk: Uint8Array, at: number): Uint8Array {
    const kept = this.#header ?? new Uint8Array()
    const header = new Uint8Array(Math.min(MAX_HEADER_BYTES, this.#headerLength + chunk.length - at))
    header.set(kept.subarray(0, this.#headerLength))
    header.set(chunk.subarray(at, at + header.length - this.#headerLength), this.#headerLength)
    return header
  }

  /** Keeps a header that is not complete; a copy, since it may be a view of a large chunk. */
  #keep(header: Uint8Array): void {
    this.#header = Uint8Array.from(header)
    this.#headerLength = header.length
  }

  #beginFrame(bytes: Uint8Array, at: number, maxHeld: number): FrameViolation | undefined {
    const first = bytes[at] ?? 0
    const opcode = first & 0x0f
    this.#isFinal = (first & 0x80) !== 0
    this.#isControl = opcode >= OPCODE_CONTROL
    this.#payloadLeft = payloadLengthAt(bytes, at)
    if (opcode === OPCODE_BINARY) return 'binary'
    if (!this.#isControl) {
      this.#messageBytes += FRAME_OVERHEAD_BYTES
      if (this.#messageBytes + this.#payloadLeft > maxHeld) return 'too large'
    }
    if (this.#payloadLeft === 0) this.#endFrame()
    return undefined
  }

  #endFrame(): void {
    if (!this.#isFinal || this.#isControl) return
    this.#messageBytes = 0
    // What is left of this chunk belongs to the next message.
    this.#chunkBytes = 0
  }
}

/** The length of the header that starts at `at`, as far as its first bytes tell. */
function headerLengthAt(bytes: Uint8Array, at: number): number {
  const second = bytes[at + 1]
  if (second === undefined) return 2
  const length = second & 0x7f
  const mask = (second & 0x80) === 0 ? 0 : 4
  return 2 + mask + (length === 126 ? 2 : length === 127 ? 8 : 0)
}

function payloadLengthAt(bytes: Uint8Array, at: number): number {
  const length = (bytes[at + 1] ?? 0) & 0x7f
  if (length < 126) return length
  let extended = 0
  const end = at + (length === 126 ? 4 : 10)
  for (let next = at + 2; next < end; next++) extended = extended * 256 + (bytes[next] ?? 0)
  return extended
}
