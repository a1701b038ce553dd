/** A server of which nothing is real but its sockets: it answers `survey` as it is told. */
import { createServer, type Server as HttpServer } from 'node:http'
import { Server } from 'socket.io'

export class StatusServer {
  /** Called for each question; undefined: it is not answered. */
  answer: () => unknown
  /** Questions and connections so far. */
  requestCount = 0
  connectionCount = 0
  readonly port: number
  readonly #io: Server
  readonly #http: HttpServer

  private constructor(http: HttpServer, io: Server, port: number, answer: () => unknown) {
    this.#http = http
    this.#io = io
    this.port = port
    this.answer = answer
    io.on('connection', socket => {
      this.connectionCount++
      socket.on('survey', (acknowledge: (payload: unknown) => void) => {
        this.requestCount++
        const payload = this.answer()
        if (payload !== undefined) acknowledge(payload)
      })
    })
  }

  static async start(port: number, answer: () => unknown): Promise<StatusServer> {
    const http = createServer()
    const io = new Server(http)
    await new Promise<void>(resolve => http.listen(port, '127.0.0.1', resolve))
    return new StatusServer(http, io, port, answer)
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** Ends all connections, as a server does with those who do not say who they are. */
  disconnectAll(): void {
    this.#io.disconnectSockets(true)
  }

  /** Cuts all connections, and listens no more. */
  async close(): Promise<void> {
    await this.#io.close()
    this.#http.closeAllConnections()
  }
}
