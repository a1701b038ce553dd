/** A client on a plain TCP socket that writes as fast as the server reads, and can stop reading. */
import { connect, type Socket } from 'node:net'

const FRAMES_PER_WRITE = 1_000

/** A WebSocket frame of a client (RFC 6455), masked with the key 0, which leaves the bytes unchanged. */
function encodeFrame(text: string, opcode = 1): Buffer {
  const payload = Buffer.from(text)
  const length =
    payload.length < 126
      ? Buffer.from([0x80 | payload.length])
      : Buffer.from([0x80 | 126, payload.length >> 8, payload.length & 0xff])
  return Buffer.concat([Buffer.from([0x80 | opcode]), length, Buffer.alloc(4), payload])
}

export class FloodingClient {
  readonly #socket: Socket
  /** The last bytes received from the server, as text. */
  received = ''
  /** Number of `rate-limited` answers. */
  rateLimitedCount = 0
  open = true
  #isFlooding = false

  /**
   * Connects and identifies as a user with protocol 2, and never confirms a message.
   * @param more further fields of `identify`
   */
  constructor(port: number, user: string, more: object = {}) {
    this.#socket = connect(port, '127.0.0.1')
    this.#socket.write(
      'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    )
    const hello = JSON.stringify(['identify', { user, client: 'flood/1', protocol: 2, ...more }])
    // Text to wait for and the answer to it: first the Engine.IO handshake, then the Socket.IO one.
    const steps = [['0{"sid"', '40'] as const, ['40{"sid"', `42${hello}`] as const]
    this.#socket.on('data', chunk => {
      const text = chunk.toString('latin1')
      this.rateLimitedCount += text.split('"rate-limited"').length - 1
      this.received = (this.received + text).slice(-4_000)
      const [step] = steps
      if (step === undefined || !this.received.includes(step[0])) return
      steps.shift()
      this.#socket.write(encodeFrame(step[1]))
    })
    this.#socket.on('error', () => {})
    this.#socket.on('close', () => {
      this.open = false
    })
  }

  /** Sends this event again and again. */
  start(event: unknown): void {
    this.#flood(encodeFrame(`42${JSON.stringify(event)}`))
  }

  /** Sends WebSocket pings (opcode 9) or pongs (10) again and again. */
  startControlFrames(opcode: 9 | 10): void {
    this.#flood(encodeFrame('x'.repeat(125), opcode))
  }

  #flood(frame: Buffer): void {
    const frames = Buffer.concat(Array.from({ length: FRAMES_PER_WRITE }, () => frame))
    this.#isFlooding = true
    const write = () => {
      while (this.#isFlooding && this.open) if (!this.#socket.write(frames)) return
    }
    this.#socket.on('drain', write)
    write()
  }

  stop(): void {
    this.#isFlooding = false
  }

  /** Stops reading. */
  pause(): void {
    this.#socket.pause()
  }

  /** Reads again. */
  resume(): void {
    this.#socket.resume()
  }

  close(): void {
    this.stop()
    this.#socket.destroy()
  }
}
