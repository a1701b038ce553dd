import { MAX_CLOCK_AHEAD_MS } from '../../common/hybrid-clock.ts'
import { type Context, MAX_CLOCK_DIFFERENCE_MS, serverTime } from '../context.ts'
import type { StoredMessage } from '../history/message-log.ts'
import { type MessageStore, toMessage } from '../history/message-store.ts'
import type { UnacceptedMessage } from '../history/unaccepted-messages.ts'
import type { KnownKeys } from '../keys/known-keys.ts'
import type { Outbox } from './outbox.ts'

/** A message that is dated again within this time, ms, is sent after it: a server may change its time with each answer. */
const REDATE_INTERVAL_MS = 1_000

/** Dates own messages by the time of the mesh, once that is known, and again if it turns out to be wrong. */
export class MessageDates {
  readonly #context: Context
  readonly #keys: KnownKeys
  readonly #store: MessageStore
  readonly #outbox: Outbox

  constructor(context: Context, keys: KnownKeys, store: MessageStore, outbox: Outbox) {
    this.#context = context
    this.#keys = keys
    this.#store = store
    this.#outbox = outbox
  }

  /**
   * The time of the mesh was measured: dates the messages that need it, in the order of composition, and makes those that
   * were provisional ready to be sent. Messages in flight wait for their answers.
   */
  update(): void {
    const { clock, saves, effects } = this.#context
    this.#store.alignClock()
    for (const own of this.#store.unaccepted.all) {
      if (this.#outbox.isInFlight(own.message.id)) continue
      if (this.#mustDate(own)) this.#date(own)
      else {
        clock.observe(own.message.at, serverTime(this.#context))
        if (own.isProvisional) this.#hold({ ...own, isProvisional: false }, 0)
      }
    }
    saves.request(effects)
  }

  /** Whether a message would not be accepted with its time, and may get another one. */
  #mustDate({ message: { at }, needsDate, mayBeAccepted }: UnacceptedMessage): boolean {
    const ahead = at - serverTime(this.#context)
    // No recipient keeps it (M11), even if a server accepted it.
    if (ahead > MAX_CLOCK_DIFFERENCE_MS) return true
    return !mayBeAccepted && (needsDate || ahead > MAX_CLOCK_AHEAD_MS)
  }

  #date(own: UnacceptedMessage): void {
    const { clock, clockOffset = 0, now } = this.#context
    const { message, needsDate, composedAt = now, redatedAt = Number.NEGATIVE_INFINITY } = own
    const wall = serverTime(this.#context)
    const at = clock.tick(needsDate ? Math.min(wall, composedAt + clockOffset) : wall)
    // A proof is one of the earlier time.
    const { proof: _, ...plain } = toMessage(message)
    const dated = this.#keys.toStored({ ...plain, at })
    const redated = { ...own, message: dated, needsDate: false, isProvisional: false, redatedAt: now }
    this.#store.redate(redated)
    this.#hold(redated, now - redatedAt < REDATE_INTERVAL_MS ? now + REDATE_INTERVAL_MS : 0)
  }

  /** Puts a message into the outbox that may be sent from then on, when it is saved. */
  #hold(own: UnacceptedMessage, nextAttemptAt: number): void {
    const { effects, saves } = this.#context
    const { message } = own
    this.#store.unaccepted.set(own)
    effects.push(pendingEffect(message))
    saves.count(effects)
    this.#outbox.replace(message, saves.awaitComposed(message.id), nextAttemptAt)
  }
}

/** The effect that stores an own message in the outbox. */
export function pendingEffect(message: StoredMessage): {
  type: 'store-pending'
  message: ReturnType<typeof toMessage>
  sealed?: string
} {
  const { sealed } = message
  return { type: 'store-pending', message: toMessage(message), ...(sealed === undefined ? {} : { sealed }) }
}
