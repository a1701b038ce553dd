/** A client made of bytes: it writes as fast as the server reads, and reads only when told to. */
import { connect, type Socket } from 'node:net'

const FRAMES_PER_WRITE = 1_000

/** A WebSocket frame of a client (RFC 6455), masked with zeros. */
function frame(text: string, opcode = 1): Buffer {
  const payload = Buffer.from(text)
  const length =
    payload.length < 126
      ? Buffer.from([0x80 | payload.length])
      : Buffer.from([0x80 | 126, payload.length >> 8, payload.length & 0xff])
  return Buffer.concat([Buffer.from([0x80 | opcode]), length, Buffer.alloc(4), payload])
}

export class FloodingClient {
  readonly #socket: Socket
  /** What the server said, the latest part. */
  received = ''
  /** How often it was told to wait. */
  rateLimitedCount = 0
  open = true
  #isFlooding = false

  /** Begins to connect as a user; protocol 2, that confirms nothing. */
  constructor(port: number, user: string) {
    this.#socket = connect(port, '127.0.0.1')
    this.#socket.write(
      'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    )
    const hello = JSON.stringify(['identify', { user, client: 'flood/1', protocol: 2 }])
    // What is to be heard, and what to say then: engine.io's handshake, and Socket.IO's.
    const steps = [['0{"sid"', '40'] as const, ['40{"sid"', `42${hello}`] as const]
    this.#socket.on('data', chunk => {
      const text = chunk.toString('latin1')
      this.rateLimitedCount += text.split('"rate-limited"').length - 1
      this.received = (this.received + text).slice(-4_000)
      const [step] = steps
      if (step === undefined || !this.received.includes(step[0])) return
      steps.shift()
      this.#socket.write(frame(step[1]))
    })
    this.#socket.on('error', () => {})
    this.#socket.on('close', () => {
      this.open = false
    })
  }

  /** Sends this event without end, once it is identified. */
  start(event: unknown): void {
    this.#flood(frame(`42${JSON.stringify(event)}`))
  }

  /** Sends WebSocket's own pings (opcode 9) or pongs (10) without end. */
  startControlFrames(opcode: 9 | 10): void {
    this.#flood(frame('x'.repeat(125), opcode))
  }

  #flood(one: Buffer): void {
    const packets = Buffer.concat(Array.from({ length: FRAMES_PER_WRITE }, () => one))
    this.#isFlooding = true
    const write = () => {
      while (this.#isFlooding && this.open) if (!this.#socket.write(packets)) return
    }
    this.#socket.on('drain', write)
    write()
  }

  stop(): void {
    this.#isFlooding = false
  }

  /** Reads no more. */
  pause(): void {
    this.#socket.pause()
  }

  close(): void {
    this.stop()
    this.#socket.destroy()
  }
}
