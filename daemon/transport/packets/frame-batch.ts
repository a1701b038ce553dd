import type { Backpressure } from '../backpressure.ts'
import { type Engine, writePreEncoded } from '../internals.ts'
import { concatFrames, type Packet } from './packet.ts'

/** Where a connection keeps its batch, so that all connections share one listener. */
const FRAME_BATCH = Symbol('frame batch')
type WithFrameBatch = Engine & { [FRAME_BATCH]?: FrameBatch }

function onPacketCreate(this: WithFrameBatch): void {
  this[FRAME_BATCH]?.flushBeforeWrite()
}

/**
 * The packets that one event-loop turn sends through one connection, as one write: a write per packet is the largest
 * cost of Socket.IO. Engine.IO gets all frames as one packet with a pre-encoded frame. Whatever Engine.IO or Socket.IO
 * write themselves goes after the packets that wait here, so the order is kept. Without a WebSocket, or when the
 * self-test has not found that pre-encoded frames work, packets are written one by one.
 */
export class FrameBatch {
  readonly #engine: Engine
  readonly #onPending: (batch: FrameBatch) => void
  readonly #backpressure: Backpressure
  #packets: Packet[] = []
  #isFlushing = false

  /** @param onPending called when the batch gets its first packet: the caller must call `flush` at the turn's end */
  constructor(engine: Engine, onPending: (batch: FrameBatch) => void, backpressure: Backpressure) {
    this.#engine = engine
    this.#onPending = onPending
    this.#backpressure = backpressure
    ;(engine as WithFrameBatch)[FRAME_BATCH] = this
    engine.on('packetCreate', onPacketCreate)
  }

  add(packet: Packet): void {
    if (this.#packets.push(packet) === 1) this.#onPending(this)
  }

  /** Engine.IO is about to write a packet: the batch goes first. */
  flushBeforeWrite(): void {
    if (!this.#isFlushing) this.flush()
  }

  flush(): void {
    const packets = this.#packets
    const [first] = packets
    if (first === undefined) return
    this.#packets = []
    this.#isFlushing = true
    if (this.#canPreEncode) {
      writePreEncoded(this.#engine, packets.length === 1 ? first.frame : [concatFrames(packets)])
    } else for (const { text } of packets) this.#engine.write(text)
    this.#isFlushing = false
  }

  get #canPreEncode(): boolean {
    const { preEncodedFrames } = this.#backpressure.features
    return preEncodedFrames && this.#engine.transport.name === 'websocket'
  }
}
