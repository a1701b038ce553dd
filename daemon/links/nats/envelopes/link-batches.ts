import { MAX_MESSAGES_PER_FRAME } from '../../../../src/protocol/frames.ts'
import type { NatsLink } from '../nats-link.ts'

type ForwardEvent = 'forward' | 'room-forward'

interface Batch {
  event: ForwardEvent
  /** Each as JSON. */
  messages: string[]
  characters: number
}

/**
 * Messages of one step that go to a single peer each: they leave in one frame, because an envelope costs more CPU than
 * the message in it (docs/decisions/nats-backbone.md).
 */
export class LinkBatches {
  readonly #batches = new Map<NatsLink, Batch>()
  readonly #send: (link: NatsLink, event: ForwardEvent, payload: string) => void

  /** @param send sends a frame whose payload is JSON */
  constructor(send: (link: NatsLink, event: ForwardEvent, payload: string) => void) {
    this.#send = send
  }

  /**
   * Adds a message to the frame of its link.
   * @param maxCharacters UTF-16 units; a frame is longer only if it consists of a single message
   */
  add(link: NatsLink, event: ForwardEvent, message: string, maxCharacters: number): void {
    const batch = this.#batches.get(link)
    if (
      batch?.event === event &&
      batch.messages.length < MAX_MESSAGES_PER_FRAME &&
      batch.characters + message.length + 1 <= maxCharacters
    ) {
      batch.messages.push(message)
      batch.characters += message.length + 1
      return
    }
    this.flush(link)
    this.#batches.set(link, { event, messages: [message], characters: message.length + 2 })
  }

  /** Sends what waits for a link. Call before anything else is sent on it: a peer drops messages that come too late. */
  flush(link: NatsLink): void {
    const batch = this.#batches.get(link)
    if (batch === undefined) return
    this.#batches.delete(link)
    this.#send(link, batch.event, `[${batch.messages.join(',')}]`)
  }

  flushAll(): void {
    for (const link of [...this.#batches.keys()]) this.flush(link)
  }
}
