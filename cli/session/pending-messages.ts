import type { SessionEvent } from '../../src/client/events.ts'

/** The messages composed in this run whose fate is not known yet. */
export class Pending {
  readonly #waiting = new Map<string, string>()
  #settled: (() => void) | undefined

  take(event: SessionEvent): void {
    if (event.type === 'message' && event.origin === 'composed') this.#waiting.set(event.message.id, event.message.to)
    if (event.type !== 'progress' || !this.#waiting.has(event.id)) return
    const { progress } = event
    // Of one who is offline nothing more is to be known; it waits in the outbox.
    const known = progress.state === 'delivered' || progress.state === 'refused'
    if (known || (progress.state === 'waiting' && progress.reason === 'recipient-offline'))
      this.#waiting.delete(event.id)
    if (this.#waiting.size === 0) this.#settled?.()
  }

  /** Waits until every fate is known, at most so long (ms); answers with how many are not. */
  async settle(within: number): Promise<number> {
    if (this.#waiting.size > 0) {
      await new Promise<void>(resolve => {
        this.#settled = resolve
        setTimeout(resolve, within)
      })
    }
    return this.#waiting.size
  }
}
