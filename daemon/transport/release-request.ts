import type { Server, Socket } from 'socket.io'

/** What Socket.IO and engine.io keep to themselves, and this file builds on; test/contract/socket-io-internals.test.ts holds it. */
interface SocketInternals {
  conn: {
    request: object | null
    readonly transport: { readonly socket?: { readonly _socket?: NodeJS.EventEmitter } }
  }
  handshake: object | undefined
}

/** Keeps Socket.IO from making a room for each connection of the default namespace, which nobody is to be reached by. */
export function disableRooms(io: Server): void {
  io.of('/').adapter.addAll = () => undefined
}

/**
 * Lets go of what Socket.IO and engine.io keep of a connection for its whole life and nobody here asks for: the request
 * that opened it, with its headers, and what was made of them. 2.3 kB for each connection, of 13.
 */
export function releaseRequest(socket: Socket): void {
  const internals = socket as unknown as SocketInternals
  internals.handshake = undefined
  const { conn } = internals
  conn.request = null
  // engine.io's answer to an upgrade, which holds the request, listens once for the close, to tell it to nobody.
  const raw = conn.transport.socket?._socket
  for (const wrapper of (raw?.rawListeners('close') ?? []) as OnceWrapper[]) {
    if (wrapper.listener?.name === '') raw?.off('close', wrapper)
  }
}

/** What an emitter wraps a listener in that is to be called once. */
type OnceWrapper = (() => void) & { listener?: () => void }
