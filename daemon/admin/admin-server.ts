import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { toServerAddress } from '../../src/programs/config.ts'
import type { Log } from '../log/log.ts'
import type { RunningServer } from '../runtime.ts'
import { isLoopback } from '../settings/secret.ts'
import { Metrics } from './metrics.ts'

/** Who is so slow with a request, ms, is not waited for. */
const REQUEST_TIMEOUT_MS = 10_000
/** Most connections at once: a scraper, a probe, and a person or two. */
const MAX_CONNECTIONS = 50

interface AdminOptions {
  host: string
  /** 0: any that is free. */
  port: number
  version: string
  log: Log
}

/** The door for machines: whether this process works, whether it takes clients, and its metrics. Nothing is changed here. */
export class AdminServer {
  readonly #metrics = new Metrics()
  readonly #version: string
  #server: RunningServer | undefined

  private constructor(version: string) {
    this.#version = version
  }

  /** Listens. Rejects when the port cannot be had. */
  static async listen({ host, port, version, log }: AdminOptions): Promise<AdminServer> {
    const admin = new AdminServer(version)
    const http = createServer(
      { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS },
      (request, response) => {
        admin.#answer(request, response).catch(error => {
          log.write('error', `Could not answer at ${request.url}: ${(error as Error).message}`)
          response.destroy()
        })
      },
    )
    http.maxConnections = MAX_CONNECTIONS
    // It keeps no process alive that has nothing else to do.
    http.unref()
    await new Promise<void>((resolve, reject) => {
      // Workers have ports of their own here, too.
      http.once('error', reject).listen({ port, host, exclusive: true }, resolve)
    }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EADDRINUSE') throw error
      throw new Error(`port ${port} is in use; stop the other program, or give another with --admin-port`)
    })
    const address = http.address()
    const boundPort = typeof address === 'object' && address !== null ? address.port : port
    log.write('info', `Serving health and metrics at: ${toServerAddress({ id: '', ip: host, port: boundPort }).url}`)
    if (!isLoopback(host)) log.write('warn', `Whoever reaches ${host} sees this server's health and metrics.`)
    return admin
  }

  /** The server listens for clients. */
  setServer(server: RunningServer): void {
    this.#server = server
  }

  /** Why this server is not to be given clients; undefined: it is. */
  get #notReadyReason(): string | undefined {
    if (this.#server === undefined) return 'starting: it does not listen yet'
    return this.#server.status().draining ? 'draining: its clients move to other servers' : undefined
  }

  async #answer({ method, url = '' }: IncomingMessage, response: ServerResponse): Promise<void> {
    const respond = (status: number, body: string, headers = {}) => {
      response.writeHead(status, {
        'content-type': 'text/plain; charset=utf-8',
        'cache-control': 'no-store',
        ...headers,
      })
      response.end(body)
    }
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
    })
    respond(200, text, { 'content-type': this.#metrics.contentType })
  }
}
