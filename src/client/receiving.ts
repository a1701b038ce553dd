import type { Message } from '../protocol/messages.ts'
import { Confirmations } from './confirmations.ts'
import { type Context, tell, timeOf } from './context.ts'
import { type Archive, MessageLog } from './history/message-log.ts'
import type { Keys } from './keys/known-keys.ts'

/** Stands before a message of a user whose key is not the one that was known, also when that is long ago. */
const UNTRUSTED = '[signed with another key than before] '

/** The way of messages to this client: confirmed, opened where they are sealed, and each taken in once. */
export class Receiving {
  readonly #context: Context
  readonly #keys: Keys
  #confirmations = new Confirmations()

  constructor(context: Context, keys: Keys) {
    this.#context = context
    this.#keys = keys
  }

  /** When `confirm` is due, monotonic ms. */
  get deadline(): number {
    return this.#confirmations.due
  }

  /** @param history is told; `archive` is not */
  start(history: readonly Message[], archive: Archive | undefined): void {
    const context = this.#context
    context.log = new MessageLog(archive)
    context.clock.see(context.log.lastAt, context.wall)
    for (const message of history) {
      context.clock.see(message.at, context.wall)
      if (context.log.add(message)) tell(context, { type: 'message', message, origin: 'history' })
    }
  }

  /** A connection begins: messages are counted anew. */
  begin(): void {
    this.#confirmations = new Confirmations()
  }

  /** A message from a server. */
  im(message: Message): void {
    this.#confirmations.receive(this.#isCopy(message), this.#context.now)
    const opened = this.#keys.open(message)
    if (opened === undefined) return void this.learn(message, 'live')
    if (opened.state === 'forged') return tell(this.#context, { type: 'forged', from: message.from })
    this.#keys.meet(message.from, opened.key)
    const doubt = opened.state === 'changed' ? UNTRUSTED : ''
    this.learn({ ...message, text: `${doubt}${opened.text}` }, 'live')
  }

  /** Confirms what was received, if that is due. */
  confirm(): void {
    const { online, effects, now } = this.#context
    if (online === undefined) return
    const count = this.#confirmations.take(now)
    if (count !== undefined) effects.push({ type: 'got', dial: online, count })
  }

  /** Takes in a message, once per id: stores and tells it. Whether it is new. */
  learn(message: Message, origin: 'composed' | 'live' | 'history'): boolean {
    const { clock, log, effects } = this.#context
    const { id, at, from, to, text } = message
    clock.see(at, timeOf(this.#context))
    const plain: Message = { id, at, from, to, text }
    if (!log.add(plain)) return false
    effects.push({ type: 'store', message: plain })
    tell(this.#context, { type: 'message', message: plain, origin })
    return true
  }

  /** Whether a message is this user's own, come back for this connection to show. */
  #isCopy({ from, to }: Message): boolean {
    const { user } = this.#context.options
    return from === user && to !== user
  }
}
