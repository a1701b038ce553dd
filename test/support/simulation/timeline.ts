interface ScheduledEvent {
  at: number
  order: number
  run: () => void
}

function before(one: ScheduledEvent, other: ScheduledEvent): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order)
}

/** Simulated time: what is to happen, in a binary heap. What falls on one moment happens in the order it was planned. */
export class Timeline {
  /** Monotonic time, ms. */
  now = 0
  #heap: ScheduledEvent[] = []
  #order = 0

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

  /** Lets time pass until `until`. */
  runUntil(end: number): void {
    for (let next = this.#heap[0]; next !== undefined && next.at <= end; next = this.#heap[0]) {
      this.#removeFirst()
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
