import { parseContent } from '../../../src/protocol/message-kinds.ts'
import type { Message } from '../../../src/protocol/messages.ts'
import { alertFor } from '../../chat/model/alerts/alert.ts'
import type { Preferences } from '../../chat/model/preferences.ts'
import { mentionsUser } from '../../chat/model/rooms/mentions.ts'
import type { ClientEvent } from '../../common/client-events.ts'
import { threadName } from '../../common/thread-name.ts'
import { Notifier } from '../../terminal/notifier.ts'
import { Alerts } from '../alerts.ts'

/** The terminal of a line mode. */
export interface LineTerminal {
  readonly write: (text: string) => void
  /** Whether it has escape sequences. */
  readonly hasEscapes: boolean
}

/** Rings the bell and announces messages in line mode, as the full screen does. */
export class LineAlerts {
  readonly #user: string
  readonly #preferences: () => Preferences
  readonly #alerts: Alerts
  /** By thread: the hybrid time up to which other clients of the user have read it. */
  readonly #readAt = new Map<string, number>()

  /**
   * @param onError called once, when the user's command for notifications fails
   */
  constructor(
    user: string,
    preferences: () => Preferences,
    { write, hasEscapes }: LineTerminal,
    onError: (text: string) => void,
  ) {
    this.#user = user
    this.#preferences = preferences
    const notifier = new Notifier(text => hasEscapes && write(text), onError)
    this.#alerts = new Alerts(write, notifier, preferences)
  }

  handleEvent(event: ClientEvent): void {
    if (event.type === 'read') {
      this.#readAt.set(event.thread, Math.max(event.at, this.#readAt.get(event.thread) ?? 0))
    } else if (event.type === 'message' && event.origin === 'live') this.#alert(event.message, event.late === true)
  }

  #alert(message: Message, isLate: boolean): void {
    const { from, at, text } = message
    const { ignored, muted, highlights } = this.#preferences()
    if (from === this.#user || ignored.includes(from) || parseContent(text, from).kind !== 'text') return
    const thread = threadName(message, this.#user)
    const { rings, isAnnounced } = alertFor(message, thread, mentionsUser(message, this.#user, highlights), muted)
    // The time of a late message says nothing about whether it was read.
    const isUnread = () => isLate || at > (this.#readAt.get(thread) ?? 0)
    if (rings) this.#alerts.ring(isUnread)
    if (isAnnounced) this.#alerts.announce(thread, message, isUnread)
  }
}
