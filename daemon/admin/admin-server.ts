import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { isLoopbackHost } from '../../src/common/loopback.ts'
import { toServerAddress } from '../../src/programs/config.ts'
import type { ProcessLog } from '../log/log.ts'
import type { RunningServer } from '../runtime.ts'
import { isKnownHost } from '../transport/origin.ts'
import { AdminConnections } from './admin-connections.ts'
import { Metrics } from './metrics.ts'

/** How long a request may take to arrive, ms. */
const REQUEST_TIMEOUT_MS = 10_000
/** Maximum number of connections: a scraper, a probe, and a few people. Above it the oldest without a request is closed. */
const MAX_CONNECTIONS = 50
/** How often connections are checked for these timeouts, ms. */
const CHECK_INTERVAL_MS = 1_000

interface AdminOptions {
  host: string
  /** Host names of this server; requests with other ones are refused. */
  hostNames: readonly string[]
  /** 0: any free port. */
  port: number
  version: string
  log: ProcessLog
}

/** Serves liveness, readiness and metrics on the admin port. Read-only. */
export class AdminServer {
  readonly #metrics = new Metrics()
  readonly #version: string
  readonly #hostNames: readonly string[]
  readonly #log: ProcessLog
  #server: RunningServer | undefined

  private constructor({ version, hostNames, log }: AdminOptions) {
    this.#version = version
    this.#hostNames = hostNames
    this.#log = log
  }

  /** Starts listening. Rejects if the port is in use. */
  static async listen(options: AdminOptions): Promise<AdminServer> {
    const { host, port, log } = options
    const admin = new AdminServer(options)
    const connections = new AdminConnections(MAX_CONNECTIONS)
    const http = createServer(
      {
        requestTimeout: REQUEST_TIMEOUT_MS,
        headersTimeout: REQUEST_TIMEOUT_MS,
        connectionsCheckingInterval: CHECK_INTERVAL_MS,
      },
      (request, response) => {
        connections.begin(request.socket)
        response.once('close', () => connections.end(request.socket))
        admin.#answer(request, response).catch(error => {
          log.write('error', `Could not answer at ${request.url}: ${(error as Error).message}`)
          response.destroy()
        })
      },
    )
    http.on('connection', socket => connections.add(socket))
    // Does not keep the process alive on its own.
    http.unref()
    await new Promise<void>((resolve, reject) => {
      // Exclusive: each worker has its own admin port.
      http.once('error', reject).listen({ port, host, exclusive: true }, resolve)
    }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EADDRINUSE') throw error
      throw new Error(`port ${port} is already in use; choose another with --admin-port`)
    })
    // A scrape that cannot be accepted, for lack of descriptors, must not end the server.
    http.on('error', () => {})
    const address = http.address()
    const boundPort = typeof address === 'object' && address !== null ? address.port : port
    log.write('info', `Serving health and metrics at: ${toServerAddress({ id: '', ip: host, port: boundPort }).url}`)
    if (!isLoopbackHost(host))
      log.write('warn', `Anyone who can reach ${host} can read this server's health and metrics.`)
    return admin
  }

  /** Sets the server, once it listens for clients. */
  setServer(server: RunningServer): void {
    this.#server = server
  }

  /** Why this server does not accept clients; undefined if it does. */
  get #notReadyReason(): string | undefined {
    if (this.#server === undefined) return 'starting: not listening yet'
    return this.#server.status().draining ? 'draining: clients are moving to other servers' : undefined
  }

  async #answer({ method, url = '', headers }: IncomingMessage, response: ServerResponse): Promise<void> {
    const respond = (status: number, body: string, more = {}) => {
      response.writeHead(status, {
        'content-type': 'text/plain; charset=utf-8',
        'cache-control': 'no-store',
        // A page of another origin must not run or embed an answer either.
        'x-content-type-options': 'nosniff',
        'cross-origin-resource-policy': 'same-origin',
        ...more,
      })
      response.end(body)
    }
    if (!isKnownHost(headers.host, this.#hostNames))
      // A page in a browser has many connections, six for each host name; they are not kept.
      return respond(403, 'unknown host name; list it under "names" in the config, or use an IP address\n', {
        connection: 'close',
      })
    const [path] = url.split('?')
    if (path !== '/healthz' && path !== '/readyz' && path !== '/metrics') return respond(404, 'not found\n')
    if (method !== 'GET' && method !== 'HEAD') return respond(405, 'GET or HEAD\n', { allow: 'GET, HEAD' })
    if (path === '/healthz') return respond(200, 'ok\n')
    const notReadyReason = this.#notReadyReason
    if (path === '/readyz') return respond(notReadyReason === undefined ? 200 : 503, `${notReadyReason ?? 'ready'}\n`)
    if (this.#server === undefined) return respond(503, `${notReadyReason}\n`)
    const { status, cutOff, malformed } = this.#server
    const text = await this.#metrics.scrape({
      version: this.#version,
      status: status(),
      cutOff: cutOff(),
      malformed: malformed(),
      lostLogLines: this.#log.lostLines(),
    })
    respond(200, text, { 'content-type': this.#metrics.contentType })
  }
}
