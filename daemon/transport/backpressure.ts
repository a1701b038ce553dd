import { exceeds, type Limits } from '../../src/protocol/limits.ts'
import type { Log } from '../log/log.ts'
import type { BudgetOwner, ConnectionBudget } from './budgets/connection-budget.ts'
import { budgetOf, moveToBudget } from './budgets/limited-web-sockets.ts'
import { FLUSH_TIMEOUT_MS } from './flush-timeout.ts'
import { type Engine, type PreEncodedOptions, type WebSocketOfWs, webSocketOf } from './internals.ts'
import type { Features } from './self-test.ts'

/** Packets that a client may send per message of its token bucket: confirmations and requests are packets, too. */
const PACKETS_PER_MESSAGE = 20
const BURST_PACKETS_PER_MESSAGE = 4
/** Each time this many bytes of a packet count as one more packet: the cost of reading grows with the length. */
const BYTES_PER_PACKET = 2_048
/** Longest pause of reading, ms: shorter than the ping timeout. */
const MAX_PAUSE_MS = 4_000
/** Packets of this length and more count as unsent before Engine.IO gives them to the transport; others after that. */
const MIN_COUNTED_PACKET_BYTES = 64 * 1024

/** From this number of unsent bytes on, typing notices are dropped. */
export const SLOW_BYTES = 64 * 1024

/** The packet types of Socket.IO (docs/PROTOCOL.md, section A): the first character of a packet. */
const CONNECT = '0'
const DISCONNECT = '1'
const BINARY_EVENT = '5'
const BINARY_ACK = '6'

/** Connections that one server disconnected because they did not read. */
export interface CutOffCounts {
  client: number
  peer: number
}

/** What the connections of one server share. */
export interface TransportContext {
  readonly limits: Limits
  readonly log: Log
  readonly features: Features
  readonly cutOffCounts: CutOffCounts
}

/** Where a connection keeps its backpressure, so that all connections share their listeners. */
const BACKPRESSURE = Symbol('backpressure')
type WithBackpressure = Engine & { [BACKPRESSURE]?: Backpressure }

interface CreatedPacket {
  readonly data?: unknown
  readonly options?: Partial<PreEncodedOptions>
}

function onPacketCreate(this: WithBackpressure, { data, options }: CreatedPacket): void {
  const [start, end] = options?.wsPreEncodedFrame ?? []
  const bytes = start === undefined ? sizeOf(data) : start.length + (end?.length ?? 0)
  this[BACKPRESSURE]?.addQueued(bytes)
}
function onFlush(this: WithBackpressure): void {
  this[BACKPRESSURE]?.moveQueuedToTransport()
}
function onHandedOver(this: WithBackpressure): void {
  this[BACKPRESSURE]?.onHandedOver()
}
function onPacket(this: WithBackpressure, { type, data }: { type?: string; data?: unknown }): void {
  this[BACKPRESSURE]?.onPacket(type, data)
}
function onUpgrade(this: WithBackpressure): void {
  this[BACKPRESSURE]?.onUpgraded()
}
function onClose(this: WithBackpressure): void {
  this[BACKPRESSURE]?.onClosed()
}

function sizeOf(data: unknown): number {
  return typeof data === 'string' ? Buffer.byteLength(data) : lengthOf(data)
}

function lengthOf(data: unknown): number {
  return typeof data === 'string' || Buffer.isBuffer(data) ? data.length : 0
}

/**
 * Bounds both directions of one connection, below Socket.IO, which bounds neither. A slow consumer is disconnected when
 * more than the limit waits to be sent to it. A client is read at the pace that its limits allow, by pausing its socket:
 * a flood waits in the sender's own buffers and does not slow others down.
 */
export class Backpressure implements BudgetOwner {
  /** What the connection may use, whatever namespaces it joins. */
  readonly budget: ConnectionBudget
  readonly #engine: Engine
  readonly #context: TransportContext
  readonly #openConnections: Set<Backpressure>
  #maxUnsentBytes: number
  /** Bytes in Engine.IO's own buffer. */
  #queuedBytes = 0
  /** Bytes of Engine.IO's last flush, which the transport is sending until it is writable again. */
  #flushedBytes = 0
  /** Packets read and not yet paid for by time. */
  #bucketLevel = 0
  #bucketUpdatedAt = performance.now()
  #isPaused = false
  #awaitsDrain = false
  #isLink = false
  #isEnded = false

  /** @param openConnections holds this until the connection is closed */
  constructor(engine: Engine, context: TransportContext, openConnections: Set<Backpressure>, budget: ConnectionBudget) {
    this.#engine = engine
    this.budget = budget
    budget.owner = this
    // A client of Engine.IO 3 is in the default namespace at once.
    if (engine.protocol === 3) budget.join()
    this.#context = context
    this.#openConnections = openConnections
    openConnections.add(this)
    this.#maxUnsentBytes = context.limits.bufferedBytes
    ;(engine as WithBackpressure)[BACKPRESSURE] = this
    engine.on('packetCreate', onPacketCreate)
    engine.on('flush', onFlush)
    // Engine.IO emits it when its transport has the packets, not when they are sent.
    engine.on('drain', onHandedOver)
    engine.on('packet', onPacket)
    engine.on('upgrade', onUpgrade)
    engine.on('close', onClose)
  }

  /** @throws Error for a connection that no `SocketServer` accepted */
  static of(engine: WithBackpressure): Backpressure {
    const found = engine[BACKPRESSURE]
    if (found === undefined) throw new Error('this connection has no backpressure')
    return found
  }

  get features(): Features {
    return this.#context.features
  }

  /** The connection is an authenticated link: it is read without a pace, and more bytes may wait. */
  markAsLink(): void {
    this.#isLink = true
    this.#maxUnsentBytes = this.#context.limits.linkBufferedBytes
    this.budget.markAsLink()
  }

  /** Closes when the last packets have left, or after `FLUSH_TIMEOUT_MS` without that. */
  close(): void {
    this.#engine.close()
    setTimeout(() => this.cut(), FLUSH_TIMEOUT_MS).unref()
  }

  /** Ends the connection now, without flushing. */
  cut(): void {
    this.#isEnded = true
    const webSocket = this.#webSocket
    if (webSocket !== undefined) webSocket.terminate()
    else this.#engine.close(true)
  }

  /** Ends the connection now, because it broke a rule: no packet that it sent is handled any more. */
  refuse(reason: string): void {
    if (this.#isEnded) return
    this.#context.log.write('debug', `Disconnected a client: ${reason}.`)
    this.cut()
    this.#engine.close(true)
  }

  onExceeded(reason: string): void {
    this.refuse(reason)
  }

  onUnreadExceeded(): void {
    this.#disconnectSlow('too many unsent bytes of all clients')
  }

  /** Engine.IO closed the connection. */
  onClosed(): void {
    this.#openConnections.delete(this)
    this.budget.close()
    const webSocket = this.#webSocket
    if (this.features.closeTimeout || webSocket === undefined) return
    // The client may not answer the close frame; ws itself would wait for 30 s.
    setTimeout(() => webSocket.terminate(), FLUSH_TIMEOUT_MS).unref()
  }

  get #webSocket(): WebSocketOfWs | undefined {
    return this.#context.features.webSocket ? webSocketOf(this.#engine) : undefined
  }

  /**
   * Bytes that wait to be sent. Without ws's own count (see the self-test), all bytes of the last flush count until
   * Engine.IO's transport is writable again: never fewer than wait.
   */
  get #unsentBytes(): number {
    return this.#waitingBytes + this.budget.unreadAnswerBytes
  }

  /** The unsent bytes without those of answers, which count themselves: see `HttpRequests`. */
  get #waitingBytes(): number {
    const webSocket = this.#webSocket
    if (webSocket !== undefined) return this.#queuedBytes + webSocket.bufferedAmount
    const { transport } = this.#engine
    const isSending = transport.name === 'websocket' && !transport.writable
    return this.#queuedBytes + (isSending ? this.#flushedBytes : 0)
  }

  /** Whether enough waits to be sent that what is not needed should be left out. */
  get isSlow(): boolean {
    return this.#waitingBytes > SLOW_BYTES
  }

  /** A session of long polling has moved to a WebSocket. */
  onUpgraded(): void {
    const webSocket = webSocketOf(this.#engine)
    if (webSocket !== undefined) moveToBudget(webSocket, this.budget)
  }

  /** Engine.IO put a packet of this many bytes into its buffer. */
  addQueued(bytes: number): void {
    this.#queuedBytes += bytes
    this.#disconnectIfSlow()
    if (bytes >= MIN_COUNTED_PACKET_BYTES || !this.#engine.transport.writable) this.#countWaiting()
  }

  /** Engine.IO has given its buffer to the transport: what the kernel has not taken waits. */
  onHandedOver(): void {
    this.#countWaiting()
    const { transport } = this.#engine
    if (this.#awaitsDrain || this.#waitingBytes === 0 || transport.name !== 'websocket') return
    this.#awaitsDrain = true
    transport.once('drain', () => {
      this.#awaitsDrain = false
      this.#flushedBytes = 0
      this.#countWaiting()
    })
  }

  /** The kernel has not taken all of a frame that was written past Engine.IO and ws (`FrameBatch`). */
  onPartlyWritten(): void {
    this.#disconnectIfSlow()
    this.#countWaiting()
  }

  /** The rest of such a frame is sent. */
  onSent(): void {
    this.#countWaiting()
  }

  #countWaiting(): void {
    if (!this.#isEnded) this.budget.holdUnsent(this.#waitingBytes)
  }

  /** Engine.IO gave its buffer to the transport. */
  moveQueuedToTransport(): void {
    this.#flushedBytes = this.#queuedBytes
    this.#queuedBytes = 0
    // From now on the answer counts itself: see `HttpRequests`.
    if (this.#engine.transport.name === 'polling') this.#countWaiting()
  }

  #disconnectIfSlow(): void {
    if (exceeds(this.#unsentBytes, this.#maxUnsentBytes)) this.#disconnectSlow('too many unsent bytes')
  }

  #disconnectSlow(reason: string): void {
    if (this.#isEnded) return
    const side = this.#isLink ? 'peer' : 'client'
    this.#context.cutOffCounts[side]++
    this.#context.log.write('warn', `Disconnected a slow ${side}: ${reason}.`)
    this.cut()
  }

  /**
   * Engine.IO has read a packet. Binary packets are refused: nothing in the protocol is binary, and Socket.IO keeps each
   * until its attachments are complete. A connection is for one namespace, once: a client that leaves it is disconnected.
   */
  onPacket(type: string | undefined, data: unknown): void {
    this.countRead(lengthOf(data))
    // On a WebSocket all bytes are counted where they arrive.
    if (budgetOf(this.#webSocket) === undefined) this.budget.countRead(lengthOf(data))
    if (type !== 'message') return
    if (typeof data !== 'string') return this.refuse('it sent a binary packet')
    const [socketIoType] = data
    if (socketIoType === BINARY_EVENT || socketIoType === BINARY_ACK) this.refuse('it sent a binary packet')
    else if (socketIoType === CONNECT && !this.budget.join()) this.refuse('it joined a second namespace')
    // When Socket.IO has handled it.
    else if (socketIoType === DISCONNECT) setImmediate(() => this.close())
  }

  /** A packet of this many bytes was read. A leaky bucket: a pause of reading pays for what exceeds it. */
  countRead(bytes: number): void {
    const { messagesPerSecond, burst } = this.#context.limits
    if (this.#isLink || messagesPerSecond <= 0 || burst <= 0) return
    const perSecond = messagesPerSecond * PACKETS_PER_MESSAGE
    const now = performance.now()
    this.#bucketLevel =
      Math.max(0, this.#bucketLevel - ((now - this.#bucketUpdatedAt) * perSecond) / 1000) + 1 + bytes / BYTES_PER_PACKET
    this.#bucketUpdatedAt = now
    const excess = this.#bucketLevel - burst * BURST_PACKETS_PER_MESSAGE
    if (excess <= 0 || this.#isPaused) return
    const webSocket = this.#context.features.pause ? this.#webSocket : undefined
    // Long polling cannot be paused.
    if (webSocket === undefined) return this.cut()
    this.#isPaused = true
    webSocket.pause()
    // ws still delivers the rest of what it has read in this turn: the length of the pause is known at its end.
    setImmediate(() => {
      const excess = this.#bucketLevel - burst * BURST_PACKETS_PER_MESSAGE
      const pauseMs = Math.min(MAX_PAUSE_MS, Math.max(1, (excess * 1000) / perSecond))
      setTimeout(() => {
        this.#isPaused = false
        webSocket.resume()
      }, pauseMs).unref()
    })
  }
}
