import { type SortedNameList, SortedNames } from '../common/sorted-names.ts'
import type { RosterDelta, RosterSnapshot } from '../protocol/messages.ts'

/**
 * The sorted names of all users online in the mesh, at a version. `markChanged` marks changes, and `publish` makes them
 * visible together: a join and a leave in between cancel out.
 */
export class Roster {
  #names = new SortedNames()
  #version = 0
  #changedNames = new Set<string>()
  #snapshot: RosterSnapshot | undefined
  #emptyView: RosterSnapshot | undefined

  get size(): number {
    return this.#names.size
  }

  /** The names at the current version. */
  get names(): SortedNameList {
    return this.#names
  }

  /** Number of marked users. */
  get changedCount(): number {
    return this.#changedNames.size
  }

  /** Marks a user who may have come online or gone offline. */
  markChanged(name: string): void {
    this.#changedNames.add(name)
  }

  /**
   * Updates the marked names, at most `max` of them; the others stay marked. Returns the delta to the next version, or
   * undefined if nothing changed.
   */
  publish(isOnline: (name: string) => boolean, max = Number.POSITIVE_INFINITY): RosterDelta | undefined {
    const joined: string[] = []
    const left: string[] = []
    let count = 0
    for (const name of this.#changedNames) {
      if (++count > max) break
      this.#changedNames.delete(name)
      if (isOnline(name)) {
        if (this.#names.add(name)) joined.push(name)
      } else if (this.#names.delete(name)) left.push(name)
    }
    if (joined.length === 0 && left.length === 0) return undefined
    this.#snapshot = undefined
    return { version: ++this.#version, joined, left }
  }

  /** All names at the current version. Returns the same object until the next version, so that it is encoded once. */
  snapshot(): RosterSnapshot {
    this.#snapshot ??= { version: this.#version, users: this.#names.toArray() }
    return this.#snapshot
  }

  /** For a client that holds a view: no names. Returns the same object until the next version, too. */
  emptyView(): RosterSnapshot {
    if (this.#emptyView?.version !== this.#version) {
      this.#emptyView = { version: this.#version, users: [], total: this.#names.size }
    }
    return this.#emptyView
  }
}
