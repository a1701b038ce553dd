import type { Socket } from 'socket.io'

/** engine.io's side of a connection. */
type Engine = Socket['conn']

/** What engine.io keeps to itself, and this file builds on; test/engine-internals.test.ts holds that it is there. */
interface EngineInternals {
  readonly protocol: number
  readonly transport: {
    readonly name: string
    readonly socket?: { readonly _sender?: { readonly sendFrame?: unknown } }
  }
  write(data: string, options?: { compress: boolean; wsPreEncodedFrame: [Buffer] }): void
}

/** engine.io's type of a message, before each packet: '4'. */
const MESSAGE = 0x34

/** A Socket.IO packet as text, and its WebSocket frame, made once for all who get it. */
export class Packet {
  readonly text: string
  /** Bytes of its frame. */
  readonly size: number
  readonly #payload: number
  #frame: Buffer | undefined

  constructor(text: string) {
    this.text = text
    this.#payload = 1 + Buffer.byteLength(text)
    this.size = this.#payload + (this.#payload < 126 ? 2 : this.#payload < 65_536 ? 4 : 10)
  }

  get frame(): Buffer {
    if (this.#frame === undefined) {
      this.#frame = Buffer.allocUnsafe(this.size)
      this.#encode(this.#frame, 0)
    }
    return this.#frame
  }

  /** Puts its frame into a larger buffer; answers with where it ends. */
  copyTo(target: Buffer, at: number): number {
    if (this.#frame === undefined) this.#encode(target, at)
    else this.#frame.copy(target, at)
    return at + this.size
  }

  /** A text frame of one piece, not masked, as servers send it (RFC 6455, section 5.2). */
  #encode(target: Buffer, at: number): void {
    const payload = this.#payload
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
    const message = at + this.size - payload
    target[message] = MESSAGE
    target.write(this.text, message + 1)
  }
}

/**
 * What a turn of the event loop sends through one connection, in one write: engine.io is handed one packet, whose
 * pre-encoded frame is all frames of the turn one after the other. A write per frame is what costs most in Socket.IO.
 * Whatever else is written to the connection in between goes behind what waits here: the order holds. Where there is
 * no WebSocket, or engine.io has changed, packets go one by one.
 */
export class TurnFrames {
  readonly #engine: EngineInternals
  readonly #waits: (frames: TurnFrames) => void
  /** Lets go of the connection. */
  readonly close: () => void
  #packets: Packet[] = []
  #handing = false

  /** @param waits called when something waits that did not before: `flush` is to be called at the turn's end. */
  constructor(engine: Engine, waits: (frames: TurnFrames) => void) {
    this.#engine = engine as unknown as EngineInternals
    this.#waits = waits
    const before = () => {
      if (!this.#handing) this.flush()
    }
    engine.on('packetCreate', before)
    this.close = () => void engine.off('packetCreate', before)
  }

  add(packet: Packet): void {
    if (this.#packets.push(packet) === 1) this.#waits(this)
  }

  flush(): void {
    const packets = this.#packets
    const [first] = packets
    if (first === undefined) return
    this.#packets = []
    this.#handing = true
    if (this.#takesFrames) {
      const bytes = packets.length === 1 ? first.frame : joined(packets)
      this.#engine.write('', { compress: false, wsPreEncodedFrame: [bytes] })
    } else for (const { text } of packets) this.#engine.write(text)
    this.#handing = false
  }

  get #takesFrames(): boolean {
    const { name, socket } = this.#engine.transport
    return name === 'websocket' && typeof socket?._sender?.sendFrame === 'function'
  }
}

function joined(packets: readonly Packet[]): Buffer {
  let size = 0
  for (const packet of packets) size += packet.size
  const bytes = Buffer.allocUnsafe(size)
  let at = 0
  for (const packet of packets) at = packet.copyTo(bytes, at)
  return bytes
}
