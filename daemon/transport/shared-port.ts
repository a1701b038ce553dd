import type { Server as HttpServer } from 'node:http'
import { Server as SecureServer } from 'node:https'
import { createServer, type Server as TcpServer } from 'node:net'

/** Time until a port that could not be opened after a pause is tried again, ms. */
const RETRY_MS = 1_000

/** What `SharedPort` listens on. */
export interface PortAddress {
  port: number
  host: string
}

/**
 * The client port of a worker, which all workers share: it accepts connections for an HTTP server, and can pause. While
 * it does, the kernel keeps new connections for the other workers.
 */
export class SharedPort {
  readonly #address: PortAddress
  readonly #tcp: TcpServer
  #accepted = 0
  #isPaused = false
  #isClosed = false

  private constructor(http: HttpServer, address: PortAddress) {
    this.#address = address
    // As the HTTP server would accept them itself.
    const options = { allowHalfOpen: !(http instanceof SecureServer), noDelay: true }
    this.#tcp = createServer(options, socket => {
      this.#accepted++
      http.emit('connection', socket)
    })
    this.#tcp.maxConnections = http.maxConnections
  }

  /**
   * Resolves when it listens. Rejects when the port is not available.
   * @param onError called when a connection cannot be accepted, or the port cannot be opened after a pause
   */
  static async open(http: HttpServer, address: PortAddress, onError: (error: Error) => void): Promise<SharedPort> {
    const shared = new SharedPort(http, address)
    const tcp = shared.#tcp
    await new Promise<void>((resolve, reject) => {
      tcp.once('error', reject).listen(address, () => {
        tcp.off('error', reject).on('error', error => {
          onError(error)
          if (!tcp.listening) setTimeout(() => shared.#listen(), RETRY_MS).unref()
        })
        resolve()
      })
    })
    // The HTTP server starts its timeouts, and Engine.IO its WebSocket server.
    http.emit('listening')
    return shared
  }

  get port(): number {
    const address = this.#tcp.address()
    return typeof address === 'object' && address !== null ? address.port : this.#address.port
  }

  /** Connections accepted so far. */
  get accepted(): number {
    return this.#accepted
  }

  /** Stops to accept connections, or accepts them again. Open connections stay. */
  setPaused(isPaused: boolean): void {
    if (isPaused === this.#isPaused || this.#isClosed) return
    this.#isPaused = isPaused
    if (isPaused) this.#tcp.close()
    else this.#listen()
  }

  #listen(): void {
    if (!this.#isPaused && !this.#isClosed && !this.#tcp.listening) this.#tcp.listen(this.#address)
  }

  /** Closes the port. Resolves when all connections have ended. */
  close(): Promise<void> {
    this.#isClosed = true
    return new Promise(resolve => this.#tcp.close(() => resolve()))
  }
}
