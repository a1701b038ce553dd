/** The bounds of a server, settable in the config under `limits`. 0 turns a bound off. */
export interface Limits {
  /** Messages a second that a connection may send on average. */
  messagesPerSecond: number
  /** Messages that a connection may send at once before the average counts. */
  burst: number
  /** Longest text of a message, in bytes of UTF-8. */
  textBytes: number
  /** Most that may wait unsent for a connection that does not read, in bytes; past it the connection is closed. */
  bufferedBytes: number
  /** Most messages sent to a protocol 2 connection that it has not confirmed; past it the connection is closed. */
  unconfirmedMessages: number
  /** Connections of clients to this server, identified or not. */
  connections: number
  /** Connections of one user to this server. */
  connectionsPerUser: number
  /** Connections of clients from one address to this server; those from this machine itself are not counted. */
  connectionsPerAddress: number
  /** Handshakes of peers under way: who has not yet proven that it holds the mesh's secret. */
  handshakes: number
  /** Messages held for one peer while its link is down. */
  heldPerPeer: number
  /** Most that may wait unsent on a link whose peer does not read, in bytes; past it the link is closed. */
  linkBufferedBytes: number
  /** Servers that are known, the configured ones and those learned from peers. */
  peers: number
  /** Users that are held of one peer; a link that brings more is closed. */
  usersPerPeer: number
  /** Time for a new connection to identify itself, in ms. */
  identifyMs: number
}

export const DEFAULT_LIMITS: Limits = {
  messagesPerSecond: 100,
  burst: 500,
  textBytes: 16 * 1024,
  bufferedBytes: 8 * 1024 * 1024,
  unconfirmedMessages: 10_000,
  connections: 50_000,
  connectionsPerUser: 100,
  connectionsPerAddress: 1_000,
  handshakes: 100,
  heldPerPeer: 10_000,
  linkBufferedBytes: 64 * 1024 * 1024,
  peers: 1_000,
  usersPerPeer: 1_000_000,
  identifyMs: 10_000,
}

/** A bound of 0 is no bound. */
export function exceeds(value: number, limit: number): boolean {
  return limit > 0 && value > limit
}
