/**
 * Time for the last packets to leave before a connection is cut, ms: when the server closes a connection, when it waits
 * for the answer to a close frame, and when it shuts down.
 */
export const FLUSH_TIMEOUT_MS = 1_000
