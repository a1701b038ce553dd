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
type TakeEvent = (event: string, payload: unknown, call: number | undefined) => boolean

/** Where a connection keeps the reader of its events. */
const PACKETS = Symbol('event packets')
type WithPackets = Engine & { [PACKETS]?: EventPackets }

/** Before an event in the default namespace stand engine.io's type (message), Socket.IO's (event), maybe a number. */
const HEAD = /^42(\d{0,15})\[/

/**
 * Events of the default namespace, read from the WebSocket without Socket.IO's general decoder, its queue of ticks and
 * its emitters. What is not simply an event, and what comes in the same turn behind such a packet, goes the ordinary
 * way: the order holds.
 */
export class EventPackets {
  /** Set while the connection is open to events. */
  take: TakeEvent | undefined
  readonly #engine: EngineInternals
  readonly #ordinary: (data: Buffer, isBinary: boolean) => void
  /** Whether packets of this turn went the ordinary way. */
  #behind = false

  /** @param counted called for each packet that does not go the ordinary way, with its bytes */
  static install(engine: Engine, counted: (bytes: number) => void): void {
    const internals = engine as unknown as EngineInternals
    const { name, socket } = internals.transport
    const [listener] = socket?.listeners('message') ?? []
    if (name !== 'websocket' || socket === undefined || listener === undefined) return
    const packets = new EventPackets(internals, listener)
    ;(engine as WithPackets)[PACKETS] = packets
    socket.removeAllListeners('message')
    socket.on('message', (data, isBinary) => {
      if (!isBinary && packets.#read(data)) counted(data.length)
      else packets.#goOrdinary(data, isBinary)
    })
  }

  static of(engine: WithPackets): EventPackets | undefined {
    return engine[PACKETS]
  }

  private constructor(engine: EngineInternals, ordinary: (data: Buffer, isBinary: boolean) => void) {
    this.#engine = engine
    this.#ordinary = ordinary
  }

  #goOrdinary(data: Buffer, isBinary: boolean): void {
    if (!this.#behind) {
      this.#behind = true
      // What a first packet is answered, by Socket.IO and then by the gate, leaves in one write.
      const raw = this.take === undefined ? this.#engine.transport.socket?._socket : undefined
      raw?.cork()
      // Socket.IO hands a packet on after some ticks, all of them before this.
      setImmediate(() => {
        this.#behind = false
        raw?.uncork()
      })
    }
    this.#ordinary(data, isBinary)
  }

  #read(data: Buffer): boolean {
    // While a pong is awaited, engine.io wants to see every packet.
    if (this.take === undefined || this.#behind || this.#engine.pingTimeoutTimer !== null) return false
    if (data[0] !== 0x34 || data[1] !== 0x32 || this.#engine.readyState !== 'open') return false
    const text = data.toString()
    const im = readIm(text)
    if (im !== undefined) return this.take('im', im.payload, im.call)
    const head = HEAD.exec(text)
    if (head === null) return false
    let event: unknown
    try {
      event = JSON.parse(text.slice(head[0].length - 1))
    } catch {
      return false
    }
    if (!Array.isArray(event) || event.length > 2 || typeof event[0] !== 'string') return false
    return this.take(event[0], event[1], head[1] === '' ? undefined : Number(head[1]))
  }
}
