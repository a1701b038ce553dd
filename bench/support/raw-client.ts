/**
 * A minimal Socket.IO client over `node:net`, so that the load generator takes little CPU from the measured servers. It
 * handles text frames of one connection, and writes all frames of an event-loop turn at once.
 */
import { connect, type Socket } from 'node:net'

const ZERO_KEY = Buffer.alloc(4)
/** A killed worker may leave a connection that was accepted and never answers. */
const OPEN_TIMEOUT_MS = 10_000
/** Shared by all connections: each chunk is handled before the next is read into it. */
const READ_BUFFER = Buffer.alloc(256 * 1024)
/** Engine.IO's packet type of a message: '4'. */
const MESSAGE_TYPE = 0x34

export class RawClient {
  /** Called with each Socket.IO packet, without the Engine.IO type in front of it: `2["im",…]`. */
  onPacket: (packet: string) => void = () => {}
  /** Called first with the bytes of a packet, valid only during the call. Returns true to skip `onPacket`. */
  onBytes: ((bytes: Buffer) => boolean) | undefined
  /** Bytes received in frames with packets, without pings. */
  bytes = 0
  closed = false
  /** Called once, when the connection has closed. */
  onClose: () => void = () => {}
  /** The Engine.IO session id. */
  sessionId = ''
  readonly #socket: Socket
  #rest: Buffer | undefined
  #pendingFrames: string[] = []
  #opened: (() => void) | undefined
  #auth = ''
  #upgraded = false

  private constructor(port: number, localAddress: string | undefined) {
    const callback = (length: number) => {
      this.#handleData(READ_BUFFER.subarray(0, length))
      return true
    }
    this.#socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: { buffer: READ_BUFFER, callback },
      ...(localAddress === undefined ? {} : { localAddress }),
    })
    this.#socket.on('error', () => this.close())
    this.#socket.on('close', () => {
      this.closed = true
      this.onClose()
    })
  }

  /**
   * Connects, and joins the default namespace.
   * @param auth payload of the connect packet, as JSON
   * @param onBytes set before the first packet arrives
   * @param localAddress address to connect from
   */
  static open(
    port: number,
    auth = '',
    onBytes?: (bytes: Buffer) => boolean,
    localAddress?: string,
  ): Promise<RawClient> {
    const client = new RawClient(port, localAddress)
    client.#auth = auth
    client.onBytes = onBytes
    return new Promise((resolve, reject) => {
      client.#socket.once('close', () => reject(new Error(`connection to port ${port} closed`)))
      const timer = setTimeout(() => client.close(), OPEN_TIMEOUT_MS)
      client.#opened = () => {
        clearTimeout(timer)
        resolve(client)
      }
      client.#socket.write(
        `GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\n` +
          'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
      )
    })
  }

  /** Sends a Socket.IO packet at the end of this event-loop turn. */
  send(packet: string): void {
    this.#write(`4${packet}`)
  }

  close(): void {
    this.closed = true
    this.#socket.destroy()
  }

  #write(text: string): void {
    if (this.#pendingFrames.push(text) > 1) return
    setImmediate(() => {
      const texts = this.#pendingFrames
      this.#pendingFrames = []
      if (!this.closed) this.#socket.write(encodeFrames(texts))
    })
  }

  #handleData(chunk: Buffer): void {
    if (this.#upgraded) return this.#parseFrames(chunk)
    const end = chunk.indexOf('\r\n\r\n')
    if (end < 0 || !chunk.subarray(0, 12).toString().endsWith('101')) return this.close()
    this.#upgraded = true
    this.#parseFrames(chunk.subarray(end + 4))
  }

  /** @param chunk reused after the call */
  #parseFrames(chunk: Buffer): void {
    const data = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk])
    let at = 0
    for (;;) {
      if (data.length < at + 2) break
      const short = (data[at + 1] ?? 0) & 0x7f
      const head = short < 126 ? 2 : short === 126 ? 4 : 10
      if (data.length < at + head) break
      const length = short < 126 ? short : short === 126 ? data.readUInt16BE(at + 2) : data.readUIntBE(at + 4, 6)
      if (data.length < at + head + length) break
      const opcode = (data[at] ?? 0) & 0x0f
      if (opcode === 1 && data[at + head] === MESSAGE_TYPE) this.bytes += head + length
      if (opcode === 1) this.#handleFrame(data.subarray(at + head, at + head + length))
      else if (opcode === 8) this.close()
      at += head + length
    }
    this.#rest = at < data.length ? Buffer.from(data.subarray(at)) : undefined
  }

  #handleFrame(frame: Buffer): void {
    switch (frame[0]) {
      case 0x30: // open
        this.sessionId = /"sid":"([^"]*)"/.exec(frame.toString())?.[1] ?? ''
        return this.#write(`40${this.#auth}`)
      case 0x32: // ping
        return this.#write('3')
      case MESSAGE_TYPE: {
        if (frame[1] === 0x30) return this.#opened?.()
        const packet = frame.subarray(1)
        if (this.onBytes?.(packet) !== true) this.onPacket(packet.toString())
      }
    }
  }
}

/** WebSocket text frames (RFC 6455), masked with the key 0, which leaves the bytes unchanged. */
function encodeFrames(texts: readonly string[]): Buffer {
  const parts: Buffer[] = []
  for (const text of texts) {
    const payload = Buffer.from(text)
    const { length } = payload
    const head = length < 126 ? Buffer.alloc(2) : length < 65_536 ? Buffer.alloc(4) : Buffer.alloc(10)
    head[0] = 0x81
    head[1] = 0x80 | (length < 126 ? length : length < 65_536 ? 126 : 127)
    if (head.length === 4) head.writeUInt16BE(length, 2)
    else if (head.length === 10) head.writeUIntBE(length, 4, 6)
    parts.push(head, ZERO_KEY, payload)
  }
  return Buffer.concat(parts)
}
