import { randomInt } from 'node:crypto'
import type { Socket } from 'node:net'
import { checkServerIdentity, type PeerCertificate } from 'node:tls'
import { connect, errors, type Msg, type NatsConnection } from '@nats-io/transport-node'
import { Backoff } from '../../../src/common/backoff.ts'
import { exceeds } from '../../../src/protocol/limits.ts'
import type { Log } from '../../log/log.ts'
import { type CutOffCounts, SLOW_BYTES } from '../../transport/backpressure.ts'
import { awaitGreeting } from './await-greeting.ts'

/** How long connecting may take, ms. */
const CONNECT_TIMEOUT_MS = 4_000
/** A NATS server that misses this number of pings, sent at this interval (ms), is considered lost. */
const PING = { intervalMs: 2_000, maxOutstanding: 2 }
/** How long the final flush may take, ms. */
const CLOSE_FLUSH_MS = 400
const DEFAULT_PORT = '4222'

/** Minimum `max_payload` of the NATS server, bytes: handshakes and parts of frames must fit. */
const MIN_PAYLOAD_BYTES = 16 * 1024
/** Maximum number of logged errors per connection: missing permissions cause one with each publication. */
const MAX_LOGGED_ERRORS = 10

/** The socket, which the package does not expose. */
interface InnerConnection {
  protocol: { transport: { socket?: Socket } }
}

export interface NatsClientOptions {
  /** nats://[USER:PASSWORD@]HOST[:PORT], or tls://…; one of them is used at a time. */
  urls: readonly string[]
  /** The name of this client in the NATS server's connection list. */
  name: string
  /** The subject under which this client receives responses. */
  inbox: string
  /** Called when NATS denies a publication; true if that is expected and need not be logged. */
  onPublishDenied: (subject: string) => boolean
  /** The CA of the certificates of tls:// servers; undefined: the CAs that Node trusts. */
  ca: () => string | undefined
  log: Log
  /** Maximum number of unsent bytes; a slower NATS server is disconnected. 0: unlimited. */
  maxBufferedBytes: () => number
  /** Where a NATS server that does not read is counted, as a peer. */
  cutOffCounts: CutOffCounts
  /** Called on connect, to subscribe, which may take several turns of the event loop. */
  onConnect: () => Promise<void>
  /** Called when the server has processed the subscriptions. */
  onReady: () => void
  /** Called when the connection, and its subscriptions with it, is lost. */
  onDisconnect: () => void
}

/**
 * A connection to NATS that reconnects, each time from scratch. Nothing is buffered while it is disconnected: the core
 * holds all unacknowledged messages.
 */
export class NatsClient {
  readonly #options: NatsClientOptions
  readonly #backoff = new Backoff(Math.random)
  #connection: NatsConnection | undefined
  #isSubscribed = false
  #closing = false
  /** The next URL to try. A random start spreads the servers over the URLs. */
  #nextUrl: number
  #timer: NodeJS.Timeout | undefined

  constructor(options: NatsClientOptions) {
    this.#options = options
    this.#nextUrl = randomInt(options.urls.length)
    void this.#connect()
  }

  /** The connection once `onConnect` has subscribed; undefined while disconnected. */
  get connection(): NatsConnection | undefined {
    return this.#isSubscribed ? this.#connection : undefined
  }

  /** Maximum size of one message, bytes. */
  get maxPayload(): number {
    return this.#connection?.info?.max_payload ?? 1024 * 1024
  }

  publish(subject: string, payload: Uint8Array): void {
    const connection = this.#connection
    // The connection may be closed a moment before `closed()` resolves.
    if (connection === undefined || connection.isClosed()) return
    connection.publish(subject, payload)
    if (!exceeds(this.#unsentBytes, this.#options.maxBufferedBytes())) return
    this.#options.cutOffCounts.peer++
    this.#socket?.destroy(new Error('slow consumer: NATS does not read'))
  }

  /** Whether enough waits to be sent that what is not needed should be left out. */
  get isSlow(): boolean {
    return this.#unsentBytes > SLOW_BYTES
  }

  get #unsentBytes(): number {
    return this.#socket?.writableLength ?? 0
  }

  get #socket(): Socket | undefined {
    return (this.#connection as unknown as InnerConnection | undefined)?.protocol.transport.socket
  }

  subscribe(subject: string, handler: (message: Msg) => void, queue?: string): { unsubscribe(): void } {
    const connection = this.#connection
    if (connection === undefined || connection.isClosed()) return { unsubscribe: () => {} }
    return connection.subscribe(subject, {
      ...(queue === undefined ? {} : { queue }),
      callback: (error, message) => {
        if (error === null && connection === this.#connection) handler(message)
      },
    })
  }

  async close(): Promise<void> {
    this.#closing = true
    clearTimeout(this.#timer)
    const connection = this.#connection
    this.#connection = undefined
    if (connection === undefined) return
    const timeout = new Promise<void>(resolve => setTimeout(resolve, CLOSE_FLUSH_MS).unref())
    await Promise.race([connection.flush(), timeout]).catch(() => {})
    await connection.close()
  }

  async #connect(): Promise<void> {
    const { urls, name, inbox, ca, log, onConnect, onReady, onDisconnect } = this.#options
    const url = new URL(urls[this.#nextUrl++ % urls.length] ?? '')
    const startedAt = performance.now()
    let reason = 'the connection closed'
    try {
      const connection = await connectTo(url, { name, inbox, ca: ca(), withinMs: CONNECT_TIMEOUT_MS })
      if (this.#closing) return await connection.close()
      const maxPayload = connection.info?.max_payload ?? MIN_PAYLOAD_BYTES
      if (maxPayload < MIN_PAYLOAD_BYTES) {
        await connection.close()
        throw new Error(`its max_payload is ${maxPayload} bytes; set it to at least ${MIN_PAYLOAD_BYTES}`)
      }
      void this.#logErrors(connection, url)
      this.#connection = connection
      await onConnect()
      if (!connection.isClosed() && connection === this.#connection) {
        this.#isSubscribed = true
        log.write('info', `Connected to the backbone at: ${url.host}`)
      }
      connection.flush().then(
        () => {
          if (connection === this.#connection) onReady()
        },
        () => {},
      )
      reason = `${(await connection.closed())?.message ?? reason}`
      if (!this.#closing) {
        this.#connection = undefined
        this.#isSubscribed = false
        onDisconnect()
      }
      this.#backoff.connectionEnded(performance.now() - startedAt)
    } catch (error) {
      reason = (error as Error).message
    }
    if (this.#closing) return
    log.write('warn', `Backbone at: ${url.host} unreachable: ${reason}. Will retry automatically.`)
    this.#timer = setTimeout(() => void this.#connect(), this.#backoff.nextDelay())
  }

  /** Logs errors such as missing permissions: NATS drops such publications silently. */
  async #logErrors(connection: NatsConnection, { host }: URL): Promise<void> {
    let logged = 0
    for await (const status of connection.status()) {
      if (status.type !== 'error') continue
      const { error } = status
      const isDenial = error instanceof errors.PermissionViolationError && error.operation === 'publish'
      if (isDenial && this.#options.onPublishDenied(error.subject)) continue
      if (++logged > MAX_LOGGED_ERRORS) continue
      this.#options.log.write('warn', `Backbone at: ${host} reports an error: ${error.message}`)
    }
  }
}

/**
 * Connects to one NATS server, once.
 * @throws Error if it is not connected in time, or NATS rejects this client
 */
export async function connectTo(
  { username, password, hostname, port, protocol }: URL,
  { name, inbox, ca, withinMs }: { name: string; inbox: string; ca: string | undefined; withinMs: number },
): Promise<NatsConnection> {
  const [user, pass] = [decodeURIComponent(username), decodeURIComponent(password)]
  // The package would verify the certificate of an IP address against the name `localhost`.
  const host = hostname.replace(/^\[|\]$/g, '')
  const tls = {
    ...(ca === undefined ? {} : { ca }),
    checkServerIdentity: (_: string, certificate: PeerCertificate) => checkServerIdentity(host, certificate),
  }
  await awaitGreeting(host, Number(port || DEFAULT_PORT), withinMs)
  return await connect({
    servers: `${hostname}:${port || DEFAULT_PORT}`,
    ...(pass !== '' ? { user, pass } : user === '' ? {} : { token: user }),
    ...(protocol === 'tls:' ? { tls } : {}),
    name,
    inboxPrefix: inbox,
    reconnect: false,
    ignoreClusterUpdates: true,
    noEcho: true,
    timeout: withinMs,
    pingInterval: PING.intervalMs,
    maxPingOut: PING.maxOutstanding,
  })
}
