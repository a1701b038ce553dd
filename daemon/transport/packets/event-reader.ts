import { type Engine, holdPackets, pongTimerOf, type WebSocketOfWs, webSocketOf } from '../internals.ts'
import type { FirstPacketHolder, FirstPackets } from './first-packets.ts'

export interface EventReceiver {
  /** Takes an event; `call` is the number of the acknowledgement that it asks for. False: Socket.IO must handle it. */
  handleEvent(event: string, payload: unknown, call: number | undefined): boolean
  /** Sends the packets that wait for the end of the turn. */
  flush(): void
}

/** Counts the packets that Socket.IO does not see. */
interface PacketMeter {
  countRead(bytes: number): void
}

/** Where Engine.IO's socket and its WebSocket keep their event reader: all connections share the listener. */
const EVENT_READER = Symbol('event reader')
type WithEventReader = (Engine | WebSocketOfWs) & { [EVENT_READER]?: EventReader }

function onMessage(this: WithEventReader, data: Buffer, isBinary: boolean): void {
  this[EVENT_READER]?.handleMessage(data, isBinary)
}

/** Engine.IO's answer to a ping: '3'. */
const PONG = 0x33

/** An event of the default namespace: Engine.IO's type (message), Socket.IO's type (event), maybe a call's number. */
const EVENT_PREFIX = /^42(\d{0,15})\[/

/**
 * Reads events of the default namespace from the WebSocket, without Socket.IO's decoder, its queue of ticks and its
 * emitters. Everything else goes to Socket.IO, and so do packets that follow such a packet in the same event-loop turn:
 * the order is kept.
 *
 * Saves 38 % of a message's CPU time: docs/decisions/transport-shortcuts.md.
 */
export class EventReader implements FirstPacketHolder {
  /** Set while the connection takes events. */
  receiver: EventReceiver | undefined
  readonly #engine: Engine
  readonly #meter: PacketMeter
  readonly #socketIoListener: (data: Buffer, isBinary: boolean) => void
  /** Whether Socket.IO has packets of this turn. */
  #socketIoHasTurn = false
  /** Undefined once it has taken the first packet of this connection. */
  #firstPackets: FirstPackets | undefined
  /** The first packet, while it waits. */
  #first: Buffer | undefined

  /** Installs a reader on a connection over WebSocket. */
  static install(engine: Engine, meter: PacketMeter, firstPackets: FirstPackets): void {
    const webSocket = webSocketOf(engine)
    const [listener] = webSocket?.listeners('message') ?? []
    if (webSocket === undefined || listener === undefined) return
    const reader = new EventReader(engine, listener, meter, firstPackets)
    ;(engine as WithEventReader)[EVENT_READER] = reader
    ;(webSocket as WithEventReader)[EVENT_READER] = reader
    webSocket.removeAllListeners('message')
    webSocket.on('message', onMessage)
  }

  /** Undefined where none is installed: on long polling, or after the self-test has found that it would not work. */
  static of(engine: WithEventReader): EventReader | undefined {
    return engine[EVENT_READER]
  }

  private constructor(
    engine: Engine,
    socketIoListener: (data: Buffer, isBinary: boolean) => void,
    meter: PacketMeter,
    firstPackets: FirstPackets,
  ) {
    this.#engine = engine
    this.#firstPackets = firstPackets
    this.#socketIoListener = socketIoListener
    this.#meter = meter
  }

  /** The WebSocket has received a message. */
  handleMessage(data: Buffer, isBinary: boolean): void {
    if (this.#firstPackets !== undefined && !isBinary) {
      const firstPackets = this.#firstPackets
      this.#firstPackets = undefined
      this.#first = data
      return firstPackets.add(this)
    }
    // A second packet does not wait, nor overtake the first.
    this.passFirstPacket()
    if (!isBinary && this.#handlePacket(data)) this.#meter.countRead(data.length)
    else this.#passToSocketIo(data, isBinary)
  }

  passFirstPacket(): void {
    const first = this.#first
    if (first === undefined) return
    this.#first = undefined
    if (this.#handlePacket(first)) this.#meter.countRead(first.length)
    else this.#passToSocketIo(first, false)
  }

  #passToSocketIo(data: Buffer, isBinary: boolean): void {
    // Engine.IO handles it at once, and Socket.IO does not see it.
    const isPong = data.length === 1 && data[0] === PONG
    if (!isPong && !this.#socketIoHasTurn) {
      this.#socketIoHasTurn = true
      // The answers to the first packet, of Socket.IO and to the identification, leave in one write.
      const release = this.receiver === undefined ? holdPackets(this.#engine) : undefined
      // Socket.IO delivers a packet after some ticks, all of them before this callback.
      setImmediate(() => {
        this.#socketIoHasTurn = false
        if (release === undefined) return
        this.receiver?.flush()
        release()
      })
    }
    this.#socketIoListener(data, isBinary)
  }

  #handlePacket(data: Buffer): boolean {
    // While Engine.IO awaits a pong, every packet has to extend its timeout.
    if (this.receiver === undefined || this.#socketIoHasTurn || pongTimerOf(this.#engine) !== null) return false
    if (data[0] !== 0x34 || data[1] !== 0x32 || this.#engine.readyState !== 'open') return false
    const text = data.toString()
    const prefix = EVENT_PREFIX.exec(text)
    if (prefix === null) return false
    let event: unknown
    try {
      event = JSON.parse(text.slice(prefix[0].length - 1))
    } catch {
      return false
    }
    if (!Array.isArray(event) || event.length > 2 || typeof event[0] !== 'string') return false
    return this.receiver.handleEvent(event[0], event[1], prefix[1] === '' ? undefined : Number(prefix[1]))
  }
}
