import { createServer, type Server as HttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createSecureServer, Server as SecureServer } from 'node:https'
import type { ListenOptions, Socket as TcpSocket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type Namespace, Server } from 'socket.io'
import { exceeds } from '../../src/protocol/limits.ts'
import { MAX_PACKET_BYTES } from '../../src/protocol/messages.ts'
import type { Log } from '../log/log.ts'
import type { TlsMaterial } from '../settings/tls.ts'
import { Backpressure, type TransportContext } from './backpressure.ts'
import { AddressBudgets, TCP_CONNECTIONS_PER_CLIENT } from './budgets/address-budgets.ts'
import { ConnectionBudget } from './budgets/connection-budget.ts'
import { HeldBytes, UnreadBytes } from './budgets/held-bytes.ts'
import { budgetOf, isAccepted, limitedWebSocketServer } from './budgets/limited-web-sockets.ts'
import { TcpConnections } from './budgets/tcp-connections.ts'
import { PING_INTERVAL_MS, PING_TIMEOUT_MS } from './heartbeat.ts'
import { HttpRequests } from './http-requests.ts'
import { type Engine, webSocketOf } from './internals.ts'
import { type PageRules, pageRefusal } from './origin.ts'
import { EventReader } from './packets/event-reader.ts'
import { FirstPackets } from './packets/first-packets.ts'
import { releaseUpgradeResponses } from './release-request.ts'
import { LISTEN_BACKLOG, type PortAddress, SharedPort } from './shared-port.ts'

export interface SocketServerOptions extends TransportContext {
  /** Encrypts connections. */
  tls: TlsMaterial | undefined
  /** Which pages in a browser may connect. */
  pages: Omit<PageRules, 'scheme'>
  /** Addresses whose TCP connections are not counted; default: this machine's. */
  isExempt?: ((address: string) => boolean) | undefined
  /** Most TCP connections; further ones are closed at once. */
  maxTcpConnections?: number | undefined
}

const notFound = (_: unknown, response: ServerResponse) => response.writeHead(404).end()

/** Time for a TLS handshake, and for the headers of a request, where `identifyMs` sets no limit, ms. */
const DEFAULT_HEADERS_MS = 10_000
/** Time for a whole request, ms. */
const REQUEST_MS = 60_000
/** Time until a connection is closed whose request for a WebSocket was not accepted, ms. */
const REJECTED_UPGRADE_MS = 2_000

/** Minimum time between two log lines about connections that could not be accepted, ms. */
const ACCEPT_ERROR_INTERVAL_MS = 10_000

/** Closes connections that send nothing, or not enough, in time. */
function timeoutsFor(identifyMs: number) {
  const headersTimeout = identifyMs > 0 ? identifyMs : DEFAULT_HEADERS_MS
  return {
    headersTimeout,
    handshakeTimeout: headersTimeout,
    requestTimeout: Math.max(REQUEST_MS, headersTimeout),
    connectionsCheckingInterval: Math.min(1_000, Math.ceil(headersTimeout / 4)),
  }
}

/** This server sends to connections, not to rooms of Socket.IO: those would keep three entries per connection. */
function withoutRooms({ adapter }: Namespace): void {
  adapter.addAll = () => {}
  adapter.delAll = () => {}
}

/** Engine.IO only ends its own side, and Node sets no timeout once a request asks for another protocol. */
function endUnlessAccepted(socket: Duplex): void {
  if (!isAccepted(socket)) setTimeout(() => isAccepted(socket) || socket.destroy(), REJECTED_UPGRADE_MS).unref()
}

/** An HTTP server and its Socket.IO server, with limits on what each connection may cost. */
export class SocketServer {
  readonly http: HttpServer
  readonly io: Server
  readonly #addresses: AddressBudgets
  readonly #heldBytes: HeldBytes
  readonly #unreadBytes: UnreadBytes
  readonly #tcpConnections: TcpConnections
  readonly #requests: HttpRequests
  readonly #maxSessions: number
  readonly #connections = new Set<Backpressure>()
  readonly #log: Log
  #acceptErrorLoggedAt = Number.NEGATIVE_INFINITY
  #sharedPort: SharedPort | undefined

  constructor(options: SocketServerOptions) {
    const { tls, limits, pages, features } = options
    this.#log = options.log
    const timeouts = timeoutsFor(limits.identifyMs)
    this.http =
      tls === undefined ? createServer(timeouts, notFound) : createSecureServer({ ...timeouts, ...tls }, notFound)
    if (options.maxTcpConnections !== undefined) this.http.maxConnections = options.maxTcpConnections
    this.#addresses = new AddressBudgets(limits.connectionsPerAddress, options.isExempt)
    this.#heldBytes = new HeldBytes(limits.heldBytes)
    this.#unreadBytes = new UnreadBytes(limits.unreadBytes)
    this.#tcpConnections = new TcpConnections(limits.connections, this.#addresses, tls !== undefined)
    this.#requests = new HttpRequests(this.#heldBytes, socket => this.#tcpConnections.markUsed(socket))
    this.#maxSessions = limits.connections * TCP_CONNECTIONS_PER_CLIENT
    // A connection counts as soon as it is open: one that never sends a request costs as much.
    this.http.prependListener('connection', (socket: TcpSocket) => this.#tcpConnections.add(socket))
    const rules: PageRules = { ...pages, scheme: tls === undefined ? 'http' : 'https' }
    // Socket.IO 1 sends credentials; this server has none to protect, and sets no cookies.
    const cors = { origin: [...pages.origins], credentials: true }
    this.io = new Server({
      allowEIO3: true,
      serveClient: false,
      perMessageDeflate: false,
      // An answer counts by its bytes while it waits to be read.
      httpCompression: false,
      pingInterval: PING_INTERVAL_MS,
      pingTimeout: PING_TIMEOUT_MS,
      maxHttpBufferSize: MAX_PACKET_BYTES,
      wsEngine: limitedWebSocketServer(socket => {
        this.#tcpConnections.markUsed(socket)
        return this.#createBudget(socket.remoteAddress)
      }),
      // For connections that join no namespace. Those that do must identify, or authenticate as a peer.
      connectTimeout: 10_000,
      // Browsers let a page read what it polls from another origin only with these headers.
      ...(pages.origins.length === 0 ? {} : { cors }),
      allowRequest: (request, allow) => {
        const refusal =
          pageRefusal(request, rules) ??
          (this.#startSession(request) ? undefined : 'too many sessions of this address; retry later')
        allow(refusal, refusal === undefined)
      },
    })
    withoutRooms(this.io.sockets)
    releaseUpgradeResponses(this.http, () => this.io.attach(this.http))
    this.http.on('upgrade', (_, socket: Duplex) => endUnlessAccepted(socket))
    this.#requests.install(this.http)
    const firstPackets = new FirstPackets()
    this.io.engine.on('connection', (engine: Engine) => {
      const backpressure = new Backpressure(engine, options, this.#connections, this.#openSession(engine))
      if (features.eventReader) EventReader.install(engine, backpressure, firstPackets)
    })
  }

  /**
   * Open connections: of TCP, as far as they are limited, and of Engine.IO; bytes that they hold; and addresses that are
   * remembered: a second after the last connection, or 10 s after the last proof, token or roster of a stranger.
   */
  get counts(): { tcp: number; engine: number; heldBytes: number; unreadBytes: number; addresses: number } {
    const { tcp, addresses } = this.#addresses.counts
    const [heldBytes, unreadBytes] = [this.#heldBytes.total, this.#unreadBytes.total]
    return { tcp, engine: this.#connections.size, heldBytes, unreadBytes, addresses }
  }

  #createBudget(remoteAddress: string | undefined): ConnectionBudget {
    const totals = { held: this.#heldBytes, unread: this.#unreadBytes }
    return new ConnectionBudget(this.#addresses.of(remoteAddress ?? ''), totals)
  }

  #openSession(engine: Engine): ConnectionBudget {
    // Sessions on a WebSocket are as many as its TCP connections.
    const found = budgetOf(webSocketOf(engine))
    if (found !== undefined) return found
    const budget = this.#createBudget(engine.remoteAddress)
    const { address } = budget
    const { id } = engine as unknown as { id: string }
    address.pollingSessions++
    this.#requests.openSession(id, budget)
    engine.once('close', () => {
      address.pollingSessions--
      this.#requests.closeSession(id)
    })
    return budget
  }

  #startSession({ socket }: IncomingMessage): boolean {
    if (exceeds(this.#connections.size + 1, this.#maxSessions)) return false
    if (!this.#addresses.startSession(this.#addresses.of(socket.remoteAddress ?? ''))) return false
    this.#tcpConnections.markUsed(socket)
    return true
  }

  /** Listens; resolves with the port. Rejects when the port is not available. */
  async listen(where: ListenOptions): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.http.once('error', reject).listen({ backlog: LISTEN_BACKLOG, ...where }, () => {
        // From now on: a connection that cannot be accepted, for lack of descriptors, must not end the server.
        this.http.off('error', reject).on('error', error => this.#onAcceptError(error))
        resolve()
      })
    })
    const address = this.http.address()
    return typeof address === 'object' && address !== null ? address.port : (where.port ?? 0)
  }

  /** Listens on a port that other workers listen on, too. Rejects when it is not available. */
  async listenShared(address: PortAddress): Promise<SharedPort> {
    const shared = await SharedPort.open(this.http, address, error => this.#onAcceptError(error))
    this.#sharedPort = shared
    return shared
  }

  /** Open TCP connections. */
  get tcpConnections(): number {
    return this.#tcpConnections.counts.open
  }

  #onAcceptError(error: Error): void {
    const now = performance.now()
    if (now - this.#acceptErrorLoggedAt < ACCEPT_ERROR_INTERVAL_MS) return
    this.#acceptErrorLoggedAt = now
    this.#log.write('error', `Could not accept a connection: ${error.message}.`)
  }

  /** Uses a renewed certificate for new connections. */
  renewCertificates(tls: TlsMaterial): void {
    if (this.http instanceof SecureServer) this.http.setSecureContext(tls)
  }

  /** Closes the port and all connections; resolves when they have ended. */
  async close(): Promise<void> {
    await Promise.all([this.io.close(), this.#sharedPort?.close()])
  }

  /** All open connections; Socket.IO forgets them when it is closed, even those that still flush. */
  get connections(): readonly Backpressure[] {
    return [...this.#connections]
  }
}
