/** Receipts as text, for modes that cannot change what they have printed. */
import { isRoom } from '../../../src/protocol/rooms.ts'
import type { ClientEvent } from '../../common/client-events.ts'
import { waitingText } from '../../common/waiting-messages.ts'

/** How long to wait for further members of a room before the receipt is printed, ms. */
const ROOM_DELAY_MS = 1_500
/** Most own messages whose receipt is awaited: the latest. */
const MAX_AWAITED = 2_000

interface Awaited {
  readonly to: string
  timer?: NodeJS.Timeout
  isWaitTold?: true
  /** The latest counts of a room. */
  connections: number
  of?: number | undefined
}

/** Says once for each message that was composed here that it was delivered. */
export class ReceiptLines {
  readonly #print: (line: string) => void
  readonly #shown: (name: string) => string
  readonly #delayMs: number
  readonly #tellsWaits: boolean
  /** By message id, latest last. */
  readonly #awaited = new Map<string, Awaited>()

  /**
   * @param shown a name as it is printed
   * @param tellsWaits whether to say, too, that a message waits for its recipient
   */
  constructor(
    print: (line: string) => void,
    shown: (name: string) => string,
    { delayMs = ROOM_DELAY_MS, tellsWaits = false } = {},
  ) {
    this.#tellsWaits = tellsWaits
    this.#print = print
    this.#shown = shown
    this.#delayMs = delayMs
  }

  handleEvent(event: ClientEvent): void {
    if (event.type === 'message' && event.origin === 'composed') this.#await(event.message.id, event.message.to)
    if (event.type !== 'progress') return
    const { id, progress } = event
    const awaited = this.#awaited.get(id)
    if (awaited === undefined) return
    if (progress.state === 'refused') this.#forget(id)
    this.#tellWait(event, awaited)
    if (progress.state !== 'delivered') return
    awaited.connections = Math.max(awaited.connections, progress.connections)
    awaited.of = progress.of
    const isComplete = !isRoom(awaited.to) || awaited.connections >= (awaited.of ?? Number.POSITIVE_INFINITY)
    if (isComplete) this.#report(id, awaited)
    else awaited.timer ??= setTimeout(() => this.#report(id, awaited), this.#delayMs).unref()
  }

  #tellWait(event: Extract<ClientEvent, { type: 'progress' }>, awaited: Awaited): void {
    const text = this.#tellsWaits && !awaited.isWaitTold ? waitingText(event, this.#shown(event.to)) : undefined
    if (text === undefined) return
    awaited.isWaitTold = true
    this.#print(text)
  }

  /** Prints what is known of the messages to rooms, without waiting. */
  flush(): void {
    for (const [id, awaited] of this.#awaited) if (awaited.timer !== undefined) this.#report(id, awaited)
  }

  #await(id: string, to: string): void {
    this.#awaited.set(id, { to, connections: 0 })
    const [oldest] = this.#awaited.keys()
    if (this.#awaited.size > MAX_AWAITED && oldest !== undefined) this.#forget(oldest)
  }

  #forget(id: string): void {
    clearTimeout(this.#awaited.get(id)?.timer)
    this.#awaited.delete(id)
  }

  #report(id: string, { to, connections, of }: Awaited): void {
    this.#forget(id)
    const name = this.#shown(to)
    if (!isRoom(to)) return this.#print(`delivered to ${name}`)
    this.#print(`delivered to ${connections}${of === undefined ? '' : ` of ${of}`} in ${name}`)
  }
}
