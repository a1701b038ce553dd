import type { StoredMessage } from './message-log.ts'

/** An own message that is shown, but not in the history yet. */
export interface UnacceptedMessage {
  readonly message: StoredMessage
  /** Whether its time is not from the mesh: the message was composed before the first connection, or in an earlier run. */
  readonly needsDate: boolean
  /** When it was composed, monotonic ms; undefined: in an earlier run. */
  readonly composedAt: number | undefined
  /** Whether the outbox has it as provisional: it must not be sent before it is stored without that mark. */
  readonly isProvisional: boolean
  /** Whether a server may have accepted it: the connection was lost before its answer. */
  readonly mayBeAccepted: boolean
  /** When it was last dated again, monotonic ms. */
  readonly redatedAt?: number | undefined
}

/**
 * Own messages that no server has accepted, by id, in the order of composition. Nobody else has them, so they may still
 * get another time.
 */
export class UnacceptedMessages {
  readonly #messages = new Map<string, UnacceptedMessage>()

  get(id: string): UnacceptedMessage | undefined {
    return this.#messages.get(id)
  }

  /** Adds or replaces a message; it keeps its place in the order. */
  set(message: UnacceptedMessage): void {
    this.#messages.set(message.message.id, message)
  }

  delete(id: string): void {
    this.#messages.delete(id)
  }

  get all(): UnacceptedMessage[] {
    return [...this.#messages.values()]
  }
}
