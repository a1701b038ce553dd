import type { SessionEvent } from '../../src/client/events.ts'
import { MAX_PENDING_MESSAGES } from '../../src/client/messages/outbox.ts'
import { isRoom } from '../../src/protocol/rooms.ts'
import { sanitizeLine } from '../../src/protocol/text.ts'
import type { ClientEvent } from './client-events.ts'

/** Most recipients that a summary names. */
const MAX_NAMED = 5

/** Why a message could not be taken back, as a sentence. */
export function notCancelledText(reason: Extract<SessionEvent, { type: 'not-cancelled' }>['reason']): string {
  return reason === 'not-waiting'
    ? 'not cancelled: the message does not wait any more'
    : 'not cancelled: it may be delivered already, and cannot be deleted'
}

/**
 * What has become of a message that was taken back.
 * @param isDeleted whether a server has got it, so that other clients may have it
 */
export function cancelledText(isDeleted = false): string {
  return isDeleted ? 'cancelled, and deleted for everyone who may have it' : 'cancelled'
}

/**
 * Why a message waits that the user may expect to be delivered at once, as a sentence; undefined: for another reason.
 * @param shown the recipient as it is printed
 */
export function waitingText(
  { to, progress }: Extract<SessionEvent, { type: 'progress' }>,
  shown: string,
): string | undefined {
  if (progress.state !== 'waiting') return undefined
  if (progress.reason === 'clock-ahead')
    return `a message to ${shown} waits: its time is ahead of the clock of the server`
  if (progress.reason !== 'recipient-offline') return undefined
  return isRoom(to)
    ? `nobody else is in ${shown}; the message is delivered when someone joins`
    : `${shown} is offline; the message is delivered when they connect`
}

/** What becomes of messages that wait when the user quits, as a clause. */
export function quitOutcome(hasHistory: boolean): string {
  return hasHistory ? 'sent when you are online the next time' : 'lost if you quit: nothing is stored'
}

/** The user's messages, edits and reactions that are not confirmed yet, oldest first. Deletions are none that one takes back. */
export class WaitingMessages {
  /** Message id → recipient: a user or a room. */
  readonly #recipients = new Map<string, string>()
  /** The edits and reactions that a server has, so that they cannot be taken back. */
  readonly #accepted = new Set<string>()

  get ids(): string[] {
    return [...this.#recipients.keys()]
  }

  get count(): number {
    return this.#recipients.size
  }

  handleEvent(event: ClientEvent): void {
    if (event.type === 'cancelled') this.#delete(event.message.id)
    if (event.type !== 'progress') return
    const { id, to, progress, kind } = event
    if (kind === 'delete') return
    if (progress.state === 'delivered' || progress.state === 'refused') return this.#delete(id)
    if (!this.#recipients.has(id) && this.#recipients.size >= MAX_PENDING_MESSAGES) return
    this.#recipients.set(id, to)
    if (kind !== undefined && progress.state === 'waiting' && progress.reason === 'recipient-offline')
      this.#accepted.add(id)
  }

  #delete(id: string): void {
    this.#recipients.delete(id)
    this.#accepted.delete(id)
  }

  has(id: string): boolean {
    return this.#recipients.has(id)
  }

  /** The ids of the messages to a user or a room, oldest first. */
  idsTo(to: string): string[] {
    return [...this.#recipients].flatMap(([id, recipient]) => (recipient === to ? [id] : []))
  }

  /** The last message to a user or a room that can be taken back; if there is none, the last one. */
  lastTo(to: string): string | undefined {
    const ids = this.idsTo(to)
    return ids.findLast(id => !this.#accepted.has(id)) ?? ids.at(-1)
  }

  /** The number of messages and their recipients, as a clause: `2 messages wait for Billy`. */
  summary(): string {
    const messages = this.count === 1 ? '1 message waits' : `${this.count} messages wait`
    return `${messages} for ${this.recipients()}`
  }

  /** The recipients: `Billy`, or `Billy (2), #ops (1)`. */
  recipients(): string {
    const counts = new Map<string, number>()
    for (const to of this.#recipients.values()) counts.set(to, (counts.get(to) ?? 0) + 1)
    const named = [...counts].slice(0, MAX_NAMED)
    const names = named.map(([to, count]) => (counts.size === 1 ? to : `${to} (${count})`))
    if (counts.size > named.length) names.push(`${counts.size - named.length} more`)
    return sanitizeLine(names.join(', '))
  }
}
