import type { Connections } from '../protocol/messages.ts'

/**
 * Users with more than one connection, as last published to clients. A user who is online and not listed has one, so
 * users with a single connection cost nothing.
 */
export class ConnectionCounts {
  #changedNames = new Set<string>()
  #published = new Map<string, number>()

  /** Marks a user whose number of connections may have changed. */
  markChanged(name: string): void {
    this.#changedNames.add(name)
  }

  /**
   * Publishes the counts of the marked users, at most `max` of them; the others stay marked.
   * @returns those that differ from what was published; 1 or 0 for users who are no longer listed
   */
  publish(connections: (name: string) => number, max = Number.POSITIVE_INFINITY): Connections {
    const changes: Connections = []
    let visited = 0
    for (const name of this.#changedNames) {
      if (++visited > max) break
      this.#changedNames.delete(name)
      const count = connections(name)
      if (count === (this.#published.get(name) ?? Math.min(count, 1))) continue
      changes.push([name, count])
      if (count > 1) this.#published.set(name, count)
      else this.#published.delete(name)
    }
    return changes
  }

  /** The published number of connections of a user online. */
  get(name: string): number {
    return this.#published.get(name) ?? 1
  }

  /** Everything published so far, for a client that connects. */
  snapshot(): Connections {
    return [...this.#published]
  }
}
