/**
 * Every member of Socket.IO, Engine.IO, ws and Node.js that this server uses and that their types hide. Nothing outside of this
 * folder touches one. `self-test.ts` checks each when a server starts; after an upgrade of these packages, read this file.
 *
 * Last checked with socket.io 4.8.4, engine.io 6.6.12, ws 8.21.3 (the one in engine.io's own node_modules) and Node.js 20.20.
 */
import { EventEmitter } from 'node:events'
import { createServer } from 'node:http'
import { Socket as TcpSocket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { Server, type Socket } from 'socket.io'
import { TLS_EXPORTER_LABEL } from '../../src/protocol/proofs/mesh-identity.ts'

/** Engine.IO's side of a connection (engine.io `lib/socket.ts`). */
export type Engine = Socket['conn']

/** A WebSocket frame in one or two pieces, as the sender of ws takes it. */
export type Frame = [Buffer] | [Buffer, Buffer]

type MessageListener = (data: Buffer, isBinary: boolean) => void

/** A WebSocket of ws. All but the last two members are its documented API. */
export interface WebSocketOfWs {
  /** 1: open. */
  readonly readyState: number
  /** Bytes that wait to be sent, in ws and in the TCP socket. */
  readonly bufferedAmount: number
  pause(): void
  resume(): void
  /** Destroys the TCP socket at once. */
  terminate(): void
  on(event: 'message', listener: (this: WebSocketOfWs, data: Buffer, isBinary: boolean) => void): void
  on(event: 'ping' | 'pong', listener: (this: WebSocketOfWs) => void): void
  listeners(event: 'message'): MessageListener[]
  removeAllListeners(event: 'message'): void
  /** Private. How long to wait for the answer to a close frame, ms (ws `lib/websocket.js`). */
  readonly _closeTimeout?: number
  /** Private. The connection below; null once it is closed (ws `lib/websocket.js`). */
  readonly _socket?: unknown
}

/** A WebSocket server of ws that does not listen itself, as Engine.IO uses it: documented API. */
interface WebSocketServerOfWs {
  handleUpgrade(
    request: unknown,
    socket: unknown,
    head: unknown,
    callback: (webSocket: WebSocketOfWs, request: unknown) => void,
  ): void
}
export type WebSocketServerClass = new (options: object) => WebSocketServerOfWs

/** Private members of Engine.IO's socket and its transport. */
interface EngineInternals {
  /** Set while a pong is awaited, else null (engine.io `lib/socket.ts`). */
  readonly pingTimeoutTimer?: unknown
  /** The WebSocket of the transport `websocket`; long polling has none (engine.io `lib/transports/websocket.ts`). */
  readonly transport: {
    readonly socket?: WebSocketOfWs
    /** Whether it can send: `flush` waits until then (engine.io `lib/transport.ts`). */
    writable?: unknown
  }
  /** Sends the packets that wait (engine.io `lib/socket.ts`). */
  flush?: unknown
  /** The packets that wait until the transport can send (engine.io `lib/socket.ts`). */
  readonly writeBuffer?: readonly unknown[]
}

/** The WebSocket of a connection; undefined: long polling, or Engine.IO has changed. */
export function webSocketOf(engine: Engine): WebSocketOfWs | undefined {
  return (engine as unknown as EngineInternals).transport.socket
}

/**
 * The exporter value of a connection's TLS, for the label of RFC 9266, in base64url. Undefined without TLS 1.3 on this
 * very connection, which long polling does not have; in earlier versions two connections can have the same value.
 */
export function tlsExporterOf(engine: Engine): string | undefined {
  const socket = webSocketOf(engine)?._socket
  if (!(socket instanceof TLSSocket) || socket.getProtocol() !== 'TLSv1.3') return undefined
  return socket.exportKeyingMaterial(32, TLS_EXPORTER_LABEL, Buffer.alloc(0)).toString('base64url')
}

/**
 * Lets packets of Engine.IO wait until the returned function is called, which sends all of them in one write. Without a
 * WebSocket that can send, or when Engine.IO has changed, they are sent as usual.
 */
export function holdPackets(engine: Engine): () => void {
  const internals = engine as unknown as EngineInternals
  const { transport } = internals
  const tcp = transport.socket?._socket
  if (!(tcp instanceof TcpSocket) || transport.writable !== true || typeof internals.flush !== 'function')
    return () => {}
  transport.writable = false
  return () => {
    transport.writable = true
    tcp.cork()
    if (typeof internals.flush === 'function') internals.flush()
    tcp.uncork()
  }
}

/** The `readyState` of an open WebSocket. */
const WEB_SOCKET_OPEN = 1

/**
 * The TCP connection of a WebSocket on which nothing waits to be sent, in Engine.IO, ws and the connection: a frame that is
 * written to it now stays in order. Undefined: Engine.IO has to send it.
 */
export function idleTcpOf(engine: Engine): TcpSocket | undefined {
  const { transport, writeBuffer } = engine as unknown as EngineInternals
  const webSocket = transport.socket
  if (webSocket === undefined || transport.writable !== true || writeBuffer?.length !== 0) return undefined
  if (webSocket.readyState !== WEB_SOCKET_OPEN || webSocket.bufferedAmount !== 0) return undefined
  return webSocket._socket as TcpSocket | undefined
}

/** The timer that waits for a pong: null without one; undefined: Engine.IO has changed. */
export function pongTimerOf(engine: Engine): unknown {
  return (engine as unknown as EngineInternals).pingTimeoutTimer
}

/** `wsPreEncodedFrame` sends a finished frame instead of the data (engine.io `lib/transports/websocket.ts`). */
export interface PreEncodedOptions {
  compress: boolean
  wsPreEncodedFrame: Frame
}

/**
 * Sends finished frames as one packet of Engine.IO. Types know only `compress`; Socket.IO's own adapter uses this option.
 */
export function writePreEncoded(engine: Engine, wsPreEncodedFrame: Frame): void {
  const options: PreEncodedOptions = { compress: false, wsPreEncodedFrame }
  engine.write('', options)
}

/**
 * The class of WebSocket servers that Engine.IO uses by default: its option `wsEngine` is documented, the default is not
 * exported.
 * @throws Error when Engine.IO has changed
 */
export function defaultWebSocketServer(): WebSocketServerClass {
  const found: unknown = new Server(createServer()).engine.opts.wsEngine
  if (typeof found === 'function') return found as WebSocketServerClass
  throw new Error('engine.io has no default wsEngine; install the versions of package-lock.json')
}

/** The listeners of an emitter: for each event one, or a list. */
type ListenerTable = Record<string, unknown>

/** Private members of an emitter of Node.js (Node.js `lib/events.js`). */
interface EmitterInternals {
  _events?: ListenerTable
  /** Number of events with a listener. */
  readonly _eventsCount?: number
}

/** The prototype of `ListenerTable`s: an object without one would be a hash table of V8, which is five times as large. */
const NO_EVENTS: object = Object.create(null)

function compactListenersOf(emitter: EventEmitter): void {
  const internals = emitter as unknown as EmitterInternals
  const { _events: table, _eventsCount: count } = internals
  if (typeof table !== 'object') return
  const compact = Object.create(NO_EVENTS) as ListenerTable
  let copied = 0
  for (const event in table) {
    const listeners = table[event]
    if (listeners === undefined) continue
    // A copy has no room for more.
    compact[event] = Array.isArray(listeners) ? listeners.slice() : listeners
    copied++
  }
  // Events may also be symbols, which this loop does not see.
  if (copied === count) internals._events = compact
}

/**
 * Makes what Node.js keeps of a connection's listeners as small as possible: on Engine.IO's socket and transport, the
 * WebSocket and the TCP connection. Call it when they have those that stay.
 *
 * Saves 1.2 kB of 10.9 kB per connection: docs/decisions/transport-shortcuts.md.
 */
export function compactListeners(engine: Engine): void {
  const { transport } = engine as unknown as EngineInternals
  const webSocket = transport.socket
  for (const emitter of [engine, transport, webSocket, webSocket?._socket])
    if (emitter instanceof EventEmitter) compactListenersOf(emitter)
}

/** Frees what Socket.IO keeps of the request that opened a connection, and does not need: see `release-request.ts`. */
export function clearHandshake(socket: Socket): void {
  const writable = socket as unknown as { handshake: undefined; conn: { request: null } }
  writable.handshake = undefined
  // Documented at https://socket.io/docs/v4/memory-usage/, but not in the types.
  writable.conn.request = null
}
