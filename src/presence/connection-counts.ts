import type { Connections } from '../protocol/messages.ts'

/**
 * Who is connected more than once, as last told to clients. One connection is what everybody online has unless told,
 * so that a crowd of single connections costs nothing.
 */
export class ConnectionCounts {
  #touched = new Set<string>()
  #told = new Map<string, number>()

  /** Marks a name whose number of connections may have changed. */
  touch(name: string): void {
    this.#touched.add(name)
  }

  /** Looks at the touched names anew: those whose number is not what was told, with 1 or 0 where they are none any more. */
  publish(connections: (name: string) => number): Connections {
    const changes: Connections = []
    for (const name of this.#touched) {
      const count = connections(name)
      if (count === (this.#told.get(name) ?? Math.min(count, 1))) continue
      changes.push([name, count])
      if (count > 1) this.#told.set(name, count)
      else this.#told.delete(name)
    }
    this.#touched.clear()
    return changes
  }

  /** All that was told, for one who comes anew. */
  snapshot(): Connections {
    return [...this.#told]
  }
}
