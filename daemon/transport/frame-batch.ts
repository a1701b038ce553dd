import type { Socket } from 'socket.io'

/** engine.io's side of a connection. */
type Engine = Socket['conn']

/** What engine.io keeps to itself, and this file builds on; test/contract/socket-io-internals.test.ts holds that it is there. */
interface EngineInternals {
  readonly protocol: number
  readonly readyState: string
  readonly writeBuffer: readonly unknown[]
  readonly transport: {
    readonly name: string
    readonly writable: boolean
    readonly socket?: {
      readonly readyState: number
      readonly _sender?: { readonly sendFrame?: (frame: [Buffer] | [Buffer, Buffer]) => void }
    }
  }
  write(data: string, options?: { compress: boolean; wsPreEncodedFrame: [Buffer] | [Buffer, Buffer] }): void
}

/** engine.io's type of a message, before each packet: '4'. */
const ENGINE_MESSAGE = 0x34

/** A Socket.IO packet, and its WebSocket frame, made once for all who get it. */
export class Packet {
  /** Bytes of its frame. */
  readonly size: number
  readonly #start: string
  /** The end of the text, where packets that differ end alike: encoded once for all of them. */
  readonly #end: Buffer | undefined
  readonly #payloadBytes: number
  #frame: [Buffer] | [Buffer, Buffer] | undefined

  constructor(start: string, end?: Buffer) {
    this.#start = start
    this.#end = end
    this.#payloadBytes = 1 + Buffer.byteLength(start) + (end?.length ?? 0)
    this.size = this.#payloadBytes + (this.#payloadBytes < 126 ? 2 : this.#payloadBytes < 65_536 ? 4 : 10)
  }

  get text(): string {
    return this.#end === undefined ? this.#start : this.#start + this.#end.toString()
  }

  /** Its frame in one piece or two, as `ws` takes it. */
  get frame(): [Buffer] | [Buffer, Buffer] {
    if (this.#frame === undefined) {
      const start = Buffer.allocUnsafe(this.size - (this.#end?.length ?? 0))
      this.#encode(start, 0)
      this.#frame = this.#end === undefined ? [start] : [start, this.#end]
    }
    return this.#frame
  }

  /** Puts its frame into a larger buffer; answers with where it ends. */
  copyTo(target: Buffer, at: number): number {
    const end = at + this.size - (this.#end?.length ?? 0)
    if (this.#frame === undefined) this.#encode(target, at)
    else this.#frame[0].copy(target, at)
    this.#end?.copy(target, end)
    return at + this.size
  }

  /** The start of a text frame of one piece, not masked, as servers send it (RFC 6455, section 5.2). */
  #encode(target: Buffer, at: number): void {
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
    const message = at + this.size - payload
    target[message] = ENGINE_MESSAGE
    target.write(this.#start, message + 1)
  }
}

/** A packet as engine.io is about to send it. */
export interface CreatedPacket {
  readonly type: string
  readonly data?: unknown
  options?: { compress?: boolean; wsPreEncodedFrame?: [Buffer] | [Buffer, Buffer] }
}

/** engine.io's ping, as a frame. */
const PING_FRAME = Buffer.from([0x81, 1, 0x32])

/**
 * Gives a packet that Socket.IO itself sends its frame, so that it takes the short way through `ws`, too: half the cost
 * of a connection's first packets, and of its pings.
 */
export function preEncodeFrame(engine: Engine, packet: CreatedPacket): void {
  if (packet.options?.wsPreEncodedFrame !== undefined || !canPreEncode(engine as unknown as EngineInternals)) return
  const { type, data } = packet
  let frame: [Buffer] | [Buffer, Buffer] | undefined
  if (type === 'message' && typeof data === 'string') frame = new Packet(data).frame
  else if (type === 'ping' && data === undefined) frame = [PING_FRAME]
  // Its options may be those of other packets, too.
  if (frame !== undefined) packet.options = { ...packet.options, wsPreEncodedFrame: frame }
}

function canPreEncode({ transport: { name, socket } }: EngineInternals): boolean {
  return name === 'websocket' && typeof socket?._sender?.sendFrame === 'function'
}

/** Where a connection keeps its frames: the listener is the same function for all connections. */
const FRAME_BATCH = Symbol('frames')
type WithFrameBatch = Engine & { [FRAME_BATCH]?: FrameBatch }

function onPacketCreate(this: WithFrameBatch): void {
  this[FRAME_BATCH]?.flushBeforeWrite()
}

/** `readyState` of a WebSocket that is open. */
const WEBSOCKET_OPEN = 1

/**
 * What a turn of the event loop sends through one connection, in one write: all frames of the turn one after the other.
 * A write per frame is what costs most in Socket.IO. They go straight to `ws` while engine.io has nothing to write
 * itself (its events and buffers around each write are a seventh of the write's cost), else as one packet of engine.io
 * that has this pre-encoded frame. Whatever else is written to the connection in between goes behind what waits here:
 * the order holds. Where there is no WebSocket, or engine.io has changed, packets go one by one.
 */
export class FrameBatch {
  readonly #engine: EngineInternals
  readonly #onPending: (frames: FrameBatch) => void
  readonly #backpressure: { checkBuffered(): void } | undefined
  #packets: Packet[] = []
  #isFlushing = false

  /**
   * @param onPending called when something waits that did not before: `flush` is to be called at the turn's end.
   * @param backpressure is told when frames have gone past engine.io
   */
  constructor(engine: Engine, onPending: (frames: FrameBatch) => void, backpressure?: { checkBuffered(): void }) {
    this.#engine = engine as unknown as EngineInternals
    this.#onPending = onPending
    this.#backpressure = backpressure
    ;(engine as WithFrameBatch)[FRAME_BATCH] = this
    engine.on('packetCreate', onPacketCreate)
  }

  add(packet: Packet): void {
    if (this.#packets.push(packet) === 1) this.#onPending(this)
  }

  /** Something else is about to be written: what waits goes first. */
  flushBeforeWrite(): void {
    if (!this.#isFlushing) this.flush()
  }

  flush(): void {
    const packets = this.#packets
    const [first] = packets
    if (first === undefined) return
    this.#packets = []
    this.#isFlushing = true
    if (canPreEncode(this.#engine)) {
      const wsPreEncodedFrame = packets.length === 1 ? first.frame : ([concatFrames(packets)] as [Buffer])
      if (!this.#writeDirectly(wsPreEncodedFrame)) this.#engine.write('', { compress: false, wsPreEncodedFrame })
    } else for (const { text } of packets) this.#engine.write(text)
    this.#isFlushing = false
  }

  /** False: engine.io has something to write first. */
  #writeDirectly(frame: [Buffer] | [Buffer, Buffer]): boolean {
    const { readyState, writeBuffer, transport } = this.#engine
    if (readyState !== 'open' || !transport.writable || writeBuffer.length > 0) return false
    if (transport.socket?.readyState !== WEBSOCKET_OPEN) return false
    transport.socket._sender?.sendFrame?.(frame)
    this.#backpressure?.checkBuffered()
    return true
  }
}

function concatFrames(packets: readonly Packet[]): Buffer {
  let size = 0
  for (const packet of packets) size += packet.size
  const bytes = Buffer.allocUnsafe(size)
  let at = 0
  for (const packet of packets) at = packet.copyTo(bytes, at)
  return bytes
}
