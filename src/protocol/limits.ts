/** The limits of a server, set in the config under `limits`. 0 turns a limit off. */
export interface Limits {
  /** Average number of messages per second that a connection may send. */
  messagesPerSecond: number
  /** Messages that a connection may send in a burst. */
  burst: number
  /** Longest text of a message, in bytes of UTF-8. */
  textBytes: number
  /** Most unsent bytes buffered for a slow consumer; a connection with more is closed. */
  bufferedBytes: number
  /** Most unconfirmed messages of a protocol 2 connection; a connection with more is closed. */
  unconfirmedMessages: number
  /** Client connections to this server, identified or not. */
  connections: number
  /** Connections of one user to this server. */
  connectionsPerUser: number
  /** Client connections from one address to this server; loopback addresses are not counted. */
  connectionsPerAddress: number
  /**
   * Bytes of unfinished messages of all client connections, with what waits for those that have not identified; above it,
   * the connection with the most is closed.
   */
  heldBytes: number
  /** Bytes that wait for all identified clients; above it, the connection with the most is closed. */
  unreadBytes: number
  /** Handshakes under way: peers that have not proven the mesh's secret yet. */
  handshakes: number
  /** Messages held for one peer while its link is down. */
  heldPerPeer: number
  /** Most unsent bytes buffered on a link; a link with more is closed. */
  linkBufferedBytes: number
  /** Known peers, configured or learned. */
  peers: number
  /** Users in the replica of one peer; the link of a peer with more is closed. */
  usersPerPeer: number
  /** Users online up to which each client is told of all; above it, a client that takes a view holds one. */
  wholeRoster: number
  /** Time for a new connection to identify, in ms. */
  identifyMs: number
  /** Key mode: time for which a name stays with its key after its user went offline, in ms; 0: not at all. */
  claimMs: number
  /** Key mode: names of offline users that are remembered with their keys. */
  rememberedClaims: number
  /** Rooms that one connection may be in. */
  roomsPerUser: number
  /** Users in one room, in the whole mesh. */
  membersPerRoom: number
  /** Average number of messages per second to one room from the clients of this server; bursts may have five times as many. */
  roomMessagesPerSecond: number
  /** Memberships of rooms in the replica of one peer; the link of a peer with more is closed. */
  membershipsPerPeer: number
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
  heldBytes: 64 * 1024 * 1024,
  unreadBytes: 256 * 1024 * 1024,
  handshakes: 100,
  heldPerPeer: 10_000,
  linkBufferedBytes: 64 * 1024 * 1024,
  peers: 1_000,
  usersPerPeer: 1_000_000,
  wholeRoster: 5_000,
  identifyMs: 10_000,
  claimMs: 12 * 3_600_000,
  rememberedClaims: 100_000,
  roomsPerUser: 100,
  membersPerRoom: 2_000,
  roomMessagesPerSecond: 100,
  membershipsPerPeer: 1_000_000,
}

/** Whether a value exceeds a limit; a limit of 0 is off. */
export function exceeds(value: number, limit: number): boolean {
  return limit > 0 && value > limit
}
