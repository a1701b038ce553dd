/** Why a connection failed or ended, in words for a person: the one place that words the errors of Socket.IO and of sockets. */

const SOCKET_ERRORS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'the connection was reset',
  EPIPE: 'the connection was reset',
  ETIMEDOUT: 'no answer',
  EHOSTUNREACH: 'the host is unreachable',
  EHOSTDOWN: 'the host is down',
  ENETUNREACH: 'the network is unreachable',
  ENETDOWN: 'the network is down',
  ENOTFOUND: 'the host name is unknown',
  EAI_AGAIN: 'the host name cannot be looked up now',
  EACCES: 'permission denied',
  EMFILE: 'this program has too many open files',
  EPROTO: 'it does not speak TLS; try http://',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another host name',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed; give it with --ca',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is signed by an unknown authority; give that with --ca',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate is signed by an unknown authority; give that with --ca',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is signed by an unknown authority; give that with --ca',
}

/** The reasons of Socket.IO for the end of a connection. */
const END_REASONS: Readonly<Record<string, string>> = {
  'transport close': 'the connection was lost',
  'transport error': 'the connection failed',
  'ping timeout': 'the server does not answer any more',
  'parse error': 'the server sent an invalid packet',
  'forced close': 'the connection was closed',
  'io server disconnect': 'the server closed the connection',
  'io client disconnect': 'the connection was closed',
}

/** Why a connection could not be opened. @param error from the event `connect_error` of a Socket.IO client */
export function connectErrorText(error: Error): string {
  if (error.message === 'timeout') return 'no answer'
  // A rejection by the server, and errors of `CheckedWebSocket`, are in words already.
  if (error.message !== 'websocket error') return error.message
  const cause = socketError(error)
  if (cause === undefined) return 'it cannot be reached'
  const [, status] = /^Unexpected server response: (\d+)$/.exec(cause.message) ?? []
  if (status !== undefined) return `it is not a mesh-chat server (HTTP status ${status})`
  if (cause.message === 'socket hang up') return 'it closed the connection; with TLS, the address starts with https://'
  return SOCKET_ERRORS[cause.code] ?? cause.message
}

/** The error of a socket in words; undefined: none are known for this code. */
export function socketErrorText(code: string): string | undefined {
  return SOCKET_ERRORS[code]
}

/** Why a connection has ended. @param reason from the event `disconnect` of a Socket.IO client */
export function disconnectText(reason: string): string {
  return END_REASONS[reason] ?? reason
}

/** The error of the socket below: Engine.IO has the event of ws as `description`, and that the error as `error`. */
function socketError(error: Error): { code: string; message: string } | undefined {
  const event: unknown = 'description' in error ? error.description : undefined
  if (typeof event !== 'object' || event === null || !('error' in event)) return undefined
  const { error: cause } = event
  if (!(cause instanceof Error)) return undefined
  // Node tries all addresses of a host: the first error tells.
  const first: unknown = cause instanceof AggregateError ? cause.errors[0] : cause
  const { message } = first instanceof Error ? first : cause
  const code = first instanceof Error && 'code' in first ? first.code : 'code' in cause ? cause.code : ''
  return { code: String(code), message }
}
