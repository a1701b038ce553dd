import { type Engine, holdPackets, pongTimerOf, type WebSocketOfWs, webSocketOf } from '../internals.ts'

/** Takes an event; `call` is the number of the acknowledgement that it asks for. False: Socket.IO must handle it. */
type EventHandler = (event: string, payload: unknown, call: number | undefined) => boolean

/** Where a connection keeps its event reader. */
const EVENT_READER = Symbol('event reader')
type WithEventReader = Engine & { [EVENT_READER]?: EventReader }

/** An event of the default namespace: Engine.IO's type (message), Socket.IO's type (event), maybe a call's number. */
const EVENT_PREFIX = /^42(\d{0,15})\[/

/**
 * Reads events of the default namespace from the WebSocket, without Socket.IO's decoder, its queue of ticks and its
 * emitters. Everything else goes to Socket.IO, and so do packets that follow such a packet in the same event-loop turn:
 * the order is kept.
 *
 * Saves 38 % of a message's CPU time: docs/decisions/transport-shortcuts.md.
 */
export class EventReader {
  /** Set while the connection takes events. */
  onEvent: EventHandler | undefined
  readonly #engine: Engine
  readonly #socketIoListener: (data: Buffer, isBinary: boolean) => void
  /** Whether Socket.IO has packets of this turn. */
  #socketIoHasTurn = false

  /**
   * Installs a reader on a connection over WebSocket.
   * @param onHandled called with the bytes of each packet that Socket.IO does not see
   */
  static install(engine: Engine, onHandled: (bytes: number) => void): void {
    const webSocket = webSocketOf(engine)
    const [listener] = webSocket?.listeners('message') ?? []
    if (webSocket === undefined || listener === undefined) return
    const reader = new EventReader(engine, webSocket, listener, onHandled)
    ;(engine as WithEventReader)[EVENT_READER] = reader
  }

  /** Undefined where none is installed: on long polling, or after the self-test has found that it would not work. */
  static of(engine: WithEventReader): EventReader | undefined {
    return engine[EVENT_READER]
  }

  private constructor(
    engine: Engine,
    webSocket: WebSocketOfWs,
    socketIoListener: (data: Buffer, isBinary: boolean) => void,
    onHandled: (bytes: number) => void,
  ) {
    this.#engine = engine
    this.#socketIoListener = socketIoListener
    webSocket.removeAllListeners('message')
    webSocket.on('message', (data, isBinary) => {
      if (!isBinary && this.#handlePacket(data)) onHandled(data.length)
      else this.#passToSocketIo(data, isBinary)
    })
  }

  #passToSocketIo(data: Buffer, isBinary: boolean): void {
    if (!this.#socketIoHasTurn) {
      this.#socketIoHasTurn = true
      // The answers to the first packet, of Socket.IO and to the identification, leave in one write.
      const release = this.onEvent === undefined ? holdPackets(this.#engine) : undefined
      // Socket.IO delivers a packet after some ticks, all of them before this callback.
      setImmediate(() => {
        this.#socketIoHasTurn = false
        release?.()
      })
    }
    this.#socketIoListener(data, isBinary)
  }

  #handlePacket(data: Buffer): boolean {
    // While Engine.IO awaits a pong, every packet has to extend its timeout.
    if (this.onEvent === undefined || this.#socketIoHasTurn || pongTimerOf(this.#engine) !== null) return false
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
    return this.onEvent(event[0], event[1], prefix[1] === '' ? undefined : Number(prefix[1]))
  }
}
