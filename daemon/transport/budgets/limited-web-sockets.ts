import type { Socket as TcpSocket } from 'node:net'
import { TokenBucket } from '../../../src/common/token-bucket.ts'
import { FLUSH_TIMEOUT_MS } from '../flush-timeout.ts'
import { defaultWebSocketServer, type WebSocketOfWs, type WebSocketServerClass } from '../internals.ts'
import type { BudgetOwner, ConnectionBudget } from './connection-budget.ts'
import { FrameMeter } from './frame-meter.ts'

/** Pings and pongs of WebSocket itself. Clients of this server send none; proxies may, a few per minute. */
const CONTROL_FRAME_RATE = { perSecond: 1, burst: 100 }

/** Where a WebSocket keeps its bucket, from its first control frame on: all connections share the listeners. */
const BUCKET = Symbol('control frames')
type WithBucket = WebSocketOfWs & { [BUCKET]?: TokenBucket }

function onControlFrame(this: WithBucket): void {
  const now = performance.now()
  this[BUCKET] ??= new TokenBucket(CONTROL_FRAME_RATE.perSecond, CONTROL_FRAME_RATE.burst, now)
  if (this[BUCKET].take(now) > 0) this.terminate()
}

/** Where a TCP connection keeps its meter, and a WebSocket the same: all connections share the listeners. */
const METER = Symbol('meter')
type WithMeter = (TcpSocket | WebSocketOfWs) & { [METER]?: Meter }

/** Counts what arrives on a WebSocket. Owns the budget until Engine.IO has the connection. */
class Meter implements BudgetOwner {
  readonly frames = new FrameMeter()
  readonly #webSocket: WebSocketOfWs
  budget: ConnectionBudget

  constructor(webSocket: WebSocketOfWs, budget: ConnectionBudget) {
    this.#webSocket = webSocket
    this.budget = budget
    budget.owner = this
  }

  onExceeded(): void {
    this.#webSocket.terminate()
  }

  onUnreadExceeded(): void {
    this.#webSocket.terminate()
  }
}

/** Before ws reads the same bytes. */
function onData(this: WithMeter, chunk: Buffer): void {
  const meter = this[METER]
  if (meter === undefined || meter.budget.isClosed) return
  const { frames, budget } = meter
  const violation = frames.read(chunk, budget.maxIncoming)
  if (violation !== undefined) return budget.exceed(`a WebSocket frame is ${violation}`)
  budget.holdIncoming(frames.held)
  budget.countRead(chunk.length)
}
function onClose(this: WithMeter): void {
  this[METER]?.budget.close()
}

/** The budget of the TCP connection of a WebSocket; undefined: no `limitedWebSocketServer` accepted it. */
export function budgetOf(webSocket: WithMeter | undefined): ConnectionBudget | undefined {
  return webSocket?.[METER]?.budget
}

/** Whether a TCP connection has become a WebSocket. */
export function isAccepted(tcp: object): boolean {
  return METER in tcp
}

/** A session of long polling continues over this WebSocket, with its own budget. */
export function moveToBudget(webSocket: WithMeter, budget: ConnectionBudget): void {
  const meter = webSocket[METER]
  if (meter === undefined || meter.budget === budget) return
  meter.budget.close()
  meter.budget = budget
}

/**
 * The WebSocket server for Engine.IO's option `wsEngine`: its own, with bounds that it does not set.
 *
 * - Frames are counted when they arrive, before ws puts a message together (`FrameMeter`), and binary ones are refused.
 * - A client that floods a WebSocket with pings or pongs (RFC 6455, section 5.5) is disconnected. They are not packets
 *   of Engine.IO, so no other bound sees them; and ws answers each ping into a buffer that grows when the client does
 *   not read.
 * - A client that does not answer a close frame is disconnected after `FLUSH_TIMEOUT_MS`, where ws waits for 30 s.
 *
 * @param createBudget makes the budget of a TCP connection
 */
export function limitedWebSocketServer(createBudget: (tcp: TcpSocket) => ConnectionBudget): WebSocketServerClass {
  const Base = defaultWebSocketServer()
  return class extends Base {
    constructor(options: object) {
      super({ ...options, closeTimeout: FLUSH_TIMEOUT_MS })
    }

    override handleUpgrade(...[request, tcp, head, callback]: Parameters<InstanceType<typeof Base>['handleUpgrade']>) {
      // The answer to the upgrade and Engine.IO's first packet leave in one write.
      const socket = tcp as TcpSocket & WithMeter
      socket.cork()
      setImmediate(() => socket.uncork())
      super.handleUpgrade(request, tcp, head, (webSocket, request) => {
        webSocket.on('ping', onControlFrame)
        webSocket.on('pong', onControlFrame)
        const meter = new Meter(webSocket, createBudget(socket))
        socket[METER] = meter
        ;(webSocket as WithMeter)[METER] = meter
        socket.prependListener('data', onData)
        socket.on('close', onClose)
        callback(webSocket, request)
      })
    }
  }
}
