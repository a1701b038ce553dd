import type { Frame } from '../internals.ts'

/** Engine.IO's packet type `message`, before each Socket.IO packet: '4'. */
const ENGINE_MESSAGE = 0x34

/** Engine.IO's ping, as a WebSocket frame: a text of one character, '2'. */
const PING_FRAME = Buffer.from([0x81, 1, 0x32])

/** A Socket.IO packet, and its WebSocket frame, encoded once for all recipients. */
export class Packet {
  #start: string | (() => string)
  /** The end of the text, shared by packets that differ only in their start: encoded once for all of them. */
  readonly #end: Buffer | undefined
  #payloadBytes = 0
  #frame: Frame | undefined
  #frameWithPing: Buffer | undefined

  /**
   * @param start the start of its text; a function is called when the packet is written
   * @param end the rest of it
   */
  constructor(start: string | (() => string), end?: Buffer) {
    this.#start = start
    this.#end = end
  }

  get text(): string {
    const start = this.#startText()
    return this.#end === undefined ? start : start + this.#end.toString()
  }

  /** Bytes of its frame. */
  get size(): number {
    if (this.#payloadBytes === 0)
      this.#payloadBytes = 1 + Buffer.byteLength(this.#startText()) + (this.#end?.length ?? 0)
    return this.#payloadBytes + (this.#payloadBytes < 126 ? 2 : this.#payloadBytes < 65_536 ? 4 : 10)
  }

  get frame(): Frame {
    if (this.#frame === undefined) {
      const start = Buffer.allocUnsafe(this.size - (this.#end?.length ?? 0))
      this.#encode(start, 0)
      this.#frame = this.#end === undefined ? [start] : [start, this.#end]
    }
    return this.#frame
  }

  /** Its frame, followed by a ping of Engine.IO. */
  get frameWithPing(): Buffer {
    this.#frameWithPing ??= Buffer.concat([...this.frame, PING_FRAME])
    return this.#frameWithPing
  }

  /** Copies its frame into a larger buffer; returns the offset after it. */
  copyTo(target: Buffer, at: number): number {
    const end = at + this.size - (this.#end?.length ?? 0)
    if (this.#frame === undefined) this.#encode(target, at)
    else this.#frame[0].copy(target, at)
    this.#end?.copy(target, end)
    return at + this.size
  }

  /** Encodes head and start of an unfragmented, unmasked text frame, as servers send it (RFC 6455, section 5.2). */
  #encode(target: Buffer, at: number): void {
    const { size } = this
    const payload = this.#payloadBytes
    target[at] = 0x81
    if (payload < 126) target[at + 1] = payload
    else if (payload < 65_536) {
      target[at + 1] = 126
      target.writeUInt16BE(payload, at + 2)
    } else {
      target[at + 1] = 127
      target.writeUIntBE(0, at + 2, 4)
      target.writeUIntBE(payload, at + 6, 4)
    }
    const message = at + size - payload
    target[message] = ENGINE_MESSAGE
    target.write(this.#startText(), message + 1)
  }

  #startText(): string {
    if (typeof this.#start === 'function') this.#start = this.#start()
    return this.#start
  }
}

/** The frames of several packets in one buffer. */
export function concatFrames(packets: readonly Packet[]): Buffer {
  let size = 0
  for (const packet of packets) size += packet.size
  const bytes = Buffer.allocUnsafe(size)
  let at = 0
  for (const packet of packets) at = packet.copyTo(bytes, at)
  return bytes
}
