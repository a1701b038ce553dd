import { compareMessages } from '../../common/hybrid-clock.ts'
import type { Fate, Message } from '../../protocol/messages.ts'
import type { Progress } from '../events.ts'
import type { StoredMessage } from '../history/message-log.ts'

/** First delay before an unconfirmed message is sent again, ms; it doubles up to the maximum. */
const RETRY_BASE_MS = 1_000
const RETRY_MAX_MS = 60_000
/** A server that has not answered a message after this time, ms, is dead: a server answers within 5 s. */
const RESPONSE_TIMEOUT_MS = 8_000
/** Messages in flight at once: the rest wait in the outbox instead of in a socket's buffer. */
const MAX_IN_FLIGHT = 64

/** Most messages in the outbox. A further one is rejected with `outbox-full`. */
export const MAX_PENDING_MESSAGES = 10_000

interface Entry {
  message: StoredMessage
  /** The number of the save that has it (see `Saves`), until it is done. It is not sent before. */
  awaitedSave: number | undefined
  /** Sent at, monotonic ms; undefined while it is not in flight. */
  sentAt: number | undefined
  /** When it may be sent; Infinity: when its recipient comes online. */
  nextAttemptAt: number
  attempts: number
}

/**
 * The messages that a client of their recipient has not confirmed yet. Each is sent again, with the same id, when the
 * client is online again, when its recipient comes online, or after a doubling delay.
 */
export class Outbox {
  #entries = new Map<string, Entry>()
  #inFlight = 0
  /** Nothing is sent before this time: the server asked to slow down. */
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

  /** @param awaitedSave the number of the save that has the message; undefined: it is on disk */
  add(message: StoredMessage, awaitedSave?: number): void {
    this.#entries.set(message.id, { message, awaitedSave, sentAt: undefined, nextAttemptAt: 0, attempts: 0 })
  }

  /** Replaces a message that is not in flight; it is sent at `nextAttemptAt`, monotonic ms. */
  replace(message: StoredMessage, awaitedSave: number | undefined, nextAttemptAt: number): void {
    const entry = this.#entries.get(message.id)
    if (entry === undefined || entry.sentAt !== undefined) return
    entry.message = message
    entry.awaitedSave = awaitedSave
    entry.nextAttemptAt = nextAttemptAt
  }

  /** Removes a message that is not in flight. */
  delete(id: string): void {
    if (!this.isInFlight(id)) this.#entries.delete(id)
  }

  /** Removes a message, also one in flight: its delivery result is ignored. */
  withdraw(id: string): void {
    if (this.isInFlight(id)) this.#inFlight--
    this.#entries.delete(id)
  }

  isInFlight(id: string): boolean {
    return this.#entries.get(id)?.sentAt !== undefined
  }

  /** Whether no message is in flight. */
  get isIdle(): boolean {
    return this.#inFlight === 0
  }

  /** When `hasOverdue` may become true, monotonic ms. */
  get responseDeadline(): number {
    let deadline = Number.POSITIVE_INFINITY
    for (const { sentAt } of this.#entries.values())
      if (sentAt !== undefined) deadline = Math.min(deadline, sentAt + RESPONSE_TIMEOUT_MS)
    return deadline
  }

  /** When `takeDue` or `hasOverdue` may have a result, monotonic ms. */
  get deadline(): number {
    let deadline = Number.POSITIVE_INFINITY
    for (const { sentAt, nextAttemptAt, awaitedSave } of this.#entries.values()) {
      if (sentAt !== undefined) deadline = Math.min(deadline, sentAt + RESPONSE_TIMEOUT_MS)
      else if (this.#inFlight < MAX_IN_FLIGHT && awaitedSave === undefined)
        deadline = Math.min(deadline, Math.max(nextAttemptAt, this.#pausedUntil))
    }
    return deadline
  }

  /**
   * Returns the messages to send now and marks them as in flight.
   * @param isSaved whether the save with a number is done
   */
  takeDue(now: number, isSaved: (save: number) => boolean = () => true): StoredMessage[] {
    const due: StoredMessage[] = []
    if (now < this.#pausedUntil) return due
    for (const entry of this.#entries.values()) {
      if (this.#inFlight >= MAX_IN_FLIGHT) break
      if (entry.sentAt !== undefined || entry.nextAttemptAt > now) continue
      if (entry.awaitedSave !== undefined && !isSaved(entry.awaitedSave)) continue
      entry.awaitedSave = undefined
      entry.sentAt = now
      entry.attempts++
      this.#inFlight++
      due.push(entry.message)
    }
    return due
  }

  /** Whether a server has not answered a message in time. */
  hasOverdue(now: number): boolean {
    for (const { sentAt } of this.#entries.values())
      if (sentAt !== undefined && now - sentAt >= RESPONSE_TIMEOUT_MS) return true
    return false
  }

  /** Marks everything in flight as not sent, after a disconnect. Returns those messages. */
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

  /** Takes back a message that `takeDue` returned and that cannot be sent before `until`, unless it is rescheduled. */
  defer(id: string, until: number): void {
    const entry = this.#entries.get(id)
    if (entry?.sentAt === undefined) return
    entry.sentAt = undefined
    entry.attempts--
    entry.nextAttemptAt = until
    this.#inFlight--
  }

  /** Makes the messages to a user or a room due at a time, monotonic ms. */
  reschedule(to: string, at = 0): void {
    for (const entry of this.#entries.values()) if (entry.message.to === to) entry.nextAttemptAt = at
  }

  /** Applies a delivery result. Returns undefined for a message that is not in flight. */
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
    if (!fate.ok) {
      const { code, message, retryAfter } = fate
      if (code === 'not-in-room') {
        entry.nextAttemptAt = Number.POSITIVE_INFINITY
        return { done: false, progress: { state: 'waiting', reason: 'not-joined' } }
      }
      if (retryAfter !== undefined || code === 'draining' || code === 'not-identified') {
        entry.nextAttemptAt = now + (retryAfter ?? RETRY_BASE_MS)
        if (code === 'rate-limited') this.#pausedUntil = entry.nextAttemptAt
        return { done: false, progress: { state: 'waiting', reason: code === 'clock-ahead' ? code : 'unconfirmed' } }
      }
      this.#entries.delete(id)
      return { done: true, progress: { state: 'refused', code, message } }
    }
    const isUnconfirmed = fate.unconfirmed === true
    if (!isUnconfirmed && fate.delivered > 0) {
      this.#entries.delete(id)
      return { done: true, progress: deliveredProgress(fate) }
    }
    // Retry if a connection did not confirm or the recipient has just come online; else wait until it comes online.
    const retryAt = now + Math.min(RETRY_MAX_MS, RETRY_BASE_MS * 2 ** Math.min(entry.attempts - 1, 10))
    entry.nextAttemptAt = isUnconfirmed || isRecipientOnline ? retryAt : Number.POSITIVE_INFINITY
    if (fate.delivered > 0) return { done: false, progress: deliveredProgress(fate) }
    const reason = isRecipientOnline || isUnconfirmed ? 'unconfirmed' : 'recipient-offline'
    return { done: false, progress: { state: 'waiting', reason } }
  }
}

function deliveredProgress({ delivered, of }: Extract<Fate, { ok: true }>): Progress {
  return { state: 'delivered', connections: delivered, ...(of === undefined ? {} : { of }) }
}
