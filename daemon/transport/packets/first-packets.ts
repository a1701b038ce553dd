/** A connection whose first packet may wait. */
export interface FirstPacketHolder {
  /** Handles the first packet, if it still waits. */
  passFirstPacket(): void
}

/** Longest time that a first packet waits for those of other connections, ms. */
const GATHER_MS = 2
/** After a pause of this length, ms, the next first packet does not wait. */
const QUIET_MS = 5
/** Most first packets of an event-loop turn: each takes some 0.2 ms, and others wait meanwhile. */
const MAX_PER_TURN = 64

/**
 * Gathers the first packets of connections, while many clients connect: those that are handled together share a signature of
 * the mesh proof and the work of a turn. Saves 6 % of the CPU time to connect (docs/decisions/batched-proofs.md).
 */
export class FirstPackets {
  #waiting: FirstPacketHolder[] = []
  #handledAt = Number.NEGATIVE_INFINITY

  /** Connections whose first packet may wait. */
  get size(): number {
    return this.#waiting.length
  }

  /** Handles the first packet of a connection, now or in a moment. */
  add(connection: FirstPacketHolder): void {
    if (this.#waiting.push(connection) > 1) return
    if (performance.now() - this.#handledAt > QUIET_MS) this.#handle()
    else setTimeout(() => this.#handle(), GATHER_MS)
  }

  #handle(): void {
    const now = this.#waiting.slice(0, MAX_PER_TURN)
    this.#waiting = this.#waiting.slice(MAX_PER_TURN)
    this.#handledAt = performance.now()
    // Before the packets: one that fails must not keep the others.
    if (this.#waiting.length > 0) setImmediate(() => this.#handle())
    for (const connection of now) connection.passFirstPacket()
  }
}
