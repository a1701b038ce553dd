import type { Socket } from 'socket.io'
import { exceeds, type Limits } from '../../src/protocol/limits.ts'
import type { Log } from '../log/log.ts'
import { type CreatedPacket, giveFrame } from './frame-batch.ts'

/** engine.io's side of a connection. */
type Engine = Socket['conn']

/** What is under engine.io's transport, when it is a WebSocket (of the package `ws`). */
interface RawSocket {
  readonly bufferedAmount: number
  pause(): void
  resume(): void
  terminate(): void
}

/** Packets that a client may send for each message of its token bucket: confirmations and the like are packets too. */
const PACKETS_A_SECOND = 20
const PACKETS_AT_ONCE = 4
/** So many bytes of a packet count as another: what it costs to read one grows with its length. */
const PACKET_BYTES = 2_048
/** Longest pause of reading, ms: shorter than a ping's patience. */
const LONGEST_PAUSE_MS = 4_000
/** Time for the last words to leave before a connection is cut off, ms. */
const LAST_WORDS_MS = 1_000

/** Where a connection keeps its wire: its listeners are the same functions for all connections. */
const WIRE = Symbol('wire')
type WithWire = Engine & { [WIRE]?: Wire }

function onCreated(this: WithWire, packet: CreatedPacket): void {
  giveFrame(this, packet)
  const [start, end] = packet.options?.wsPreEncodedFrame ?? []
  const length = typeof packet.data === 'string' ? packet.data.length : 0
  this[WIRE]?.written(start === undefined ? length : start.length + (end?.length ?? 0))
}
function onFlush(this: WithWire): void {
  this[WIRE]?.flushed()
}
function onPacket(this: WithWire, { data }: { data?: { length?: number } }): void {
  this[WIRE]?.read(data?.length ?? 0)
}

/**
 * The bytes of one connection, below Socket.IO, which bounds neither direction: what waits for a client that does not
 * read, and how fast is read what a client sends. Every client is read at the pace that its limits allow, by pausing
 * its socket; so a flood waits in the sender's own buffers, and costs nobody else.
 */
export class Wire {
  /** Connections of this process that were cut off because they did not read. */
  static readonly cutOff = { client: 0, peer: 0 }
  readonly #engine: Engine
  readonly #limits: Limits
  readonly #log: Log
  /** Most bytes that may wait. */
  #bound: number
  /** Bytes in engine.io's own buffer. */
  #queued = 0
  /** Packets read and not yet paid for by time. */
  #level = 0
  #levelAt = performance.now()
  #paused = false
  #link = false
  #ended = false

  constructor(engine: Engine, limits: Limits, log: Log) {
    this.#engine = engine
    this.#limits = limits
    this.#log = log
    this.#bound = limits.bufferedBytes
    ;(engine as WithWire)[WIRE] = this
    engine.on('packetCreate', onCreated)
    engine.on('flush', onFlush)
    engine.on('packet', onPacket)
  }

  static of(engine: WithWire): Wire | undefined {
    return engine[WIRE]
  }

  /** A proven peer: its link is read as fast as it goes, and may hold more. */
  becomesLink(): void {
    this.#link = true
    this.#bound = this.#limits.linkBufferedBytes
  }

  /** Closes after the last words, or without them when nobody reads them. */
  close(): void {
    this.#engine.close()
    setTimeout(() => this.cut(), LAST_WORDS_MS).unref()
  }

  /** Ends the connection now, whatever waits. */
  cut(): void {
    this.#ended = true
    const raw = this.#raw
    if (raw !== undefined) raw.terminate()
    else this.#engine.close(true)
  }

  get #raw(): RawSocket | undefined {
    const { transport } = this.#engine as unknown as { transport: { socket?: RawSocket } }
    return transport.socket
  }

  /** So many bytes went into engine.io's buffer. */
  written(bytes: number): void {
    this.#queued += bytes
    this.passed()
  }

  /** Something went to the socket: too much may wait there. */
  passed(): void {
    if (this.#ended || !exceeds(this.#queued + (this.#raw?.bufferedAmount ?? 0), this.#bound)) return
    const who = this.#link ? 'peer' : 'client'
    Wire.cutOff[who]++
    this.#log.say('warn', `Cut off a ${who} that does not read.`)
    this.cut()
  }

  /** engine.io's buffer has gone to the socket's. */
  flushed(): void {
    this.#queued = 0
  }

  /** A packet of so many bytes was read. A leaky bucket: what one read brought too much is paid for by a pause. */
  read(bytes: number): void {
    const { messagesPerSecond, burst } = this.#limits
    if (this.#link || messagesPerSecond <= 0 || burst <= 0) return
    const perSecond = messagesPerSecond * PACKETS_A_SECOND
    const now = performance.now()
    this.#level = Math.max(0, this.#level - ((now - this.#levelAt) * perSecond) / 1000) + 1 + bytes / PACKET_BYTES
    this.#levelAt = now
    const over = this.#level - burst * PACKETS_AT_ONCE
    if (over <= 0 || this.#paused) return
    const raw = this.#raw
    // One who polls cannot be paused.
    if (raw === undefined) return this.cut()
    this.#paused = true
    raw.pause()
    // The rest of what was read comes in this very turn: how long to pause is known at its end.
    setImmediate(() => {
      const debt = this.#level - burst * PACKETS_AT_ONCE
      const pause = Math.min(LONGEST_PAUSE_MS, Math.max(1, (debt * 1000) / perSecond))
      setTimeout(() => {
        this.#paused = false
        raw.resume()
      }, pause).unref()
    })
  }
}
