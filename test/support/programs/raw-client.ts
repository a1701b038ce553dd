/** A client that speaks the protocol by hand: every request is awaited with its answer, and every event is recorded. */
import { io, type Socket } from 'socket.io-client'
import type {
  DeliveredMessage,
  JoinResponse,
  PartResponse,
  Refusal,
  RoomEvent,
  RoomList,
  TypingNotice,
} from '../../../src/protocol/messages.ts'

let sent = 0

export class RawClient {
  readonly user: string
  readonly messages: DeliveredMessage[] = []
  /** Events about rooms. */
  readonly roomEvents: RoomEvent[] = []
  readonly typingNotices: TypingNotice[] = []
  readonly refusals: unknown[] = []
  readonly #socket: Socket

  private constructor(user: string, socket: Socket) {
    this.user = user
    this.#socket = socket
    socket.on('im', message => {
      this.messages.push(message)
      socket.emit('got', this.messages.length)
    })
    socket.on('room', event => void this.roomEvents.push(event))
    socket.on('typing', notice => void this.typingNotices.push(notice))
    socket.on('refused', refusal => void this.refusals.push(refusal))
  }

  /**
   * Connects and identifies with `rooms`.
   * @param more further fields of `identify`
   */
  static async connect(url: string, user: string, more: object = {}): Promise<RawClient> {
    const socket = io(url, { transports: ['websocket'], reconnection: false, forceNew: true })
    const client = new RawClient(user, socket)
    const identity = { user, client: 'raw/1', protocol: 2, rooms: true, ...more }
    const answer = await client.#ask<{ ok: boolean }>('identify', identity)
    if (!answer.ok) throw new Error(`${user} is refused: ${JSON.stringify(answer)}`)
    return client
  }

  join(room: string): Promise<JoinResponse> {
    return this.#ask('join', room)
  }

  part(room: string): Promise<PartResponse> {
    return this.#ask('part', room)
  }

  listRooms(): Promise<RoomList> {
    return this.#ask('rooms')
  }

  /** Sends a message with an id of its own. */
  send(to: string, text: string, more: object = {}): Promise<{ ok: true; delivered: number } | Refusal> {
    return this.#ask('im', { id: `raw-${++sent}`, at: Date.now(), to, text, ...more })
  }

  /** Tells that the user is writing; any payload may be sent. */
  type(notice: unknown): void {
    this.#socket.emit('typing', notice)
  }

  close(): void {
    this.#socket.disconnect()
  }

  async #ask<Answer>(event: string, ...payload: unknown[]): Promise<Answer> {
    return await this.#socket.timeout(60_000).emitWithAck(event, ...payload)
  }
}
