import { timerDelay } from '../../src/common/time.ts'
import type { ClientEvent } from '../client-events.ts'

/** Messages composed in this run that have no delivery result yet. */
export class PendingMessages {
  readonly #unsettled = new Set<string>()
  #wasOnline = false
  #onChange: () => void = () => {}

  handleEvent(event: ClientEvent): void {
    if (event.type === 'message' && event.origin === 'composed') this.#unsettled.add(event.message.id)
    if (event.type === 'connection' && event.state.phase === 'online') this.#wasOnline = true
    if (event.type === 'progress' && this.#unsettled.has(event.id)) {
      const { progress } = event
      const isFinal = progress.state === 'delivered' || progress.state === 'refused'
      // A message for an offline recipient stays in the outbox: waiting longer gives no result.
      if (isFinal || (progress.state === 'waiting' && progress.reason === 'recipient-offline'))
        this.#unsettled.delete(event.id)
    }
    this.#onChange()
  }

  /** Waits until the client has been online, at most `timeoutMs`. Returns whether it has. */
  async waitUntilOnline(timeoutMs: number): Promise<boolean> {
    await this.#waitUntil(() => this.#wasOnline, timeoutMs)
    return this.#wasOnline
  }

  /** Waits until every message has a delivery result, at most `timeoutMs`. Returns the number of those without. */
  async waitUntilSettled(timeoutMs: number): Promise<number> {
    await this.#waitUntil(() => this.#unsettled.size === 0, timeoutMs)
    return this.#unsettled.size
  }

  async #waitUntil(check: () => boolean, timeoutMs: number): Promise<void> {
    if (check()) return
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>(resolve => {
      this.#onChange = () => {
        if (check()) resolve()
      }
      timer = setTimeout(resolve, timerDelay(timeoutMs))
    })
    this.#onChange = () => {}
    clearTimeout(timer)
  }
}
