/** A server that sends any WebSocket messages to those who connect, without Socket.IO. */
import { createHash } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

/** Appended to the key of a WebSocket handshake (RFC 6455, section 1.3). */
const WEBSOCKET_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/** The first packet of an honest server. */
export const OPEN_PACKET = `0${JSON.stringify({ sid: 'x', upgrades: [], pingInterval: 5_000, pingTimeout: 5_000, maxPayload: 1_000_000 })}`

export class RawServer {
  readonly #http: Server
  readonly #sockets = new Set<Socket>()
  /** WebSockets that were opened. */
  opened = 0
  /** WebSockets that the client has closed. */
  closed = 0
  /** WebSockets that were opened before the first was closed. */
  openedBeforeClose = 0

  /** @param onOpen sends messages to a new WebSocket */
  constructor(onOpen: (send: (message: string | Buffer) => void) => void) {
    this.#http = createServer()
    this.#http.on('upgrade', ({ headers }, socket: Socket) => {
      const accept = createHash('sha1').update(`${headers['sec-websocket-key']}${WEBSOCKET_GUID}`).digest('base64')
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
      )
      this.opened++
      this.#sockets.add(socket)
      socket.on('error', () => {})
      // The sockets of an HTTP server stay half open.
      socket.on('end', () => socket.end())
      socket.on('close', () => {
        if (this.closed++ === 0) this.openedBeforeClose = this.opened
        this.#sockets.delete(socket)
      })
      // A client that closes sends a close frame last: opcode 8, masked, without payload.
      socket.on('data', (chunk: Buffer) => {
        if (chunk.at(-6) === 0x88 && chunk.at(-5) === 0x80) socket.end()
      })
      onOpen(message => void socket.write(serverFrame(message)))
    })
  }

  async start(): Promise<string> {
    await new Promise<void>(resolve => this.#http.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise(resolve => this.#http.close(resolve))
  }
}

/** An unmasked frame with a text or, for a buffer, binary. */
function serverFrame(message: string | Buffer): Buffer {
  const payload = Buffer.from(message)
  const header = Buffer.alloc(payload.length < 126 ? 2 : payload.length < 65_536 ? 4 : 10)
  header[0] = 0x80 | (typeof message === 'string' ? 1 : 2)
  if (payload.length < 126) header[1] = payload.length
  else if (payload.length < 65_536) {
    header[1] = 126
    header.writeUInt16BE(payload.length, 2)
  } else {
    header[1] = 127
    header.writeBigUInt64BE(BigInt(payload.length), 2)
  }
  return Buffer.concat([header, payload])
}
