import { TokenBucket } from '../../src/common/token-bucket.ts'
import { FLUSH_TIMEOUT_MS } from './backpressure.ts'
import { defaultWebSocketServer, type WebSocketOfWs, type WebSocketServerClass } from './internals.ts'

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

/**
 * The WebSocket server for Engine.IO's option `wsEngine`: its own, with two bounds that it does not set.
 *
 * A client that floods a WebSocket with pings or pongs (RFC 6455, section 5.5) is disconnected. They are not packets of
 * Engine.IO, so no other bound sees them; and ws answers each ping into a buffer that grows when the client does not
 * read. A client that does not answer a close frame is disconnected after `FLUSH_TIMEOUT_MS`, where ws waits for 30 s.
 */
export function limitedWebSocketServer(): WebSocketServerClass {
  limited ??= createLimitedWebSocketServer()
  return limited
}
let limited: WebSocketServerClass | undefined

function createLimitedWebSocketServer(): WebSocketServerClass {
  const Base = defaultWebSocketServer()
  return class extends Base {
    constructor(options: object) {
      super({ ...options, closeTimeout: FLUSH_TIMEOUT_MS })
    }

    override handleUpgrade(
      ...[request, socket, head, callback]: Parameters<InstanceType<typeof Base>['handleUpgrade']>
    ) {
      super.handleUpgrade(request, socket, head, (webSocket, request) => {
        webSocket.on('ping', onControlFrame)
        webSocket.on('pong', onControlFrame)
        callback(webSocket, request)
      })
    }
  }
}
