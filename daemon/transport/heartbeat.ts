/** Engine.IO sends a ping at this interval after the last pong, ms. */
export const PING_INTERVAL_MS = 5_000
/** Time until Engine.IO closes a connection that does not answer a ping, ms. */
export const PING_TIMEOUT_MS = 5_000
/** A packet to a client takes a ping along, if the last one was this long ago, ms: no write and no timer for the ping alone. */
export const EARLY_PING_MS = 4_500
