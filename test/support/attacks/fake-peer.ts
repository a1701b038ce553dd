/** A peer that holds the mesh's secret: it dials and is dialled, tells what it is told to, and may stop reading. */
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
  /** What it answers when the server asks how it stands; undefined: nothing, as one that knows no such question. */
  answerSurvey: ((question: { number: number }) => unknown) | undefined
  /** Whether the server has its link to this peer. */
  isLinked = false

  constructor(id: string) {
    this.#id = id
  }

  get #self() {
    const nonce = randomBytes(16).toString('base64url')
    return { id: this.#id, incarnation: `${this.#id}#1`, protocol: 2, nonce }
  }

  /** Listens for the server, and dials it. */
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

  /** Tells the server something over the link that this peer dialled. */
  send(event: string, payload: unknown): void {
    this.#dialled?.emit(event, payload)
  }

  /** Reads nothing more of what the server tells over its link. */
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
