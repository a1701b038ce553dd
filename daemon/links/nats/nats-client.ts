import { randomInt } from 'node:crypto'
import type { Socket } from 'node:net'
import { checkServerIdentity, type PeerCertificate } from 'node:tls'
import { connect, type Msg, type NatsConnection } from '@nats-io/transport-node'
import { Backoff } from '../../../src/common/backoff.ts'
import { exceeds } from '../../../src/protocol/limits.ts'
import type { Log } from '../../log/log.ts'
import type { CutOffCounts } from '../../transport/backpressure.ts'
import { awaitGreeting } from './await-greeting.ts'

/** How long connecting may take, ms. */
const CONNECT_TIMEOUT_MS = 4_000
/** A server that does not answer so many pings, so long apart (ms), is gone. */
const PING = { intervalMs: 2_000, maxOutstanding: 2 }
/** Last words have so long to leave, ms. */
const CLOSE_FLUSH_MS = 400
const DEFAULT_PORT = '4222'

/** Less than this, bytes, is no use: handshakes and pieces of frames must fit. */
const MIN_PAYLOAD_BYTES = 16 * 1024
/** Errors of one connection that are told; a client without permissions has one with each word. */
const MAX_LOGGED_ERRORS = 10

/** What the package gives no other way to: the socket. */
interface InnerConnection {
  protocol: { transport: { socket?: Socket } }
}

export interface NatsClientOptions {
  /** nats://[USER:PASSWORD@]HOST[:PORT], or tls://…; one of them is used at a time. */
  urls: readonly string[]
  /** How this client is called in the server's own lists. */
  name: string
  /** Who vouches for the certificate of a server at tls://; absent, those whom Node trusts. */
  ca: () => string | undefined
  log: Log
  /** Most bytes that may wait unsent for a NATS that does not read; past it the connection is cut. 0: no bound. */
  maxBufferedBytes: () => number
  /** Where a NATS server that does not read is counted, as a peer. */
  cutOffCounts: CutOffCounts
  /** Connected: subscribes to all that it wants. */
  onConnect: (nats: NatsConnection) => void
  /** It has subscribed. */
  onReady: () => void
  /** The connection is gone, and its subscriptions with it. */
  onDisconnect: () => void
}

/**
 * A connection to NATS that is made again when it is gone, each time from nothing: nothing is buffered in between, for
 * the core holds what was not confirmed.
 */
export class NatsClient {
  readonly #options: NatsClientOptions
  readonly #backoff = new Backoff(Math.random)
  #connection: NatsConnection | undefined
  #closing = false
  /** Which URL is next. Where each server begins by chance, they spread. */
  #nextUrl: number
  #timer: NodeJS.Timeout | undefined

  constructor(options: NatsClientOptions) {
    this.#options = options
    this.#nextUrl = randomInt(options.urls.length)
    void this.#connect()
  }

  /** While it is connected. */
  get connection(): NatsConnection | undefined {
    return this.#connection
  }

  /** Most bytes of one message. */
  get maxPayload(): number {
    return this.#connection?.info?.max_payload ?? 1024 * 1024
  }

  publish(subject: string, payload: Uint8Array): void {
    const connection = this.#connection
    // It is closed a moment before this server hears of it.
    if (connection === undefined || connection.isClosed()) return
    connection.publish(subject, payload)
    const socket = (connection as unknown as InnerConnection).protocol.transport.socket
    if (!exceeds(socket?.writableLength ?? 0, this.#options.maxBufferedBytes())) return
    this.#options.cutOffCounts.peer++
    socket?.destroy(new Error('cut off: it does not read'))
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
    const { urls, name, ca, log, onConnect, onReady, onDisconnect } = this.#options
    const url = new URL(urls[this.#nextUrl++ % urls.length] ?? '')
    const startedAt = performance.now()
    let reason = 'the connection closed'
    try {
      const connection = await connectTo(url, { name, ca: ca(), withinMs: CONNECT_TIMEOUT_MS })
      if (this.#closing) return await connection.close()
      const maxPayload = connection.info?.max_payload ?? MIN_PAYLOAD_BYTES
      if (maxPayload < MIN_PAYLOAD_BYTES) {
        await connection.close()
        throw new Error(`its max_payload is ${maxPayload} bytes; set it to ${MIN_PAYLOAD_BYTES} or more`)
      }
      void this.#logErrors(connection, url)
      this.#connection = connection
      onConnect(connection)
      log.write('info', `Connected to the backbone at: ${url.host}`)
      connection.flush().then(
        () => {
          if (connection === this.#connection) onReady()
        },
        () => {},
      )
      reason = `${(await connection.closed())?.message ?? reason}`
      if (!this.#closing) {
        this.#connection = undefined
        onDisconnect()
      }
      this.#backoff.connectionEnded(performance.now() - startedAt)
    } catch (error) {
      reason = (error as Error).message
    }
    if (this.#closing) return
    log.write('warn', `Backbone at: ${url.host} not reached: ${reason}. Will retry automatically.`)
    this.#timer = setTimeout(() => void this.#connect(), this.#backoff.nextDelay())
  }

  /** What NATS does not permit goes to nobody: somebody has to hear of it. */
  async #logErrors(connection: NatsConnection, { host }: URL): Promise<void> {
    let logged = 0
    for await (const status of connection.status()) {
      if (status.type !== 'error' || ++logged > MAX_LOGGED_ERRORS) continue
      this.#options.log.write('warn', `Backbone at: ${host} says: ${status.error.message}`)
    }
  }
}

/**
 * Connects to one NATS server, once.
 * @throws Error where it is not reached within the time, or does not let this client in
 */
export async function connectTo(
  { username, password, hostname, port, protocol }: URL,
  { name, ca, withinMs }: { name: string; ca: string | undefined; withinMs: number },
): Promise<NatsConnection> {
  const [user, pass] = [decodeURIComponent(username), decodeURIComponent(password)]
  // The client would hold the certificate of an address against the name `localhost`.
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
    reconnect: false,
    ignoreClusterUpdates: true,
    noEcho: true,
    timeout: withinMs,
    pingInterval: PING.intervalMs,
    maxPingOut: PING.maxOutstanding,
  })
}
