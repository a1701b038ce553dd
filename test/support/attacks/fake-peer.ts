/** A peer with the mesh's secret (here empty) that opens links in both directions, sends any frame, and can stop reading. */
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { Socket } from 'node:net'
import { Server } from 'socket.io'
import { io } from 'socket.io-client'
import { createProof } from '../../../daemon/links/handshake.ts'

export class FakePeer {
  readonly #id: string
  readonly #http = createServer()
  readonly #io = new Server(this.#http)
  #dialled: ReturnType<typeof io> | undefined
  #accepted: { pause(): void } | undefined
  readonly #sockets = new Set<Socket>()
  /** Makes the answer to a `survey` frame; undefined: none, like a peer of an older version that does not know the frame. */
  answerSurvey: ((question: { number: number }) => unknown) | undefined
  /** Whether the server's link to this peer is open. */
  isLinked = false

  constructor(id: string) {
    this.#id = id
  }

  get #self() {
    const nonce = randomBytes(16).toString('base64url')
    return { id: this.#id, incarnation: `${this.#id}#1`, protocol: 2, nonce }
  }

  /** Listens for the server's link, and opens the link to the server. */
  async start(port: number, server: string): Promise<void> {
    this.#http.on('connection', socket => this.#sockets.add(socket))
    this.#io.of('/mesh').on('connection', socket => {
      const self = this.#self
      const dialler = socket.handshake.auth as typeof self
      socket.emit('challenge', self)
      socket.on('prove', (_, answer) => {
        answer({ ok: true, proof: createProof('', 'acceptor', dialler, self), holds: { seq: 0, forwards: 0 } })
        this.#accepted = (socket.conn.transport as unknown as { socket: { pause(): void } }).socket
        this.isLinked = true
      })
      socket.on('survey', question => {
        if (this.answerSurvey !== undefined) socket.emit('status', this.answerSurvey(question))
      })
      socket.on('disconnect', () => {
        this.isLinked = false
      })
    })
    await new Promise<void>(resolve => this.#http.listen(port, '127.0.0.1', resolve))
    const self = this.#self
    const socket = io(`${server}/mesh`, { transports: ['websocket'], reconnection: false, forceNew: true, auth: self })
    this.#dialled = socket
    await new Promise(resolve => {
      socket.once('challenge', acceptor => socket.emit('prove', createProof('', 'dialler', self, acceptor), resolve))
    })
  }

  /** Sends a frame to the server over the link that this peer dialled. */
  send(event: string, payload: unknown): void {
    this.#dialled?.emit(event, payload)
  }

  /** Stops reading from the server's link. */
  pause(): void {
    this.#accepted?.pause()
  }

  async close(): Promise<void> {
    this.#dialled?.disconnect()
    const closed = this.#io.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }
}
