import { createServer, IncomingMessage } from 'node:http'
import { Socket as TcpSocket } from 'node:net'
import { type Duplex, duplexPair } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Server } from 'socket.io'
import { NodeWebSocket } from 'socket.io-client'
import { AddressBudget } from './budgets/address-budgets.ts'
import { ConnectionBudget } from './budgets/connection-budget.ts'
import { HeldBytes, UnreadBytes } from './budgets/held-bytes.ts'
import { limitedWebSocketServer } from './budgets/limited-web-sockets.ts'
import { FLUSH_TIMEOUT_MS } from './flush-timeout.ts'
import { compactListeners, type Engine, idleTcpOf, webSocketOf, writePreEncoded } from './internals.ts'
import { EventReader } from './packets/event-reader.ts'
import { FirstPackets } from './packets/first-packets.ts'
import { Packet } from './packets/packet.ts'

/** What this server uses of the internals of Socket.IO, Engine.IO and ws, and has found. False: it uses the fallback. */
export interface Features {
  /** The WebSocket under Engine.IO's transport, with the number of its unsent bytes. */
  readonly webSocket: boolean
  /** A WebSocket stops and resumes reading. */
  readonly pause: boolean
  /** ws honours its option for how long to wait for the answer to a close frame. */
  readonly closeTimeout: boolean
  /** Engine.IO sends finished frames. */
  readonly preEncodedFrames: boolean
  /** A frame can be written to the TCP connection of a WebSocket, in order with the packets of Engine.IO. */
  readonly directWrites: boolean
  /** Events can be read before Engine.IO reads them. */
  readonly eventReader: boolean
  /** The listeners of an emitter can be copied to a smaller table. */
  readonly compactListeners: boolean
}

/** What the server cannot do without: a bound depends on it, and the public API has no other way. */
const REQUIRED = ['sentPackets', 'readPackets', 'controlFrames', 'rawFrames', 'dialledWebSocket'] as const
export type FeatureName = keyof Features | (typeof REQUIRED)[number]

/** Each with its fallback, or with the bound that would be lost. */
const MISSING: Readonly<Record<FeatureName, string>> = {
  webSocket: 'no WebSocket with bufferedAmount and terminate() under the transport; counting unsent bytes by flushes',
  pause: 'a WebSocket does not pause; clients that exceed their read rate are disconnected instead of slowed down',
  closeTimeout: 'the option closeTimeout of ws has no effect; using a timer per closed connection',
  preEncodedFrames: 'the packet option wsPreEncodedFrame has no effect; sending packets one by one',
  directWrites: 'no TCP connection of WebSockets that shows whether it is idle; sending all frames through Engine.IO',
  eventReader: "the WebSocket's messages cannot be read; using Socket.IO's decoder",
  compactListeners: 'Node.js keeps listeners in another way; each connection needs more memory',
  sentPackets: 'no packetCreate and flush events: cannot limit unsent bytes',
  readPackets: 'no packet event: cannot limit the rate of packets',
  controlFrames: 'no ping events of WebSockets: cannot limit control frames',
  rawFrames: 'no TCP connection of WebSockets: cannot limit unfinished messages',
  dialledWebSocket: 'socket.io-client has no NodeWebSocket.createSocket: cannot limit unsent bytes of links',
}

export interface SelfTestResult {
  readonly features: Features
  /** A line for the log per missing feature. */
  readonly warnings: readonly string[]
}

/**
 * Checks what this folder uses of Socket.IO, Engine.IO and ws, on connections in memory: about 10 ms, once per process.
 * @throws Error when a bound of the server could not be kept
 */
export function selfTest(): Promise<SelfTestResult> {
  result ??= runSelfTest()
  return result
}
let result: Promise<SelfTestResult> | undefined

/** @param hidden features to treat as missing, for tests */
export async function runSelfTest(hidden: ReadonlySet<FeatureName> = new Set()): Promise<SelfTestResult> {
  const found = await probe()
  const isMissing = (name: FeatureName) => hidden.has(name) || !found.has(name)
  const lost = REQUIRED.filter(isMissing)
  if (lost.length > 0) {
    const reasons = lost.map(name => MISSING[name]).join('; ')
    throw new Error(`unknown version of Socket.IO (${reasons}); install the versions of package-lock.json`)
  }
  const webSocket = !isMissing('webSocket')
  const features: Features = {
    webSocket,
    // These need the WebSocket, too.
    pause: webSocket && !isMissing('pause'),
    closeTimeout: !isMissing('closeTimeout'),
    preEncodedFrames: !isMissing('preEncodedFrames'),
    directWrites: webSocket && !isMissing('preEncodedFrames') && !isMissing('directWrites'),
    eventReader: webSocket && !isMissing('eventReader'),
    compactListeners: !isMissing('compactListeners'),
  }
  const missing = (Object.keys(features) as (keyof Features)[]).filter(isMissing)
  return { features, warnings: missing.map(name => `Unknown version of Socket.IO: ${MISSING[name]}.`) }
}

/** The features that connections in memory show. */
async function probe(): Promise<ReadonlySet<FeatureName>> {
  const found = new Set<FeatureName>()
  if (typeof NodeWebSocket?.prototype.createSocket === 'function') found.add('dialledWebSocket')
  const server = new TestServer()
  const checks: Record<Exclude<FeatureName, 'dialledWebSocket'>, (connection: TestConnection) => Promise<boolean>> = {
    webSocket: hasWebSocket,
    closeTimeout: hasCloseTimeout,
    sentPackets: seesSentPackets,
    preEncodedFrames: sendsFrames,
    directWrites: sendsDirectly,
    readPackets: seesReadPackets,
    pause: pauses,
    eventReader: readsEvents,
    compactListeners: keepsListeners,
    controlFrames: endsControlFrames,
    rawFrames: refusesBinaryFrames,
  }
  for (const [name, check] of Object.entries(checks)) {
    // A connection each: a check that fails may end its own.
    const connection = await server.connect()
    if (connection === undefined) continue
    try {
      if (await check(connection)) found.add(name as FeatureName)
    } catch {
      // A member is missing that the check uses.
    }
    connection.close()
  }
  server.close()
  return found
}

async function hasWebSocket({ engine }: TestConnection): Promise<boolean> {
  const webSocket = webSocketOf(engine)
  return typeof webSocket?.bufferedAmount === 'number' && typeof webSocket.terminate === 'function'
}

async function hasCloseTimeout({ engine }: TestConnection): Promise<boolean> {
  return webSocketOf(engine)?._closeTimeout === FLUSH_TIMEOUT_MS
}

async function seesSentPackets({ engine }: TestConnection): Promise<boolean> {
  const seen: unknown[] = []
  const onCreate = ({ data }: { data?: unknown }) => seen.push(data)
  const onFlush = () => seen.push('flush')
  engine.on('packetCreate', onCreate).on('flush', onFlush)
  engine.write('x')
  engine.off('packetCreate', onCreate).off('flush', onFlush)
  await nextTurn()
  return seen.join() === 'x,flush' && engine.transport.writable
}

async function sendsFrames(connection: TestConnection): Promise<boolean> {
  const { frame } = new Packet('2["self-test"]')
  connection.sent = ''
  writePreEncoded(connection.engine, frame)
  await nextTurn()
  return connection.sent === frame[0].toString('latin1')
}

async function sendsDirectly(connection: TestConnection): Promise<boolean> {
  const { engine } = connection
  const [[direct], [frame]] = [new Packet('2["self-test"]').frame, new Packet('x').frame]
  connection.sent = ''
  idleTcpOf(engine)?.write(direct)
  engine.write('x')
  const isBusy = idleTcpOf(engine) === undefined
  await nextTurn()
  const isOrdered = connection.sent === Buffer.concat([direct, frame]).toString('latin1')
  return isBusy && isOrdered && idleTcpOf(engine)?.writableLength === 0
}

async function seesReadPackets(connection: TestConnection): Promise<boolean> {
  return (await connection.packetsFrom(PONG)) === 1
}

async function pauses(connection: TestConnection): Promise<boolean> {
  const webSocket = webSocketOf(connection.engine)
  webSocket?.pause()
  const whilePaused = await connection.packetsFrom(PONG)
  webSocket?.resume()
  return whilePaused === 0 && (await connection.packetsFrom(PONG)) === 2
}

async function readsEvents(connection: TestConnection): Promise<boolean> {
  const { engine } = connection
  let bytes = 0
  const countRead = (length: number) => {
    bytes += length
  }
  EventReader.install(engine, { countRead }, new FirstPackets())
  const reader = EventReader.of(engine)
  if (reader === undefined) return false
  const events: unknown[] = []
  reader.receiver = { handleEvent: (event, payload, call) => events.push(event, payload, call) > 0, flush() {} }
  const text = '427["self-test",1]'
  const passedOn = await connection.packetsFrom(clientFrame(1, text))
  return (
    events.join() === 'self-test,1,7' &&
    bytes === text.length &&
    passedOn === 0 &&
    // Whatever is not an event goes to Engine.IO.
    (await connection.packetsFrom(PONG)) === 1
  )
}

async function keepsListeners({ engine }: TestConnection): Promise<boolean> {
  const calls: string[] = []
  const removed = () => calls.push('removed')
  const add = (name: string) => engine.on('self-test', () => calls.push(name))
  add('first')
  engine.on('self-test', removed).once('self-test', () => calls.push('once'))
  const listeners = () => engine.eventNames().flatMap(event => [event, ...engine.rawListeners(event as string)])
  const before = listeners()
  compactListeners(engine)
  const isSame = before.length > 0 && listeners().every((listener, at) => listener === before[at])
  add('last')
  engine.off('self-test', removed)
  for (let n = 0; n < 2; n++) engine.emit('self-test')
  return isSame && calls.join() === 'first,once,last,first,last'
}

async function endsControlFrames(connection: TestConnection): Promise<boolean> {
  const closed = new Promise<boolean>(resolve => connection.engine.once('close', () => resolve(true)))
  connection.client.write(Buffer.concat(Array.from({ length: 200 }, () => clientFrame(9, ''))))
  return Promise.race([closed, turns(10).then(() => false)])
}

async function refusesBinaryFrames(connection: TestConnection): Promise<boolean> {
  const closed = new Promise<boolean>(resolve => connection.engine.once('close', () => resolve(true)))
  // The start of a message: only whoever reads its header finds out.
  connection.client.write(Buffer.from([0x02, 0x85, 0, 0, 0, 0, 1]))
  return Promise.race([closed, turns(10).then(() => false)])
}

/** A frame of a client (RFC 6455, section 5.2), masked with zeros. */
function clientFrame(opcode: number, text: string): Buffer {
  return Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)])
}

/** Engine.IO's answer to a ping. The server accepts it without a ping, too. */
const PONG = clientFrame(1, '3')

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await nextTurn()
}

/** A Socket.IO server that does not listen: its connections are pairs of streams. */
class TestServer {
  readonly #http = createServer()
  readonly #io = new Server(this.#http, {
    serveClient: false,
    perMessageDeflate: false,
    wsEngine: limitedWebSocketServer(
      () => new ConnectionBudget(new AddressBudget('', 0, 0), { held: new HeldBytes(0), unread: new UnreadBytes(0) }),
    ),
  })

  /** Connects over WebSocket; undefined: the server does not accept the connection. */
  async connect(): Promise<TestConnection | undefined> {
    const [client, server] = duplexPair()
    const request = new IncomingMessage(new TcpSocket())
    request.method = 'GET'
    request.url = '/socket.io/?EIO=4&transport=websocket'
    request.headers = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
    }
    let engine: Engine | undefined
    this.#io.engine.once('connection', (connected: Engine) => {
      engine = connected
    })
    this.#http.emit('upgrade', request, server, Buffer.alloc(0))
    for (let turn = 0; turn < 10 && engine === undefined; turn++) await nextTurn()
    if (engine === undefined) return undefined
    const connection = new TestConnection(engine, client)
    await turns(2)
    return connection
  }

  close(): void {
    this.#io.engine.close()
    void this.#io.close()
  }
}

class TestConnection {
  readonly engine: Engine
  /** The client's end. */
  readonly client: Duplex
  /** Bytes that the server sent, as Latin-1. */
  sent = ''

  constructor(engine: Engine, client: Duplex) {
    this.engine = engine
    this.client = client
    client.on('data', (chunk: Buffer) => {
      this.sent += chunk.toString('latin1')
    })
  }

  /** Sends a frame; resolves with the number of packets that Engine.IO then reports. */
  async packetsFrom(frame: Buffer): Promise<number> {
    let count = 0
    const onPacket = () => count++
    this.engine.on('packet', onPacket)
    this.client.write(frame)
    await turns(3)
    this.engine.off('packet', onPacket)
    return count
  }

  close(): void {
    this.engine.close(true)
    this.client.destroy()
  }
}
