interface ScheduledEvent {
  at: number
  order: number
  run: () => void
}

function before(one: ScheduledEvent, other: ScheduledEvent): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order)
}

/** Events at one moment after which the simulation is in an endless loop. Schedules have a few hundred at most. */
const MAX_EVENTS_AT_ONCE = 100_000

/** Simulated time: scheduled events in a binary heap. Events of the same moment run in the order of scheduling. */
export class Timeline {
  /** Monotonic time, ms. */
  now = 0
  #heap: ScheduledEvent[] = []
  #order = 0
  #eventsAtOnce = 0

  after(ms: number, run: () => void): void {
    this.at(this.now + ms, run)
  }

  at(at: number, run: () => void): void {
    const entry = { at, order: this.#order++, run }
    const heap = this.#heap
    let place = heap.length
    while (place > 0) {
      const above = (place - 1) >> 1
      const parent = heap[above]
      if (parent === undefined || !before(entry, parent)) break
      heap[place] = parent
      place = above
    }
    heap[place] = entry
  }

  /**
   * Runs the events until `end`, ms. Throws when events of one moment create further ones endlessly.
   * @param isStopped whether to return before the next event
   */
  runUntil(end: number, isStopped: () => boolean = () => false): void {
    for (let next = this.#heap[0]; next !== undefined && next.at <= end; next = this.#heap[0]) {
      if (isStopped()) return
      this.#removeFirst()
      this.#eventsAtOnce = next.at === this.now ? this.#eventsAtOnce + 1 : 0
      if (this.#eventsAtOnce > MAX_EVENTS_AT_ONCE) throw new Error(`endless loop of events at ${this.now} ms`)
      this.now = next.at
      next.run()
    }
    this.now = end
  }

  #removeFirst(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let place = 0
    for (;;) {
      let below = 2 * place + 1
      let child = heap[below]
      if (child === undefined) break
      const other = heap[below + 1]
      if (other !== undefined && before(other, child)) {
        child = other
        below++
      }
      if (!before(child, last)) break
      heap[place] = child
      place = below
    }
    heap[place] = last
  }
}
