import {
  MAX_NAMES_PER_FRAME,
  type PresenceDelta,
  type PresenceEntry,
  type PresenceSnapshot,
  type StreamPosition,
} from '../protocol/frames.ts'

/** Changes of names kept to mend a short cut with deltas; past that a snapshot is sent. */
const MAX_LOGGED_CHANGES = 4_096

/**
 * This server's own users as a stream for its peers: numbered deltas on top of a snapshot. One stream serves all
 * links: a seq is given once, and handed to all of them in one synchronous turn.
 */
export class PresenceStream {
  readonly incarnation: string
  #seq = 0
  /** What changed since the last delta: name → connections now. */
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

  /** Notes how many connections a user has now; 0 when it left. */
  recordChange(name: string, connections: number): void {
    this.#pendingChanges.set(name, connections)
  }

  /**
   * Gathers the changes into the next deltas, almost always one.
   * @param entry makes what is told of a user
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

  /** What a peer that holds this much lacks: nothing, deltas, or the whole as a snapshot of `users`. */
  catchUp(holds: StreamPosition, users: Iterable<PresenceEntry>): (PresenceSnapshot | PresenceDelta)[] {
    if (holds.incarnation === this.incarnation && holds.seq <= this.#seq) {
      const missing = this.#log.filter(delta => delta.seq > holds.seq)
      if (missing.length === this.#seq - holds.seq) return missing
    }
    return this.snapshot(users)
  }

  /** The whole, in chunks; one empty chunk when nobody is here, for an empty list must replace too. */
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
