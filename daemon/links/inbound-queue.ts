/** A frame with more users, changes or claims than this takes some ms to read. */
const LARGE_ENTRIES = 500
/** Fewest characters of a packed name. */
const MIN_PACKED_CHARACTERS = 3
/** Frames that may wait on a link; with more, the oldest is read at once. The largest snapshot, of a million users, has 1,000 chunks. */
const MAX_WAITING = 1_024

interface Frame {
  readonly event: string
  /** As it arrived: it is parsed when it is read. */
  readonly payload: unknown
  readonly isLarge: boolean
}

/** What waits on a link, oldest first; last, what to do when the link has ended. */
type Waiting = (Frame | { readonly end: () => void })[]

/**
 * Frames that arrive on links, in the order of each link. Large ones, such as the chunks of a snapshot, are read one in each turn
 * of the event loop, over all links: a peer sends them one after the other, but a busy server finds many in one turn. What
 * follows on the same link waits. Nearly all frames are read at once.
 */
export class InboundQueue<Link> {
  readonly #read: (link: Link, event: string, payload: unknown) => void
  readonly #waiting = new Map<Link, Waiting>()
  /** Whether a large frame was read in this turn. */
  #hasReadLarge = false
  #nextTurn: NodeJS.Immediate | undefined

  /** @param read parses a frame and passes it on */
  constructor(read: (link: Link, event: string, payload: unknown) => void) {
    this.#read = read
  }

  /** Number of links on which something waits. */
  get size(): number {
    return this.#waiting.size
  }

  /** A frame has arrived. */
  add(link: Link, event: string, payload: unknown): void {
    const waiting = this.#waiting.get(link)
    const isLarge = isLargeFrame(event, payload)
    if (waiting !== undefined) {
      waiting.push({ event, payload, isLarge })
      if (waiting.length > MAX_WAITING) this.#readNext(link, waiting)
    } else if (!isLarge) this.#read(link, event, payload)
    else if (this.#hasReadLarge) this.#waiting.set(link, [{ event, payload, isLarge }])
    else {
      this.#recordLarge()
      this.#read(link, event, payload)
    }
  }

  /** The link has ended: calls `end` when all that arrived before is read. */
  end(link: Link, end: () => void): void {
    const waiting = this.#waiting.get(link)
    if (waiting === undefined) end()
    else waiting.push({ end })
  }

  /** Drops what waits on a link: this server has closed it. */
  drop(link: Link): void {
    this.#waiting.delete(link)
  }

  clear(): void {
    clearImmediate(this.#nextTurn)
    this.#nextTurn = undefined
    this.#hasReadLarge = false
    this.#waiting.clear()
  }

  #run(): void {
    this.#nextTurn = undefined
    this.#hasReadLarge = false
    for (const [link, waiting] of [...this.#waiting]) {
      // Reading may drop what waits on any link.
      while (this.#waiting.get(link) === waiting && this.#mayRead(waiting)) this.#readNext(link, waiting)
    }
  }

  /** Whether the next of what waits on a link may be read in this turn. */
  #mayRead([next]: Waiting): boolean {
    return next === undefined || 'end' in next || !next.isLarge || !this.#hasReadLarge
  }

  #readNext(link: Link, waiting: Waiting): void {
    const next = waiting.shift()
    if (next === undefined || 'end' in next) {
      this.#waiting.delete(link)
      next?.end()
      return
    }
    if (next.isLarge) {
      this.#recordLarge()
      // The other links come first in the next turn.
      this.#waiting.delete(link)
      this.#waiting.set(link, waiting)
    }
    this.#read(link, next.event, next.payload)
  }

  #recordLarge(): void {
    this.#hasReadLarge = true
    this.#nextTurn ??= setImmediate(() => this.#run())
  }
}

/** Whether a frame takes long to read, as far as its unparsed payload tells. */
function isLargeFrame(event: string, payload: unknown): boolean {
  if (event === 'claims') return lengthOf(payload) > LARGE_ENTRIES
  if (event !== 'presence' || typeof payload !== 'object' || payload === null) return false
  // A server of 0.2 does not number the chunks, and its last one may be short.
  const { part, users, packed, changes } = payload as Partial<Record<string, unknown>>
  const entries = lengthOf(users) + lengthOf(packed) / MIN_PACKED_CHARACTERS + lengthOf(changes)
  return part !== undefined || entries > LARGE_ENTRIES
}

function lengthOf(value: unknown): number {
  return Array.isArray(value) || typeof value === 'string' ? value.length : 0
}
