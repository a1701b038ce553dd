import type { Socket } from 'socket.io'
import { readIm } from './im-packets.ts'

/** engine.io's side of a connection. */
type Engine = Socket['conn']

/** What engine.io keeps to itself, and this file builds on; test/contract/socket-io-internals.test.ts holds that it is there. */
interface EngineInternals {
  readonly readyState: string
  readonly pingTimeoutTimer: unknown
  readonly transport: { readonly name: string; readonly socket?: WebSocketOfWs }
}
interface WebSocketOfWs {
  readonly _socket?: { cork(): void; uncork(): void }
  listeners(event: 'message'): ((data: Buffer, isBinary: boolean) => void)[]
  removeAllListeners(event: 'message'): void
  on(event: 'message', listener: (data: Buffer, isBinary: boolean) => void): void
}

/** Takes an event; `call` is the number of the acknowledgement that it wants. False: it goes the ordinary way. */
type EventHandler = (event: string, payload: unknown, call: number | undefined) => boolean

/** Where a connection keeps the reader of its events. */
const EVENT_READER = Symbol('event packets')
type WithEventReader = Engine & { [EVENT_READER]?: EventReader }

/** Before an event in the default namespace stand engine.io's type (message), Socket.IO's (event), maybe a number. */
const EVENT_PREFIX = /^42(\d{0,15})\[/

/**
 * Events of the default namespace, read from the WebSocket without Socket.IO's general decoder, its queue of ticks and
 * its emitters. What is not simply an event, and what comes in the same turn behind such a packet, goes the ordinary
 * way: the order holds.
 */
export class EventReader {
  /** Set while the connection is open to events. */
  onEvent: EventHandler | undefined
  readonly #engine: EngineInternals
  readonly #socketIoListener: (data: Buffer, isBinary: boolean) => void
  /** Whether packets of this turn went the ordinary way. */
  #socketIoHasTurn = false

  /** @param onHandled called for each packet that does not go the ordinary way, with its bytes */
  static install(engine: Engine, onHandled: (bytes: number) => void): void {
    const internals = engine as unknown as EngineInternals
    const { name, socket } = internals.transport
    const [listener] = socket?.listeners('message') ?? []
    if (name !== 'websocket' || socket === undefined || listener === undefined) return
    const reader = new EventReader(internals, listener)
    ;(engine as WithEventReader)[EVENT_READER] = reader
    socket.removeAllListeners('message')
    socket.on('message', (data, isBinary) => {
      if (!isBinary && reader.#handlePacket(data)) onHandled(data.length)
      else reader.#passToSocketIo(data, isBinary)
    })
  }

  static of(engine: WithEventReader): EventReader | undefined {
    return engine[EVENT_READER]
  }

  private constructor(engine: EngineInternals, socketIoListener: (data: Buffer, isBinary: boolean) => void) {
    this.#engine = engine
    this.#socketIoListener = socketIoListener
  }

  #passToSocketIo(data: Buffer, isBinary: boolean): void {
    if (!this.#socketIoHasTurn) {
      this.#socketIoHasTurn = true
      // What a first packet is answered, by Socket.IO and then by the gate, leaves in one write.
      const raw = this.onEvent === undefined ? this.#engine.transport.socket?._socket : undefined
      raw?.cork()
      // Socket.IO hands a packet on after some ticks, all of them before this.
      setImmediate(() => {
        this.#socketIoHasTurn = false
        raw?.uncork()
      })
    }
    this.#socketIoListener(data, isBinary)
  }

  #handlePacket(data: Buffer): boolean {
    // While a pong is awaited, engine.io wants to see every packet.
    if (this.onEvent === undefined || this.#socketIoHasTurn || this.#engine.pingTimeoutTimer !== null) return false
    if (data[0] !== 0x34 || data[1] !== 0x32 || this.#engine.readyState !== 'open') return false
    const text = data.toString()
    const im = readIm(text)
    if (im !== undefined) return this.onEvent('im', im.payload, im.call)
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
