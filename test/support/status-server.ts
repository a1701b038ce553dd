/** A fake server on a real port that only answers `survey`, with what a test chooses. */
import { createServer, type Server as HttpServer } from 'node:http'
import { Server } from 'socket.io'

export class StatusServer {
  /** Makes the answer to each request; undefined: no answer. */
  answer: () => unknown
  /** Number of requests and of connections so far. */
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

  /** Closes all connections, as a server does with clients that do not identify. */
  disconnectAll(): void {
    this.#io.disconnectSockets(true)
  }

  /** Closes all connections and stops listening. */
  async close(): Promise<void> {
    await this.#io.close()
    this.#http.closeAllConnections()
  }
}
