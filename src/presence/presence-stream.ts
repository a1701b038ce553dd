import {
  MAX_NAMES_PER_FRAME,
  type PresenceDelta,
  type PresenceEntry,
  type PresenceSnapshot,
  type StreamPosition,
} from '../protocol/frames.ts'

/** Changes kept in the log, to catch up a peer with deltas after a short disconnect; past that it gets a snapshot. */
const MAX_LOGGED_CHANGES = 4_096

/**
 * This server's own users as a stream for its peers: a snapshot, followed by numbered deltas. All links share one stream,
 * and get each delta in the same event-loop turn.
 */
export class PresenceStream {
  readonly incarnation: string
  #seq = 0
  /** Connections by user, for users who changed since the last delta. */
  #pendingChanges = new Map<string, number>()
  /** The latest deltas, oldest first. */
  #log: PresenceDelta[] = []
  #loggedChanges = 0

  constructor(incarnation: string) {
    this.incarnation = incarnation
  }

  get seq(): number {
    return this.#seq
  }

  /** Records a user's current number of connections; 0 if the user left. */
  recordChange(name: string, connections: number): void {
    this.#pendingChanges.set(name, connections)
  }

  /**
   * Turns the recorded changes into the next deltas, almost always one.
   * @param entry returns a user's entry, with the claim on the name if there is one
   */
  takeDeltas(entry: (name: string, connections: number) => PresenceEntry): PresenceDelta[] {
    const deltas: PresenceDelta[] = []
    const changes = Array.from(this.#pendingChanges, ([name, connections]) => entry(name, connections))
    this.#pendingChanges.clear()
    for (let at = 0; at < changes.length; at += MAX_NAMES_PER_FRAME) {
      const chunk = changes.slice(at, at + MAX_NAMES_PER_FRAME)
      const delta: PresenceDelta = { type: 'delta', incarnation: this.incarnation, seq: ++this.#seq, changes: chunk }
      deltas.push(delta)
      this.#log.push(delta)
      this.#loggedChanges += chunk.length
    }
    while (this.#loggedChanges > MAX_LOGGED_CHANGES) this.#loggedChanges -= this.#log.shift()?.changes.length ?? 0
    return deltas
  }

  /** The frames that a peer at position `holds` is missing: none, deltas, or a snapshot of `users`. */
  catchUp(holds: StreamPosition, users: Iterable<PresenceEntry>): (PresenceSnapshot | PresenceDelta)[] {
    if (holds.incarnation === this.incarnation && holds.seq <= this.#seq) {
      const missing = this.#log.filter(delta => delta.seq > holds.seq)
      if (missing.length === this.#seq - holds.seq) return missing
    }
    return this.snapshot(users)
  }

  /** A snapshot of `users` in chunks. Without users, one empty chunk: it must replace the peer's list, too. */
  snapshot(users: Iterable<PresenceEntry>): PresenceSnapshot[] {
    const list = [...users]
    const chunks: PresenceSnapshot[] = []
    let at = 0
    do {
      const chunk = list.slice(at, at + MAX_NAMES_PER_FRAME)
      at += MAX_NAMES_PER_FRAME
      chunks.push({
        type: 'snapshot',
        incarnation: this.incarnation,
        seq: this.#seq,
        users: chunk,
        more: at < list.length,
      })
    } while (at < list.length)
    return chunks
  }
}
