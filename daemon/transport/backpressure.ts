import type { Socket } from 'socket.io'
import { exceeds, type Limits } from '../../src/protocol/limits.ts'
import type { Log } from '../log/log.ts'
import { type CreatedPacket, preEncodeFrame } from './frame-batch.ts'

/** engine.io's side of a connection. */
type Engine = Socket['conn']

/** What is under engine.io's transport, when it is a WebSocket (of the package `ws`). */
interface WebSocketOfWs {
  readonly bufferedAmount: number
  pause(): void
  resume(): void
  terminate(): void
}

/** Packets that a client may send for each message of its token bucket: confirmations and the like are packets too. */
const PACKETS_PER_MESSAGE = 20
const BURST_PACKETS_PER_MESSAGE = 4
/** So many bytes of a packet count as another: what it costs to read one grows with its length. */
const BYTES_PER_PACKET = 2_048
/** Longest pause of reading, ms: shorter than a ping's patience. */
const MAX_PAUSE_MS = 4_000
/** Time for the last words to leave before a connection is cut off, ms. */
const CLOSE_FLUSH_MS = 1_000

/** Where a connection keeps its wire: its listeners are the same functions for all connections. */
const BACKPRESSURE = Symbol('wire')
type WithBackpressure = Engine & { [BACKPRESSURE]?: Backpressure }

function onPacketCreate(this: WithBackpressure, packet: CreatedPacket): void {
  preEncodeFrame(this, packet)
  const [start, end] = packet.options?.wsPreEncodedFrame ?? []
  const length = typeof packet.data === 'string' ? packet.data.length : 0
  this[BACKPRESSURE]?.addQueued(start === undefined ? length : start.length + (end?.length ?? 0))
}
function onFlush(this: WithBackpressure): void {
  this[BACKPRESSURE]?.resetQueued()
}
function onPacket(this: WithBackpressure, { data }: { data?: { length?: number } }): void {
  this[BACKPRESSURE]?.countRead(data?.length ?? 0)
}

/**
 * The bytes of one connection, below Socket.IO, which bounds neither direction: what waits for a client that does not
 * read, and how fast is read what a client sends. Every client is read at the pace that its limits allow, by pausing
 * its socket; so a flood waits in the sender's own buffers, and costs nobody else.
 */
export class Backpressure {
  /** Connections of this process that were cut off because they did not read. */
  static readonly cutOffCounts = { client: 0, peer: 0 }
  readonly #engine: Engine
  readonly #limits: Limits
  readonly #log: Log
  /** Most bytes that may wait. */
  #maxBufferedBytes: number
  /** Bytes in engine.io's own buffer. */
  #queuedBytes = 0
  /** Packets read and not yet paid for by time. */
  #bucketLevel = 0
  #bucketUpdatedAt = performance.now()
  #isPaused = false
  #isLink = false
  #isEnded = false

  constructor(engine: Engine, limits: Limits, log: Log) {
    this.#engine = engine
    this.#limits = limits
    this.#log = log
    this.#maxBufferedBytes = limits.bufferedBytes
    ;(engine as WithBackpressure)[BACKPRESSURE] = this
    engine.on('packetCreate', onPacketCreate)
    engine.on('flush', onFlush)
    engine.on('packet', onPacket)
  }

  static of(engine: WithBackpressure): Backpressure | undefined {
    return engine[BACKPRESSURE]
  }

  /** A proven peer: its link is read as fast as it goes, and may hold more. */
  markAsLink(): void {
    this.#isLink = true
    this.#maxBufferedBytes = this.#limits.linkBufferedBytes
  }

  /** Closes after the last words, or without them when nobody reads them. */
  close(): void {
    this.#engine.close()
    setTimeout(() => this.cut(), CLOSE_FLUSH_MS).unref()
  }

  /** Ends the connection now, whatever waits. */
  cut(): void {
    this.#isEnded = true
    const webSocket = this.#webSocket
    if (webSocket !== undefined) webSocket.terminate()
    else this.#engine.close(true)
  }

  get #webSocket(): WebSocketOfWs | undefined {
    const { transport } = this.#engine as unknown as { transport: { socket?: WebSocketOfWs } }
    return transport.socket
  }

  /** So many bytes went into engine.io's buffer. */
  addQueued(bytes: number): void {
    this.#queuedBytes += bytes
    this.checkBuffered()
  }

  /** Something went to the socket: too much may wait there. */
  checkBuffered(): void {
    if (this.#isEnded || !exceeds(this.#queuedBytes + (this.#webSocket?.bufferedAmount ?? 0), this.#maxBufferedBytes))
      return
    const side = this.#isLink ? 'peer' : 'client'
    Backpressure.cutOffCounts[side]++
    this.#log.write('warn', `Cut off a ${side} that does not read.`)
    this.cut()
  }

  /** engine.io's buffer has gone to the socket's. */
  resetQueued(): void {
    this.#queuedBytes = 0
  }

  /** A packet of so many bytes was read. A leaky bucket: what one read brought too much is paid for by a pause. */
  countRead(bytes: number): void {
    const { messagesPerSecond, burst } = this.#limits
    if (this.#isLink || messagesPerSecond <= 0 || burst <= 0) return
    const perSecond = messagesPerSecond * PACKETS_PER_MESSAGE
    const now = performance.now()
    this.#bucketLevel =
      Math.max(0, this.#bucketLevel - ((now - this.#bucketUpdatedAt) * perSecond) / 1000) + 1 + bytes / BYTES_PER_PACKET
    this.#bucketUpdatedAt = now
    const excess = this.#bucketLevel - burst * BURST_PACKETS_PER_MESSAGE
    if (excess <= 0 || this.#isPaused) return
    const webSocket = this.#webSocket
    // One who polls cannot be paused.
    if (webSocket === undefined) return this.cut()
    this.#isPaused = true
    webSocket.pause()
    // The rest of what was read comes in this very turn: how long to pause is known at its end.
    setImmediate(() => {
      const excess = this.#bucketLevel - burst * BURST_PACKETS_PER_MESSAGE
      const pause = Math.min(MAX_PAUSE_MS, Math.max(1, (excess * 1000) / perSecond))
      setTimeout(() => {
        this.#isPaused = false
        webSocket.resume()
      }, pause).unref()
    })
  }
}
