import { Confirmations } from '../../src/client/messages/confirmations.ts'
import type { RawClient } from './raw-client.ts'

/** Longest delay of the confirmation of a sender's own copy, ms; as in `src/client/messages/message-receiver.ts`. */
export const OWN_COPY_DELAY_MS = 1_000

/** Confirms messages like the product's own client. */
export class Confirmer {
  readonly #client: RawClient
  readonly #confirmations = new Confirmations()
  #timer: NodeJS.Timeout | undefined
  #timerAt = Number.POSITIVE_INFINITY
  /** Confirmations sent so far. */
  sent = 0

  constructor(client: RawClient) {
    this.#client = client
  }

  /** Counts a message. @param delay see `Confirmations.receive` */
  receive(delay: number | undefined): void {
    this.#confirmations.receive(delay, performance.now())
    this.#schedule()
  }

  /** Counts a message of a room. */
  receiveInRoom(room: string, memberCount: number): void {
    this.#confirmations.receiveInRoom(room, memberCount, Math.random, performance.now())
    this.#schedule()
  }

  #schedule(): void {
    const { deadline } = this.#confirmations
    if (deadline >= this.#timerAt) return
    // Like the session of the product: what is due leaves at the end of this event-loop turn.
    if (deadline <= performance.now()) {
      clearTimeout(this.#timer)
      this.#timerAt = deadline
      return void setImmediate(() => this.#confirm())
    }
    clearTimeout(this.#timer)
    this.#timerAt = deadline
    this.#timer = setTimeout(() => this.#confirm(), Math.max(0, Math.ceil(deadline - performance.now())))
  }

  #confirm(): void {
    const count = this.#confirmations.takeDue(performance.now())
    this.#timerAt = Number.POSITIVE_INFINITY
    if (count !== undefined && !this.#client.closed) {
      this.sent++
      this.#client.send(`2["got",${count}]`)
    }
    this.#schedule()
  }
}
