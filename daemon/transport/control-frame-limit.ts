import type { Server } from 'socket.io'
import { TokenBucket } from '../../src/common/token-bucket.ts'

/** Neither end of a connection has a use for more pings and pongs of WebSocket itself; something between them may. */
const CONTROL_FRAME_RATE = { perSecond: 1, burst: 100 }

/** How long a client may take to answer that it is closed, ms. */
const CLOSE_TIMEOUT_MS = 1_000

/** Where a WebSocket keeps its bucket, once there is a first such frame: the listeners are the same for all. */
const BUCKET = Symbol('control frames')

/** What the package `ws` gives, and engine.io keeps to itself; test/attacks/overload.test.ts holds that it is there. */
interface WebSocketOfWs {
  [BUCKET]?: TokenBucket
  on(event: 'ping' | 'pong', listener: (this: WebSocketOfWs) => void): void
  terminate(): void
}
type HandleUpgrade = (
  request: unknown,
  socket: unknown,
  head: unknown,
  take: (websocket: WebSocketOfWs) => void,
) => void

function onControlFrame(this: WebSocketOfWs): void {
  const now = performance.now()
  this[BUCKET] ??= new TokenBucket(CONTROL_FRAME_RATE.perSecond, CONTROL_FRAME_RATE.burst, now)
  if (this[BUCKET].take(now) > 0) this.terminate()
}

/**
 * Cuts off who floods a WebSocket with pings or pongs (RFC 6455, section 5.5). They are no packets of engine.io, so no
 * other bound sees them; and each ping is answered, into a buffer that who does not read lets grow. And who does not
 * answer that it is closed is not waited for: `ws` would give it half a minute more.
 */
export function limitControlFrames(io: Server): void {
  const { ws } = io.engine as unknown as { ws: { handleUpgrade: HandleUpgrade; options: { closeTimeout: number } } }
  ws.options.closeTimeout = CLOSE_TIMEOUT_MS
  const upgrade = ws.handleUpgrade
  ws.handleUpgrade = (request, socket, head, take) => {
    upgrade.call(ws, request, socket, head, websocket => {
      websocket.on('ping', onControlFrame)
      websocket.on('pong', onControlFrame)
      take(websocket)
    })
  }
}
