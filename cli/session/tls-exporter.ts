import { TLSSocket } from 'node:tls'
import type { Socket } from 'socket.io-client'
import { TLS_EXPORTER_LABEL } from '../../src/protocol/proofs/mesh-identity.ts'

/** Private members of Engine.IO's client, and of ws below (engine.io-client `transports/websocket.node.js`). */
interface EngineInternals {
  readonly transport?: { readonly ws?: { readonly _socket?: unknown } }
}

/**
 * The exporter value of a connection's TLS, for the label of RFC 9266, in base64url. Undefined without TLS 1.3: in earlier
 * versions two connections can have the same value.
 */
export function tlsExporterOf(socket: Socket): string | undefined {
  const inner = (socket.io.engine as unknown as EngineInternals).transport?.ws?._socket
  if (!(inner instanceof TLSSocket) || inner.getProtocol() !== 'TLSv1.3') return undefined
  return inner.exportKeyingMaterial(32, TLS_EXPORTER_LABEL, Buffer.alloc(0)).toString('base64url')
}
