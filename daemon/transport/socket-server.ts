import { createServer, type Server as HttpServer, type ServerResponse } from 'node:http'
import { createServer as createSecureServer, Server as SecureServer } from 'node:https'
import type { ListenOptions } from 'node:net'
import { Server } from 'socket.io'
import { MAX_PACKET_BYTES } from '../../src/protocol/messages.ts'
import type { TlsMaterial } from '../settings/tls.ts'
import { Backpressure, type TransportContext } from './backpressure.ts'
import { limitedWebSocketServer } from './control-frame-limit.ts'
import type { Engine } from './internals.ts'
import { type PageRules, pageRefusal } from './origin.ts'
import { EventReader } from './packets/event-reader.ts'
import { releaseUpgradeResponses } from './release-request.ts'
import { TcpConnectionLimit } from './tcp-connection-limit.ts'

export interface SocketServerOptions extends TransportContext {
  /** Encrypts connections. */
  tls: TlsMaterial | undefined
  /** Which pages in a browser may connect. */
  pages: Omit<PageRules, 'scheme'>
  /** Addresses whose TCP connections are not counted; default: this machine's. */
  isExempt?: ((address: string) => boolean) | undefined
}

const notFound = (_: unknown, response: ServerResponse) => response.writeHead(404).end()

/** An HTTP server and its Socket.IO server, with limits on what each connection may cost. */
export class SocketServer {
  readonly http: HttpServer
  readonly io: Server
  readonly #tcpConnections: TcpConnectionLimit
  readonly #connections = new Set<Backpressure>()

  constructor(options: SocketServerOptions) {
    const { tls, limits, pages, features } = options
    this.http = tls === undefined ? createServer(notFound) : createSecureServer(tls, notFound)
    this.#tcpConnections = new TcpConnectionLimit(this.http, limits.connectionsPerAddress, options.isExempt)
    const rules: PageRules = { ...pages, scheme: tls === undefined ? 'http' : 'https' }
    // Socket.IO 1 sends credentials; this server has none to protect, and sets no cookies.
    const cors = { origin: [...pages.origins], credentials: true }
    this.io = new Server({
      allowEIO3: true,
      serveClient: false,
      perMessageDeflate: false,
      pingInterval: 5_000,
      pingTimeout: 5_000,
      maxHttpBufferSize: MAX_PACKET_BYTES,
      wsEngine: limitedWebSocketServer(),
      // For connections that join no namespace. Those that do must identify, or authenticate as a peer.
      connectTimeout: 10_000,
      // Browsers let a page read what it polls from another origin only with these headers.
      ...(pages.origins.length === 0 ? {} : { cors }),
      allowRequest: (request, allow) => {
        const refusal = pageRefusal(request, rules)
        allow(refusal, refusal === undefined)
      },
    })
    releaseUpgradeResponses(this.http, () => this.io.attach(this.http))
    this.io.engine.on('connection', (engine: Engine) => {
      const backpressure = new Backpressure(engine, options, this.#connections)
      if (features.eventReader) EventReader.install(engine, bytes => backpressure.countRead(bytes))
    })
  }

  /** Open connections: of TCP, as far as they are limited, and of Engine.IO. */
  get counts(): { tcp: number; engine: number } {
    return { tcp: this.#tcpConnections.total, engine: this.#connections.size }
  }

  /** Listens; resolves with the port. Rejects when the port is not available. */
  async listen(where: ListenOptions): Promise<number> {
    await new Promise<void>((resolve, reject) => this.http.once('error', reject).listen(where, resolve))
    const address = this.http.address()
    return typeof address === 'object' && address !== null ? address.port : (where.port ?? 0)
  }

  /** Uses a renewed certificate for new connections. */
  renewCertificates(tls: TlsMaterial): void {
    if (this.http instanceof SecureServer) this.http.setSecureContext(tls)
  }

  /** Closes the port and all connections; resolves when they have ended. */
  async close(): Promise<void> {
    await this.io.close()
  }

  /** All open connections; Socket.IO forgets them when it is closed, even those that still flush. */
  get connections(): readonly Backpressure[] {
    return [...this.#connections]
  }
}
