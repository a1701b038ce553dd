import type { Server as HttpServer } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Socket } from 'socket.io'
import { clearHandshake } from './internals.ts'

/**
 * Frees what Socket.IO and Engine.IO keep for the life of a connection and this server never reads: the request that
 * opened it, its headers, and the handshake object made of them.
 *
 * With `releaseUpgradeResponses`, saves 2.0 kB of 12.5 kB per connection: docs/decisions/transport-shortcuts.md.
 */
export function releaseRequest(socket: Socket): void {
  clearHandshake(socket)
}

/**
 * Engine.IO wraps the TCP socket of each upgrade in a response object for middleware, which holds the request and
 * listens once for the socket's `close`. The only middleware here, that of CORS, does not need it, so these listeners
 * are removed: exactly those that were added while Engine.IO handled the upgrade (engine.io 6.6.12 `lib/server.ts`,
 * `WebSocketResponse`). ws's own listener is not a once-listener, and stays.
 *
 * Call it before and after Engine.IO attaches itself to the HTTP server.
 */
export function releaseUpgradeResponses(http: HttpServer, attach: () => void): void {
  let before: ReadonlySet<unknown> = new Set()
  http.on('upgrade', (_, socket: Duplex) => {
    before = new Set(socket.rawListeners('close'))
  })
  attach()
  http.on('upgrade', (_, socket: Duplex) => {
    for (const listener of socket.rawListeners('close') as MaybeOnce[]) {
      if (!before.has(listener) && listener.listener !== undefined) socket.off('close', listener)
    }
    before = new Set()
  })
}

/** A listener as `rawListeners` returns it: a once-listener is wrapped, with the original as `listener`. */
type MaybeOnce = (() => void) & { listener?: () => void }
