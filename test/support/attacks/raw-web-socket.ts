/** A WebSocket client that sends any frames, on a plain TCP socket. */
import { connect, type Socket } from 'node:net'
import { until } from '../programs/processes.ts'

const UPGRADE =
  'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'

export interface FrameOptions {
  /** 1: text, 2: binary, 0: the next fragment of a message. */
  opcode?: number
  /** Whether the message ends with this frame. */
  final?: boolean
  /** The length that the header claims; default: that of the payload. */
  length?: number
}

/** A frame as clients send it (RFC 6455, section 5.2), masked with the key 0, which leaves the bytes unchanged. */
export function clientFrame(text: string, { opcode = 1, final = true, length }: FrameOptions = {}): Buffer {
  const payload = Buffer.from(text)
  const claimed = length ?? payload.length
  const header = Buffer.alloc(claimed < 126 ? 6 : claimed < 65_536 ? 8 : 14)
  header[0] = (final ? 0x80 : 0) | opcode
  if (claimed < 126) header[1] = 0x80 | claimed
  else if (claimed < 65_536) {
    header[1] = 0x80 | 126
    header.writeUInt16BE(claimed, 2)
  } else {
    header[1] = 0x80 | 127
    header.writeUIntBE(claimed, 4, 6)
  }
  return Buffer.concat([header, payload])
}

export class RawWebSocket {
  readonly #socket: Socket
  received = ''
  receivedBytes = 0
  isOpen = true

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('error', () => {})
    socket.on('close', () => {
      this.isOpen = false
    })
    socket.on('data', chunk => {
      this.receivedBytes += chunk.length
      const text = chunk.toString('latin1')
      this.received = (this.received + text).slice(-20_000)
      // A ping of Engine.IO.
      if (text.includes('\x81\x012') && this.isOpen) this.send('3')
    })
  }

  /** Opens a WebSocket, which has joined no namespace. */
  static async open(port: number): Promise<RawWebSocket> {
    const client = new RawWebSocket(connect(port, '127.0.0.1'))
    client.#socket.write(UPGRADE)
    await until('the WebSocket is open', () => client.received.includes('0{"sid"') || !client.isOpen)
    return client
  }

  /** Opens one that has joined the default namespace, and identified if there is a user. */
  static async join(port: number, user?: string): Promise<RawWebSocket> {
    const client = await RawWebSocket.open(port)
    client.send('40')
    await until('it has joined the namespace', () => client.received.includes('40{"sid"') || !client.isOpen)
    if (user === undefined) return client
    client.send(`420${JSON.stringify(['identify', { user, client: 'raw/1', protocol: 2 }])}`)
    await until('it has identified', () => client.received.includes('430[{"ok":true') || !client.isOpen)
    return client
  }

  /** Leaves the default namespace and joins it again, `times` times or until it is disconnected. */
  async rejoin(times: number, ...packets: string[]): Promise<void> {
    for (let n = 0; n < times && this.isOpen; n++) {
      this.received = ''
      this.send('41')
      // In one turn with the next packet, Socket.IO would forget the new membership.
      this.write(clientFrame('', { opcode: 9 }))
      await until('the server has handled it', () => this.received.includes('\x8a\x00') || !this.isOpen)
      this.send('40')
      await until('it has joined again', () => this.received.includes('40{"sid"') || !this.isOpen)
      this.send(...packets)
    }
  }

  /** Sends packets, a frame each, in one write. */
  send(...packets: string[]): void {
    this.write(...packets.map(packet => clientFrame(packet)))
  }

  write(...frames: Buffer[]): void {
    this.#socket.write(Buffer.concat(frames))
  }

  pause(): void {
    this.#socket.pause()
  }

  close(): void {
    this.#socket.destroy()
  }
}
