import type { Message } from '../../src/protocol/messages.ts'
import type { Preferences } from '../chat/model/preferences.ts'
import type { Notifier } from '../terminal/notifier.ts'

/** Delay of the bell and of notifications: another client of the user may read the message in this time, ms. */
const ALERT_DELAY_MS = 600

const BEL = '\u0007'

/** Rings the bell and announces messages on the desktop, unless the user reads them within a short delay. */
export class Alerts {
  readonly #write: (text: string) => void
  readonly #notifier: Pick<Notifier, 'notify'>
  readonly #preferences: () => Preferences

  /** @param write writes to the terminal */
  constructor(write: (text: string) => void, notifier: Pick<Notifier, 'notify'>, preferences: () => Preferences) {
    this.#write = write
    this.#notifier = notifier
    this.#preferences = preferences
  }

  ring(isUnread: () => boolean): void {
    if (!this.#preferences().bell) return
    setTimeout(() => {
      if (isUnread()) this.#write(BEL)
    }, ALERT_DELAY_MS)
  }

  /** @param thread the user or room that the message is listed under */
  announce(thread: string, { from, text }: Pick<Message, 'from' | 'text'>, isUnread: () => boolean): void {
    setTimeout(() => {
      if (!isUnread()) return
      this.#notifier.notify(thread === from ? thread : `${thread}: ${from}`, text, this.#preferences())
    }, ALERT_DELAY_MS)
  }
}
