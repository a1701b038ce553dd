import { type Context, tell } from '../context.ts'
import type { Receiving } from '../receiving.ts'
import { ReadMarks } from './read-marks.ts'
import { answerSibling, compareAll, MARKS_AT_ONCE, type SiblingFrame } from './reconciliation.ts'

/** Siblings compare after a random time up to this, ms, so that not all begin at once. */
const COMPARE_SPREAD_MS = 500
/** While siblings exist, they compare at least this often, ms. */
const COMPARE_EVERY_MS = 60_000
/** After a frame that brought or gave something, a comparison checks that nothing is missing, ms. */
const COMPARE_AGAIN_MS = 2_000

/** The other clients of this user: what they hold and have read, this one catches up with, and they with it. */
export class Siblings {
  readonly #context: Context
  readonly #receiving: Receiving
  readonly #marks = new ReadMarks()
  /** Connections of this user, this one included. */
  #connections = 0
  #compareAt = Number.POSITIVE_INFINITY

  constructor(context: Context, receiving: Receiving) {
    this.#context = context
    this.#receiving = receiving
  }

  /** When `tick` is due, monotonic ms. */
  get deadline(): number {
    return Math.min(this.#compareAt, this.#connections > 1 ? this.#marks.deadline : Number.POSITIVE_INFINITY)
  }

  /** A connection begins: nobody else is known of. */
  begin(): void {
    this.#connections = 0
  }

  /** The connection is gone. */
  end(): void {
    this.#compareAt = Number.POSITIVE_INFINITY
  }

  /** This client has read a thread up to a hybrid time. */
  read(thread: string, at: number): void {
    this.#marks.read(thread, at, this.#context.now)
  }

  /** The user has so many connections now. */
  changed(connections: number): void {
    if (connections > this.#connections) this.#marks.tellAll(this.#context.now)
    this.#connections = connections
    if (connections > 1) this.#compareSoon(COMPARE_SPREAD_MS)
  }

  tick(): void {
    const { now, log } = this.#context
    if (this.#connections > 1) this.#tellMarks()
    if (this.#compareAt > now) return
    this.#compareAt = this.#connections > 1 ? now + COMPARE_EVERY_MS : Number.POSITIVE_INFINITY
    this.#relay(undefined, compareAll(log))
  }

  /** @param from the sibling's address */
  frame(from: string, frame: SiblingFrame): void {
    const { online, log, options } = this.#context
    if (online === undefined) return
    if (frame.type === 'read') {
      for (const [thread, at] of frame.marks) {
        if (this.#marks.learn(thread, at)) tell(this.#context, { type: 'read', thread, at })
      }
      return
    }
    let learned = false
    const answers = answerSibling(log, frame, messages => {
      for (const message of messages) {
        // A sibling knows messages of this user only.
        if (message.from !== options.user && message.to !== options.user) continue
        learned = this.#receiving.learn(message, 'history') || learned
      }
    })
    for (const answer of answers) this.#relay(from, answer)
    if (learned || answers.length > 0) this.#compareSoon(COMPARE_AGAIN_MS)
  }

  #tellMarks(): void {
    const marks = this.#marks.take(MARKS_AT_ONCE, this.#context.now)
    if (marks.length > 0) this.#relay(undefined, { type: 'read', marks })
  }

  /** @param to a sibling's address; undefined: all of them */
  #relay(to: string | undefined, frame: SiblingFrame): void {
    const { online, effects } = this.#context
    if (online !== undefined) effects.push({ type: 'relay', dial: online, to, frame })
  }

  #compareSoon(within: number): void {
    const { now, options } = this.#context
    this.#compareAt = Math.min(this.#compareAt, now + (0.5 + options.random() / 2) * within)
  }
}
