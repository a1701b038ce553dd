import { type Context, emit } from '../context.ts'
import type { MessageReceiver } from '../message-receiver.ts'
import { ReadMarks } from './read-marks.ts'
import { compareFrame, handleSiblingFrame, MAX_READ_MARKS_PER_FRAME, type SiblingFrame } from './reconciliation.ts'

/** Siblings compare after a random time up to this, ms, so that not all begin at once. */
const COMPARE_SPREAD_MS = 500
/** While siblings exist, they compare at least this often, ms. */
const COMPARE_INTERVAL_MS = 60_000
/** After a frame that brought or gave something, a comparison checks that nothing is missing, ms. */
const RECOMPARE_DELAY_MS = 2_000

/** The other clients of this user: what they hold and have read, this one catches up with, and they with it. */
export class Siblings {
  readonly #context: Context
  readonly #receiver: MessageReceiver
  readonly #readMarks = new ReadMarks()
  /** Connections of this user, this one included. */
  #connections = 0
  #compareAt = Number.POSITIVE_INFINITY

  constructor(context: Context, receiver: MessageReceiver) {
    this.#context = context
    this.#receiver = receiver
  }

  /** When `tick` is due, monotonic ms. */
  get deadline(): number {
    return Math.min(this.#compareAt, this.#connections > 1 ? this.#readMarks.deadline : Number.POSITIVE_INFINITY)
  }

  /** A connection begins: nobody else is known of. */
  onConnected(): void {
    this.#connections = 0
  }

  /** The connection is gone. */
  onDisconnected(): void {
    this.#compareAt = Number.POSITIVE_INFINITY
  }

  /** This client has read a thread up to a hybrid time. */
  markRead(thread: string, at: number): void {
    this.#readMarks.markRead(thread, at, this.#context.now)
  }

  /** The user has so many connections now. */
  setConnections(connections: number): void {
    if (connections > this.#connections) this.#readMarks.queueAll(this.#context.now)
    this.#connections = connections
    if (connections > 1) this.#scheduleCompare(COMPARE_SPREAD_MS)
  }

  tick(): void {
    const { now, log } = this.#context
    if (this.#connections > 1) this.#sendReadMarks()
    if (this.#compareAt > now) return
    this.#compareAt = this.#connections > 1 ? now + COMPARE_INTERVAL_MS : Number.POSITIVE_INFINITY
    this.#relay(undefined, compareFrame(log))
  }

  /** @param from the sibling's address */
  handleFrame(from: string, frame: SiblingFrame): void {
    const { onlineConnection, log, options } = this.#context
    if (onlineConnection === undefined) return
    if (frame.type === 'read') {
      for (const [thread, at] of frame.marks) {
        if (this.#readMarks.update(thread, at)) emit(this.#context, { type: 'read', thread, at })
      }
      return
    }
    let learned = false
    const answers = handleSiblingFrame(log, frame, messages => {
      for (const message of messages) {
        // A sibling knows messages of this user only.
        if (message.from !== options.user && message.to !== options.user) continue
        learned = this.#receiver.addMessage(message, 'history') || learned
      }
    })
    for (const answer of answers) this.#relay(from, answer)
    if (learned || answers.length > 0) this.#scheduleCompare(RECOMPARE_DELAY_MS)
  }

  #sendReadMarks(): void {
    const marks = this.#readMarks.takeDue(MAX_READ_MARKS_PER_FRAME, this.#context.now)
    if (marks.length > 0) this.#relay(undefined, { type: 'read', marks })
  }

  /** @param to a sibling's address; undefined: all of them */
  #relay(to: string | undefined, frame: SiblingFrame): void {
    const { onlineConnection, effects } = this.#context
    if (onlineConnection !== undefined) effects.push({ type: 'relay', dial: onlineConnection, to, frame })
  }

  #scheduleCompare(within: number): void {
    const { now, options } = this.#context
    this.#compareAt = Math.min(this.#compareAt, now + (0.5 + options.random() / 2) * within)
  }
}
