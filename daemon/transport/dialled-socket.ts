import type { ManagerOptions, NodeWebSocket, Socket, SocketOptions } from 'socket.io-client'
import { CheckedWebSocket, dialOnce } from '../../src/programs/checked-socket.ts'

/** What ws gives to its user: documented API. */
interface WebSocketOfWs {
  readonly bufferedAmount: number
  terminate(): void
}

/** A checked WebSocket transport, which keeps the WebSocket within reach. */
class LinkTransport extends CheckedWebSocket {
  webSocket: WebSocketOfWs | undefined

  override createSocket(...options: Parameters<NodeWebSocket['createSocket']>): unknown {
    const webSocket: WebSocketOfWs = super.createSocket(...options)
    this.webSocket = webSocket
    return webSocket
  }
}

/** Connects to a namespace of a server over WebSocket, once. */
export function dialSocket(url: string, options: Partial<ManagerOptions & SocketOptions>): Socket {
  return dialOnce(url, options, LinkTransport)
}

/** Whether the unsent bytes of a connected socket are known. If not, its link would have no limit. */
export function hasUnsentBytes(socket: Socket): boolean {
  return typeof webSocketOf(socket)?.bufferedAmount === 'number'
}

/** Bytes that wait to be sent on a socket of `dialSocket`. */
export function unsentBytesOf(socket: Socket): number {
  return webSocketOf(socket)?.bufferedAmount ?? Number.POSITIVE_INFINITY
}

/** Ends a socket of `dialSocket` now, without flushing. */
export function cutDialledSocket(socket: Socket): void {
  const webSocket = webSocketOf(socket)
  socket.disconnect()
  webSocket?.terminate()
}

function webSocketOf(socket: Socket): WebSocketOfWs | undefined {
  const { transport } = socket.io.engine
  return transport instanceof LinkTransport ? transport.webSocket : undefined
}
