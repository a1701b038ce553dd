import type { PresenceDelta, PresenceSnapshot } from '../../../../src/protocol/frames.ts'
import type { Outgoing } from './outbound-batch.ts'
import type { Publisher } from './publisher.ts'

/** How long a turn of the event loop may publish before the rest waits for the next turn, ms. */
const TURN_MS = 8
/** Publications that may wait; with more, the queue makes no pause. */
const MAX_WAITING = 10_000

export interface PublishQueueOptions {
  publisher: Pick<Publisher, 'publish' | 'flush'>
  /** What comes before the publication of a presence frame. It yields where the rest can wait for the next turn. */
  prepare: (frame: PresenceSnapshot | PresenceDelta) => Iterator<void>
}

/**
 * Publications in order. Nearly all leave at once. Those of a server with many users, which subscribes to each user and
 * sends them all to a new peer, are spread over several turns of the event loop, and later ones wait.
 */
export class PublishQueue {
  readonly #options: PublishQueueOptions
  #waiting: Outgoing[] = []
  /** Of `#waiting`, those that are published. */
  #done = 0
  /** What precedes the next publication and is not complete. */
  #preparation: Iterator<void> | undefined
  #nextTurn: NodeJS.Immediate | undefined

  constructor(options: PublishQueueOptions) {
    this.#options = options
  }

  /** Publications that wait. */
  get size(): number {
    return this.#waiting.length - this.#done
  }

  add(all: readonly Outgoing[]): void {
    for (const out of all) this.#waiting.push(out)
    if (this.#nextTurn === undefined || this.size > MAX_WAITING) this.#run()
  }

  /** Publishes all that waits, in this turn. */
  finish(): void {
    this.#run(Number.POSITIVE_INFINITY)
  }

  /** Drops what waits: the backbone is disconnected. */
  clear(): void {
    clearImmediate(this.#nextTurn)
    this.#nextTurn = undefined
    this.#waiting = []
    this.#done = 0
    this.#preparation = undefined
  }

  #run(until = performance.now() + TURN_MS): void {
    clearImmediate(this.#nextTurn)
    this.#nextTurn = undefined
    while (this.#publishNext()) {
      if (this.size > MAX_WAITING || performance.now() < until) continue
      this.#nextTurn = setImmediate(() => this.#run())
      break
    }
    this.#options.publisher.flush()
    if (this.size > 0) return
    this.#waiting = []
    this.#done = 0
  }

  /** Publishes or prepares a part. Returns whether there is more. */
  #publishNext(): boolean {
    const out = this.#waiting[this.#done]
    if (out === undefined) return false
    const { publisher, prepare } = this.#options
    if ('frame' in out && out.frame.event === 'presence') {
      this.#preparation ??= prepare(out.frame.payload)
      if (this.#preparation.next().done !== true) return true
      this.#preparation = undefined
    }
    this.#done++
    publisher.publish(out)
    return this.size > 0
  }
}
