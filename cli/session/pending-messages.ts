import type { SessionEvent } from '../../src/client/events.ts'

/** The messages composed in this run whose fate is not known yet. */
export class PendingMessages {
  readonly #unsettled = new Map<string, string>()
  #onSettled: (() => void) | undefined

  handleEvent(event: SessionEvent): void {
    if (event.type === 'message' && event.origin === 'composed') this.#unsettled.set(event.message.id, event.message.to)
    if (event.type !== 'progress' || !this.#unsettled.has(event.id)) return
    const { progress } = event
    // Of one who is offline nothing more is to be known; it waits in the outbox.
    const known = progress.state === 'delivered' || progress.state === 'refused'
    if (known || (progress.state === 'waiting' && progress.reason === 'recipient-offline'))
      this.#unsettled.delete(event.id)
    if (this.#unsettled.size === 0) this.#onSettled?.()
  }

  /** Waits until every fate is known, at most so long (ms); answers with how many are not. */
  async waitUntilSettled(timeoutMs: number): Promise<number> {
    if (this.#unsettled.size > 0) {
      await new Promise<void>(resolve => {
        this.#onSettled = resolve
        setTimeout(resolve, timeoutMs)
      })
    }
    return this.#unsettled.size
  }
}
