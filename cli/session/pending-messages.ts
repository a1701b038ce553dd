import { timerDelay } from '../../src/common/time.ts'
import type { ClientEvent } from '../client-events.ts'

/** Messages composed in this run that have no delivery result yet. */
export class PendingMessages {
  readonly #unsettled = new Set<string>()
  #onSettled: (() => void) | undefined

  handleEvent(event: ClientEvent): void {
    if (event.type === 'message' && event.origin === 'composed') this.#unsettled.add(event.message.id)
    if (event.type !== 'progress' || !this.#unsettled.has(event.id)) return
    const { progress } = event
    const isFinal = progress.state === 'delivered' || progress.state === 'refused'
    // A message for an offline recipient stays in the outbox: waiting longer gives no result.
    if (isFinal || (progress.state === 'waiting' && progress.reason === 'recipient-offline'))
      this.#unsettled.delete(event.id)
    if (this.#unsettled.size === 0) this.#onSettled?.()
  }

  /** Waits until every message has a delivery result, at most `timeoutMs`. Returns the number of those without. */
  async waitUntilSettled(timeoutMs: number): Promise<number> {
    if (this.#unsettled.size > 0) {
      let timer: NodeJS.Timeout | undefined
      await new Promise<void>(resolve => {
        this.#onSettled = resolve
        timer = setTimeout(resolve, timerDelay(timeoutMs))
      })
      clearTimeout(timer)
    }
    return this.#unsettled.size
  }
}
