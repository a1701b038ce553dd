import { randomInt } from 'node:crypto'
import { checkServerIdentity, type PeerCertificate } from 'node:tls'
import { connect, type Msg, type NatsConnection } from '@nats-io/transport-node'
import { Backoff } from '../../../src/mesh/backoff.ts'
import type { Log } from '../../log.ts'

/** How long connecting may take, ms. */
const CONNECT_MS = 4_000
/** A server that does not answer so many pings, so long apart (ms), is gone. */
const PING = { interval: 2_000, atMost: 2 }
/** Last words have so long to leave, ms. */
const LAST_WORDS_MS = 400
const DEFAULT_PORT = '4222'

export interface NatsOptions {
  /** nats://[USER:PASSWORD@]HOST[:PORT], or tls://…; one of them is used at a time. */
  urls: readonly string[]
  /** How this client is called in the server's own lists. */
  name: string
  /** Who vouches for the certificate of a server at tls://; absent, those whom Node trusts. */
  ca: () => string | undefined
  log: Log
  /** Connected: subscribes to all that it wants. */
  up: (nats: NatsConnection) => void
  /** It has subscribed. */
  ready: () => void
  /** The connection is gone, and its subscriptions with it. */
  down: () => void
}

/**
 * A connection to NATS that is made again when it is gone, each time from nothing: nothing is buffered in between, for
 * the core holds what was not confirmed.
 */
export class Nats {
  readonly #options: NatsOptions
  readonly #backoff = new Backoff(Math.random)
  #connection: NatsConnection | undefined
  #closing = false
  #timer: NodeJS.Timeout | undefined

  constructor(options: NatsOptions) {
    this.#options = options
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
    this.#connection?.publish(subject, payload)
  }

  subscribe(subject: string, take: (message: Msg) => void, queue?: string): { unsubscribe(): void } {
    const connection = this.#connection
    if (connection === undefined) return { unsubscribe: () => {} }
    return connection.subscribe(subject, {
      ...(queue === undefined ? {} : { queue }),
      callback: (error, message) => {
        if (error === null && connection === this.#connection) take(message)
      },
    })
  }

  async close(): Promise<void> {
    this.#closing = true
    clearTimeout(this.#timer)
    const connection = this.#connection
    this.#connection = undefined
    if (connection === undefined) return
    const late = new Promise<void>(resolve => setTimeout(resolve, LAST_WORDS_MS).unref())
    await Promise.race([connection.flush(), late]).catch(() => {})
    await connection.close()
  }

  async #connect(): Promise<void> {
    const { urls, name, ca, log, up, ready, down } = this.#options
    const url = new URL(urls[randomInt(urls.length)] ?? '')
    const since = performance.now()
    let reason = 'the connection closed'
    try {
      const connection = await connectTo(url, { name, ca: ca(), withinMs: CONNECT_MS })
      if (this.#closing) return await connection.close()
      this.#connection = connection
      up(connection)
      log.say('info', `Connected to the backbone at: ${url.host}`)
      connection.flush().then(
        () => {
          if (connection === this.#connection) ready()
        },
        () => {},
      )
      reason = `${(await connection.closed())?.message ?? reason}`
      if (!this.#closing) {
        this.#connection = undefined
        down()
      }
      this.#backoff.ended(performance.now() - since)
    } catch (error) {
      reason = (error as Error).message
    }
    if (this.#closing) return
    log.say('warn', `Backbone at: ${url.host} not reached: ${reason}. Will retry automatically.`)
    this.#timer = setTimeout(() => void this.#connect(), this.#backoff.next())
  }
}

/**
 * Connects to one NATS server, once.
 * @throws Error where it is not reached within the time, or does not let this client in
 */
export function connectTo(
  { username, password, hostname, port, protocol }: URL,
  { name, ca, withinMs }: { name: string; ca: string | undefined; withinMs: number },
): Promise<NatsConnection> {
  const user = decodeURIComponent(username)
  // The client would hold the certificate of an address against the name `localhost`.
  const host = hostname.replace(/^\[|\]$/g, '')
  const tls = {
    ...(ca === undefined ? {} : { ca }),
    checkServerIdentity: (_: string, certificate: PeerCertificate) => checkServerIdentity(host, certificate),
  }
  return connect({
    servers: `${hostname}:${port || DEFAULT_PORT}`,
    ...(password !== '' ? { user, pass: decodeURIComponent(password) } : user === '' ? {} : { token: user }),
    ...(protocol === 'tls:' ? { tls } : {}),
    name,
    reconnect: false,
    ignoreClusterUpdates: true,
    noEcho: true,
    timeout: withinMs,
    pingInterval: PING.interval,
    maxPingOut: PING.atMost,
  })
}
