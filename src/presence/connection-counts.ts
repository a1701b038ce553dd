import type { Connections } from '../protocol/messages.ts'

/**
 * Who is connected more than once, as last told to clients. One connection is what everybody online has unless told,
 * so that a crowd of single connections costs nothing.
 */
export class ConnectionCounts {
  #changedNames = new Set<string>()
  #published = new Map<string, number>()

  /** Marks a name whose number of connections may have changed. */
  markChanged(name: string): void {
    this.#changedNames.add(name)
  }

  /** Looks at the touched names anew: those whose number is not what was told, with 1 or 0 where they are none any more. */
  publish(connections: (name: string) => number): Connections {
    const changes: Connections = []
    for (const name of this.#changedNames) {
      const count = connections(name)
      if (count === (this.#published.get(name) ?? Math.min(count, 1))) continue
      changes.push([name, count])
      if (count > 1) this.#published.set(name, count)
      else this.#published.delete(name)
    }
    this.#changedNames.clear()
    return changes
  }

  /** All that was told, for one who comes anew. */
  snapshot(): Connections {
    return [...this.#published]
  }
}
