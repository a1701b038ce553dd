import type { Backpressure } from '../backpressure.ts'
import { EARLY_PING_MS } from '../heartbeat.ts'
import { type Engine, idleTcpOf, writePreEncoded } from '../internals.ts'
import { concatFrames, type Packet } from './packet.ts'

/** Where a connection keeps its batch, so that all connections share one listener. */
const FRAME_BATCH = Symbol('frame batch')
type WithFrameBatch = Engine & { [FRAME_BATCH]?: FrameBatch }

const NOTHING = Buffer.alloc(0)

function onPacketCreate(this: WithFrameBatch, { type }: { type?: string }): void {
  this[FRAME_BATCH]?.onEnginePacket(type)
}

/**
 * The packets that one event-loop turn sends through one connection, as one write: a write per packet is the largest
 * cost of Socket.IO. Engine.IO gets all frames as one packet with a pre-encoded frame. Whatever Engine.IO or Socket.IO
 * write themselves goes after the packets that wait here, so the order is kept. Without a WebSocket, or when the
 * self-test has not found that pre-encoded frames work, packets are written one by one.
 *
 * The packet of a turn that sends only one goes past Engine.IO and ws: docs/decisions/transport-shortcuts.md.
 */
export class FrameBatch {
  readonly #engine: Engine
  readonly #onPending: (batch: FrameBatch) => void
  readonly #backpressure: Backpressure
  /** The packets of this turn; most turns have one. */
  #first: Packet | undefined
  #more: Packet[] | undefined
  #isFlushing = false
  readonly #writesDirectly: boolean
  /** When the last ping was sent, monotonic ms. */
  #pingedAt = performance.now()

  /** @param onPending called when the batch gets its first packet: the caller must call `flush` at the turn's end */
  constructor(engine: Engine, onPending: (batch: FrameBatch) => void, backpressure: Backpressure) {
    this.#engine = engine
    this.#onPending = onPending
    this.#backpressure = backpressure
    this.#writesDirectly = backpressure.features.directWrites
    ;(engine as WithFrameBatch)[FRAME_BATCH] = this
    engine.on('packetCreate', onPacketCreate)
  }

  add(packet: Packet): void {
    if (this.#first === undefined) {
      this.#first = packet
      this.#onPending(this)
    } else if (this.#more === undefined) this.#more = [packet]
    else this.#more.push(packet)
  }

  /** Engine.IO is about to write a packet: the batch goes first. */
  onEnginePacket(type: string | undefined): void {
    if (this.#isFlushing) return
    const now = performance.now()
    if (type === 'ping') this.#pingedAt = now
    this.flush(now)
  }

  /** @param now monotonic time, ms */
  flush(now: number): void {
    const first = this.#first
    if (first === undefined) return
    const more = this.#more
    this.#first = undefined
    this.#more = undefined
    if (more === undefined && this.#writeDirectly(first, now)) return
    const packets = more === undefined ? [first] : [first, ...more]
    this.#isFlushing = true
    if (this.#canPreEncode) {
      writePreEncoded(this.#engine, more === undefined ? first.frame : [concatFrames(packets)])
    } else for (const { text } of packets) this.#engine.write(text)
    this.#isFlushing = false
  }

  /**
   * Writes the packet of a turn past Engine.IO and ws, on a connection that is idle: with a message for a thousand members,
   * nearly all of them. Returns false if Engine.IO has to write it.
   */
  #writeDirectly(packet: Packet, now: number): boolean {
    if (!this.#writesDirectly) return false
    const [frame, end] = packet.frame
    const tcp = end === undefined ? idleTcpOf(this.#engine) : undefined
    if (tcp === undefined) return false
    tcp.write(this.#takePing(now) ? packet.frameWithPing : frame)
    if (tcp.writableLength === 0) return true
    // The kernel has not taken all of it. An empty write tells when it has: nearly no connection ever needs a callback.
    tcp.write(NOTHING, () => this.#backpressure.onSent())
    this.#backpressure.onPartlyWritten()
    return true
  }

  /**
   * Whether to send a ping with a packet, because Engine.IO would send one soon. Its answer makes Engine.IO wait for another
   * whole interval; without an answer, Engine.IO sends its own ping when it is due, and waits for that.
   */
  #takePing(now: number): boolean {
    // In version 3 of the protocol the client sends the pings.
    if (now - this.#pingedAt < EARLY_PING_MS || this.#engine.protocol !== 4) return false
    this.#pingedAt = now
    return true
  }

  get #canPreEncode(): boolean {
    const { preEncodedFrames } = this.#backpressure.features
    return preEncodedFrames && this.#engine.transport.name === 'websocket'
  }
}
