/** A program on the same NATS that publishes as fast as a test chooses. It speaks the protocol itself: no client library limits it. */
import { connect, type Socket } from 'node:net'

const INTERVAL_MS = 10
/** More unsent bytes than this: NATS does not read fast enough, so the flood waits. */
const MAX_UNSENT_BYTES = 4_000_000
/** A flood has at most the messages of this time, so that a slow machine recovers, s. */
const MAX_SECONDS = 10

export interface FloodMessage {
  subject: string
  reply?: string
  payload: string | Uint8Array
}

export class NatsFlood {
  readonly #socket: Socket
  readonly #timer: NodeJS.Timeout
  readonly #startedAt = performance.now()
  #sent = 0
  #responses = 0

  /**
   * @param messages published in turns
   * @param perSecond messages per second
   * @param inboxes subjects whose messages are counted as responses
   */
  constructor(port: number, messages: readonly FloodMessage[], perSecond: number, inboxes: readonly string[]) {
    this.#socket = connect(port, '127.0.0.1').on('error', () => {})
    const perInterval = Math.ceil((perSecond * INTERVAL_MS) / 1_000)
    const turns = Math.ceil(perInterval / messages.length)
    const once = Buffer.concat(messages.map(toPublication))
    const batch = Buffer.concat(Array.from({ length: turns }, () => once))
    this.#socket.on('data', chunk => {
      const text = chunk.toString('latin1')
      this.#responses += text.split('MSG ').length - 1
      if (text.includes('PING\r\n')) this.#socket.write('PONG\r\n')
    })
    const subscriptions = inboxes.map((inbox, at) => `SUB ${inbox} ${at + 1}\r\n`).join('')
    this.#socket.write(`CONNECT {"verbose":false,"pedantic":false,"lang":"test"}\r\n${subscriptions}`)
    let due = 0
    this.#timer = setInterval(() => {
      const elapsed = performance.now() - this.#startedAt
      if (this.#sent > MAX_SECONDS * perSecond) return clearInterval(this.#timer)
      // A late timer sends what it has missed, up to a tenth of a second.
      due = Math.min(due + perSecond, (elapsed * perSecond) / 1_000)
      for (let n = 0; n < 10 && this.#sent < due && this.#socket.writableLength < MAX_UNSENT_BYTES; n++) {
        this.#socket.write(batch)
        this.#sent += turns * messages.length
      }
    }, INTERVAL_MS)
  }

  /** Messages published so far. */
  get sent(): number {
    return this.#sent
  }

  get seconds(): number {
    return (performance.now() - this.#startedAt) / 1_000
  }

  /** Messages that have arrived at the inbox. */
  get responses(): number {
    return this.#responses
  }

  get isConnected(): boolean {
    return !this.#socket.destroyed
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#socket.destroy()
  }
}

function toPublication({ subject, reply, payload }: FloodMessage): Buffer {
  const bytes = Buffer.from(payload)
  const start = reply === undefined ? subject : `${subject} ${reply}`
  return Buffer.concat([Buffer.from(`PUB ${start} ${bytes.length}\r\n`), bytes, Buffer.from('\r\n')])
}
