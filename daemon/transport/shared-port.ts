import type { Server as HttpServer } from 'node:http'
import { Server as SecureServer } from 'node:https'
import { createServer, type Server as TcpServer } from 'node:net'

/** Time until a port that could not be opened after a pause is tried again, ms. */
const RETRY_MS = 1_000
/** A pause is interrupted at this interval, ms, … */
const LOOK_INTERVAL_MS = 250
/** … for as long as each time of this length brings a connection, ms: the other workers have no time for them. */
const LOOK_MS = 5

/**
 * Most connections that the kernel keeps until this process accepts them: as many as Linux allows by default
 * (`net.core.somaxconn`). After a restart all clients come at once, and the kernel drops what exceeds this: such a client
 * tries again after 1, 3, 7 and 15 s. Node's own default is 511.
 */
export const LISTEN_BACKLOG = 4_096

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
  readonly #address: PortAddress & { backlog: number }
  readonly #tcp: TcpServer
  #accepted = 0
  #pause: { mayLook: () => boolean } | undefined
  /** Whether it waits for the primary: to ask twice would open the port twice. */
  #isOpening = false
  #isClosed = false

  private constructor(http: HttpServer, address: PortAddress) {
    this.#address = { ...address, backlog: LISTEN_BACKLOG }
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
      tcp.once('error', reject).listen(shared.#address, () => {
        tcp.off('error', reject).on('error', error => {
          onError(error)
          shared.#isOpening = false
          if (!tcp.listening) setTimeout(() => shared.#listen(), RETRY_MS).unref()
        })
        resolve()
      })
    })
    tcp.on('listening', () => {
      shared.#isOpening = false
      shared.#look()
    })
    // The HTTP server starts its timeouts, and Engine.IO its WebSocket server.
    http.emit('listening')
    return shared
  }

  get port(): number {
    const address = this.#tcp.address()
    return typeof address === 'object' && address !== null ? address.port : this.#address.port
  }

  /**
   * Leaves new connections to the other workers, or accepts them again. Open connections stay. During a pause it takes only
   * connections that wait because the others are busy.
   * @param mayLook whether it may take those
   */
  setPaused(isPaused: boolean, mayLook: () => boolean): void {
    if (isPaused === (this.#pause !== undefined) || this.#isClosed) return
    this.#pause = isPaused ? { mayLook } : undefined
    if (isPaused) this.#stopListening()
    else this.#listen()
  }

  /** During a pause: stops listening until it is time to look. */
  #stopListening(): void {
    // `#look` comes back here when the port is open.
    if (this.#isOpening) return
    const pause = this.#pause
    this.#tcp.close()
    setTimeout(() => {
      if (pause === undefined || pause !== this.#pause) return
      if (pause.mayLook()) this.#listen()
      else this.#stopListening()
    }, LOOK_INTERVAL_MS).unref()
  }

  /** The port is open. During a pause it stays open for as long as connections wait. */
  #look(): void {
    const pause = this.#pause
    if (pause === undefined) return
    const before = this.#accepted
    // Between the timer and the immediate, the event loop accepts a connection if one waits.
    setTimeout(() => {
      setImmediate(() => {
        if (pause !== this.#pause) return
        if (this.#accepted > before && pause.mayLook()) this.#look()
        else this.#stopListening()
      })
    }, LOOK_MS).unref()
  }

  #listen(): void {
    if (this.#isClosed || this.#isOpening || this.#tcp.listening) return
    this.#isOpening = true
    this.#tcp.listen(this.#address)
  }

  /** Closes the port. Resolves when all connections have ended. */
  close(): Promise<void> {
    this.#isClosed = true
    this.#pause = undefined
    return new Promise(resolve => this.#tcp.close(() => resolve()))
  }
}
