import { compareMessages } from '../common/hybrid-clock.ts'
import type { Fate, Message } from '../protocol/messages.ts'
import type { Progress } from './events.ts'

/** First wait before a message without a clean answer goes out again, ms; doubles up to the cap. */
const AGAIN_MS = 1_000
const AGAIN_CAP_MS = 60_000
/** A server that has not told a message's fate after this long, ms, does not live: its own patience is shorter. */
const NO_ANSWER_MS = 8_000
/** Messages under way at once: the rest wait their turn here instead of in a socket's buffer. */
const WINDOW = 64

/** Messages held at most: past it a new one is refused to its composer. */
const HELD = 10_000

interface Entry {
  message: Message
  /** Under way since, monotonic ms; undefined while it waits. */
  sentAt: number | undefined
  /** When it may go out; Infinity: when its recipient comes online. */
  goesAt: number
  tries: number
}

/**
 * The messages that this client holds until a client of their recipient has confirmed them. Each goes out again, with
 * the same id, when the server is back, when its recipient comes online, or after a doubling wait.
 */
export class Outbox {
  #entries = new Map<string, Entry>()
  #underWay = 0
  /** Nothing goes out before: the server asked to wait. */
  #pausedUntil = 0

  messages(): Message[] {
    return [...this.#entries.values()].map(entry => entry.message).sort(compareMessages)
  }

  get full(): boolean {
    return this.#entries.size >= HELD
  }

  get(id: string): Message | undefined {
    return this.#entries.get(id)?.message
  }

  hold(message: Message): void {
    this.#entries.set(message.id, { message, sentAt: undefined, goesAt: 0, tries: 0 })
  }

  /** When `take` or `overdue` may have something, monotonic ms. */
  get deadline(): number {
    let deadline = Number.POSITIVE_INFINITY
    for (const { sentAt, goesAt } of this.#entries.values()) {
      if (sentAt !== undefined) deadline = Math.min(deadline, sentAt + NO_ANSWER_MS)
      else if (this.#underWay < WINDOW) deadline = Math.min(deadline, Math.max(goesAt, this.#pausedUntil))
    }
    return deadline
  }

  /** The messages that are due now; they count as under way. */
  take(now: number): Message[] {
    const due: Message[] = []
    if (now < this.#pausedUntil) return due
    for (const entry of this.#entries.values()) {
      if (this.#underWay >= WINDOW) break
      if (entry.sentAt !== undefined || entry.goesAt > now) continue
      entry.sentAt = now
      entry.tries++
      this.#underWay++
      due.push(entry.message)
    }
    return due
  }

  /** Whether a server left a message without an answer for too long. */
  overdue(now: number): boolean {
    for (const { sentAt } of this.#entries.values())
      if (sentAt !== undefined && now - sentAt >= NO_ANSWER_MS) return true
    return false
  }

  /** The connection is gone: everything under way waits again. Answers with what did. */
  recall(): Message[] {
    const recalled: Message[] = []
    for (const entry of this.#entries.values()) {
      if (entry.sentAt !== undefined) recalled.push(entry.message)
      entry.sentAt = undefined
      entry.goesAt = 0
    }
    this.#underWay = 0
    this.#pausedUntil = 0
    return recalled
  }

  /** A message that was taken cannot go out now: it waits, until a time unless something wakes it before. */
  park(id: string, until: number): void {
    const entry = this.#entries.get(id)
    if (entry?.sentAt === undefined) return
    entry.sentAt = undefined
    entry.tries--
    entry.goesAt = until
    this.#underWay--
  }

  /** A user came online: what waits for it goes out, now or at a later time. */
  online(user: string, at = 0): void {
    for (const entry of this.#entries.values()) if (entry.message.to === user) entry.goesAt = at
  }

  /** Takes the answer to a message. Undefined for one that is not under way. */
  answered(
    id: string,
    fate: Fate,
    recipientOnline: boolean,
    now: number,
  ): { done: boolean; progress: Progress } | undefined {
    const entry = this.#entries.get(id)
    if (entry?.sentAt === undefined) return undefined
    entry.sentAt = undefined
    this.#underWay--
    const again = now + Math.min(AGAIN_CAP_MS, AGAIN_MS * 2 ** Math.min(entry.tries - 1, 10))
    if (!fate.ok) {
      const { code, message, retryAfter } = fate
      if (retryAfter !== undefined || code === 'draining' || code === 'not-identified') {
        entry.goesAt = now + (retryAfter ?? AGAIN_MS)
        if (code === 'rate-limited') this.#pausedUntil = entry.goesAt
        return { done: false, progress: { state: 'waiting', reason: 'unconfirmed' } }
      }
      this.#entries.delete(id)
      return { done: true, progress: { state: 'refused', code, message } }
    }
    if (fate.unconfirmed !== true && fate.delivered > 0) {
      this.#entries.delete(id)
      return { done: true, progress: { state: 'delivered', connections: fate.delivered } }
    }
    // Somebody did not answer, or the recipient came online just now: again later. Else when it comes online.
    entry.goesAt = fate.unconfirmed === true || recipientOnline ? again : Number.POSITIVE_INFINITY
    if (fate.delivered > 0) return { done: false, progress: { state: 'delivered', connections: fate.delivered } }
    const reason = recipientOnline || fate.unconfirmed === true ? 'unconfirmed' : 'recipient-offline'
    return { done: false, progress: { state: 'waiting', reason } }
  }
}
