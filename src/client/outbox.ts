import { compareMessages } from '../common/hybrid-clock.ts'
import type { Fate, Message } from '../protocol/messages.ts'
import type { Progress } from './events.ts'

/** First wait before a message without a clean answer goes out again, ms; doubles up to the cap. */
const RETRY_BASE_MS = 1_000
const RETRY_MAX_MS = 60_000
/** A server that has not told a message's fate after this long, ms, does not live: its own patience is shorter. */
const RESPONSE_TIMEOUT_MS = 8_000
/** Messages under way at once: the rest wait their turn here instead of in a socket's buffer. */
const MAX_IN_FLIGHT = 64

/** Messages held at most: past it a new one is refused to its composer. */
const MAX_PENDING_MESSAGES = 10_000

interface Entry {
  message: Message
  /** Under way since, monotonic ms; undefined while it waits. */
  sentAt: number | undefined
  /** When it may go out; Infinity: when its recipient comes online. */
  nextAttemptAt: number
  attempts: number
}

/**
 * The messages that this client holds until a client of their recipient has confirmed them. Each goes out again, with
 * the same id, when the server is back, when its recipient comes online, or after a doubling wait.
 */
export class Outbox {
  #entries = new Map<string, Entry>()
  #inFlight = 0
  /** Nothing goes out before: the server asked to wait. */
  #pausedUntil = 0

  messages(): Message[] {
    return [...this.#entries.values()].map(entry => entry.message).sort(compareMessages)
  }

  get isFull(): boolean {
    return this.#entries.size >= MAX_PENDING_MESSAGES
  }

  get(id: string): Message | undefined {
    return this.#entries.get(id)?.message
  }

  add(message: Message): void {
    this.#entries.set(message.id, { message, sentAt: undefined, nextAttemptAt: 0, attempts: 0 })
  }

  /** When `take` or `overdue` may have something, monotonic ms. */
  get deadline(): number {
    let deadline = Number.POSITIVE_INFINITY
    for (const { sentAt, nextAttemptAt } of this.#entries.values()) {
      if (sentAt !== undefined) deadline = Math.min(deadline, sentAt + RESPONSE_TIMEOUT_MS)
      else if (this.#inFlight < MAX_IN_FLIGHT) deadline = Math.min(deadline, Math.max(nextAttemptAt, this.#pausedUntil))
    }
    return deadline
  }

  /** The messages that are due now; they count as under way. */
  takeDue(now: number): Message[] {
    const due: Message[] = []
    if (now < this.#pausedUntil) return due
    for (const entry of this.#entries.values()) {
      if (this.#inFlight >= MAX_IN_FLIGHT) break
      if (entry.sentAt !== undefined || entry.nextAttemptAt > now) continue
      entry.sentAt = now
      entry.attempts++
      this.#inFlight++
      due.push(entry.message)
    }
    return due
  }

  /** Whether a server left a message without an answer for too long. */
  hasOverdue(now: number): boolean {
    for (const { sentAt } of this.#entries.values())
      if (sentAt !== undefined && now - sentAt >= RESPONSE_TIMEOUT_MS) return true
    return false
  }

  /** The connection is gone: everything under way waits again. Answers with what did. */
  requeueInFlight(): Message[] {
    const requeued: Message[] = []
    for (const entry of this.#entries.values()) {
      if (entry.sentAt !== undefined) requeued.push(entry.message)
      entry.sentAt = undefined
      entry.nextAttemptAt = 0
    }
    this.#inFlight = 0
    this.#pausedUntil = 0
    return requeued
  }

  /** A message that was taken cannot go out now: it waits, until a time unless something wakes it before. */
  defer(id: string, until: number): void {
    const entry = this.#entries.get(id)
    if (entry?.sentAt === undefined) return
    entry.sentAt = undefined
    entry.attempts--
    entry.nextAttemptAt = until
    this.#inFlight--
  }

  /** A user came online: what waits for it goes out, now or at a later time. */
  reschedule(user: string, at = 0): void {
    for (const entry of this.#entries.values()) if (entry.message.to === user) entry.nextAttemptAt = at
  }

  /** Takes the answer to a message. Undefined for one that is not under way. */
  handleFate(
    id: string,
    fate: Fate,
    isRecipientOnline: boolean,
    now: number,
  ): { done: boolean; progress: Progress } | undefined {
    const entry = this.#entries.get(id)
    if (entry?.sentAt === undefined) return undefined
    entry.sentAt = undefined
    this.#inFlight--
    const retryAt = now + Math.min(RETRY_MAX_MS, RETRY_BASE_MS * 2 ** Math.min(entry.attempts - 1, 10))
    if (!fate.ok) {
      const { code, message, retryAfter } = fate
      if (retryAfter !== undefined || code === 'draining' || code === 'not-identified') {
        entry.nextAttemptAt = now + (retryAfter ?? RETRY_BASE_MS)
        if (code === 'rate-limited') this.#pausedUntil = entry.nextAttemptAt
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
    entry.nextAttemptAt = fate.unconfirmed === true || isRecipientOnline ? retryAt : Number.POSITIVE_INFINITY
    if (fate.delivered > 0) return { done: false, progress: { state: 'delivered', connections: fate.delivered } }
    const reason = isRecipientOnline || fate.unconfirmed === true ? 'unconfirmed' : 'recipient-offline'
    return { done: false, progress: { state: 'waiting', reason } }
  }
}
