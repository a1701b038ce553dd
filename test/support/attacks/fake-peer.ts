/** A peer with the mesh's secret (here empty) that opens links in both directions, sends any frame, and can stop reading. */
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { Socket } from 'node:net'
import { type Socket as AcceptedSocket, Server } from 'socket.io'
import { io } from 'socket.io-client'
import { createProof } from '../../../daemon/links/handshake.ts'

export class FakePeer {
  readonly #id: string
  readonly #http = createServer()
  readonly #io = new Server(this.#http)
  #dialled: ReturnType<typeof io> | undefined
  #accepted: AcceptedSocket | undefined
  readonly #sockets = new Set<Socket>()
  /** Makes the answer to a `survey` frame; undefined: none, like a peer of an older version that does not know the frame. */
  answerSurvey: ((question: { number: number }) => unknown) | undefined
  /** Whether the server's link to this peer is open. */
  isLinked = false
  /** Called with each frame that the server sends on its link. */
  onFrame: ((event: string, payload: unknown) => void) | undefined

  constructor(id: string) {
    this.#id = id
  }

  get #self() {
    const nonce = randomBytes(16).toString('base64url')
    return { id: this.#id, incarnation: `${this.#id}#1`, protocol: 2, nonce }
  }

  /** Whether the link that this peer dialled is open. */
  get isDialled(): boolean {
    return this.#dialled?.connected === true
  }

  /** Listens for the server's link, and opens the link to the server. Resolves with the answer of the handshake. */
  async start(port: number, server: string): Promise<unknown> {
    this.#http.on('connection', socket => this.#sockets.add(socket))
    this.#io.of('/mesh').on('connection', socket => {
      const self = this.#self
      const dialler = socket.handshake.auth as typeof self
      socket.emit('challenge', self)
      socket.on('prove', (_, answer) => {
        answer({ ok: true, proof: createProof('', 'acceptor', dialler, self), holds: { seq: 0, forwards: 0 } })
        this.#accepted = socket
        this.isLinked = true
      })
      socket.on('survey', question => {
        if (this.answerSurvey !== undefined) socket.emit('status', this.answerSurvey(question))
      })
      socket.onAny((event, payload) => this.onFrame?.(event, payload))
      socket.on('disconnect', () => {
        this.isLinked = false
      })
    })
    await new Promise<void>(resolve => this.#http.listen(port, '127.0.0.1', resolve))
    const self = this.#self
    const socket = io(`${server}/mesh`, { transports: ['websocket'], reconnection: false, forceNew: true, auth: self })
    this.#dialled = socket
    return new Promise(resolve => {
      socket.once('challenge', acceptor => socket.emit('prove', createProof('', 'dialler', self, acceptor), resolve))
    })
  }

  /** Sends a frame to the server over the link that this peer dialled. */
  send(event: string, payload: unknown): void {
    this.#dialled?.emit(event, payload)
  }

  /** Sends a frame over the link that this peer dialled, and resolves when the server has sent a matching one on it. */
  async ask(event: string, payload: unknown, answer: string, matches: (payload: unknown) => boolean): Promise<void> {
    const socket = this.#dialled
    await new Promise<void>((resolve, reject) => {
      const end = () => reject(new Error(`the link has ended before the answer to ${event}`))
      const listener = (payload: unknown) => {
        if (!matches(payload)) return
        socket?.off(answer, listener).off('disconnect', end)
        resolve()
      }
      socket?.once('disconnect', end)
      socket?.on(answer, listener).emit(event, payload)
    })
  }

  /** Sends a frame over the link that the server dialled. */
  answer(event: string, payload: unknown): void {
    this.#accepted?.emit(event, payload)
  }

  /** Stops reading from the server's link. */
  pause(): void {
    const transport = this.#accepted?.conn.transport as unknown as { socket: { pause(): void } } | undefined
    transport?.socket.pause()
  }

  async close(): Promise<void> {
    this.#dialled?.disconnect()
    const closed = this.#io.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }
}
