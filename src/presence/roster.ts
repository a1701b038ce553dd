import { SortedNames } from '../common/sorted-names.ts'
import type { RosterDelta, RosterSnapshot } from '../protocol/messages.ts'

/**
 * The sorted names of all users online in the mesh, at a version. Changes are marked with `touch` and become visible
 * together with `publish`, which answers with the difference: a join and a leave in between cancel.
 */
export class Roster {
  #names = new SortedNames()
  #version = 0
  #changedNames = new Set<string>()
  #snapshot: RosterSnapshot | undefined

  get size(): number {
    return this.#names.size
  }

  /** Whether something may have changed since the last version. */
  get stale(): boolean {
    return this.#changedNames.size > 0
  }

  /** Marks a name whose being online may have changed. */
  markChanged(name: string): void {
    this.#changedNames.add(name)
  }

  /** Looks at the touched names anew. Undefined when nothing has changed after all. */
  publish(isOnline: (name: string) => boolean): RosterDelta | undefined {
    const joined: string[] = []
    const left: string[] = []
    for (const name of this.#changedNames) {
      if (isOnline(name)) {
        if (this.#names.add(name)) joined.push(name)
      } else if (this.#names.delete(name)) left.push(name)
    }
    this.#changedNames.clear()
    if (joined.length === 0 && left.length === 0) return undefined
    this.#snapshot = undefined
    return { version: ++this.#version, joined, left }
  }

  /** The whole at its last version; the same object until the next, so that it can be encoded once for many. */
  snapshot(): RosterSnapshot {
    this.#snapshot ??= { version: this.#version, users: this.#names.toArray() }
    return this.#snapshot
  }
}
