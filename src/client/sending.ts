import type { Fate, Message } from '../protocol/messages.ts'
import { parseUserName } from '../protocol/names.ts'
import { type Context, tell, timeOf } from './context.ts'
import type { Progress } from './events.ts'
import type { Keys } from './keys/known-keys.ts'
import { Outbox } from './outbox.ts'
import type { Receiving } from './receiving.ts'
import type { RosterCopy } from './roster-copy.ts'

/** A key that a server did not tell is asked for again after this long, ms. */
const KEY_AGAIN_MS = 1_000
/** Whose a name is, is asked again after this long, ms, while something waits for another key. */
const LOOK_AGAIN_MS = 10_000

/** The way of this client's own messages: composed, held, sent, and let go once their fates are known. */
export class Sending {
  readonly #context: Context
  readonly #keys: Keys
  readonly #roster: RosterCopy
  readonly #receiving: Receiving
  readonly #outbox = new Outbox()
  #composed = 0

  constructor(context: Context, keys: Keys, roster: RosterCopy, receiving: Receiving) {
    this.#context = context
    this.#keys = keys
    this.#roster = roster
    this.#receiving = receiving
  }

  /** When `send` has something, or the server's answer is overdue; monotonic ms. */
  get deadline(): number {
    return this.#outbox.deadline
  }

  /** Whether the server left a message without an answer for too long. */
  get overdue(): boolean {
    return this.#outbox.overdue(this.#context.now)
  }

  /** The messages that wait for their recipients. */
  get held(): Message[] {
    return this.#outbox.messages()
  }

  /** @param held by an earlier run of the program */
  start(held: readonly Message[]): void {
    for (const message of held) {
      this.#outbox.hold(message)
      // New where the program died after it held the message and before it stored it.
      this.#receiving.learn(message, 'history')
      this.#progress(message, { state: 'waiting', reason: 'offline' })
    }
  }

  compose(to: string, text: string): void {
    const { options, clock, effects } = this.#context
    const name = parseUserName(to)
    if (!name.ok) return
    const id = `${options.instance}.${(++this.#composed).toString(36)}`
    const at = clock.tick(timeOf(this.#context))
    const message: Message = { id, at, from: options.user, to: name.value, text }
    if (this.#outbox.full) {
      const why = 'too many messages wait for their recipients; this one is not sent'
      return this.#progress(message, { state: 'refused', code: 'outbox-full', message: why })
    }
    this.#outbox.hold(message)
    effects.push({ type: 'hold', message })
    this.#receiving.learn(message, 'composed')
    this.#progress(message, { state: 'waiting', reason: 'offline' })
    this.send()
  }

  /** Sends what is due. */
  send(): void {
    const { online, effects, now } = this.#context
    if (online === undefined) return
    for (const message of this.#outbox.take(now)) {
      const { id, at, to } = message
      const sealed = this.#keys.seal(message)
      if ('waits' in sealed) this.#park(message, sealed.waits)
      else {
        this.#progress(message, { state: 'sent' })
        effects.push({ type: 'im', dial: online, message: { id, at, to, text: sealed.text } })
      }
    }
  }

  /** A server tells what became of a message. */
  fate(id: string, fate: Fate): void {
    const { effects, now } = this.#context
    const to = this.#outbox.get(id)?.to
    if (to === undefined) return
    const answered = this.#outbox.answered(id, fate, this.#roster.has(to), now)
    if (answered === undefined) return
    if (answered.done) effects.push({ type: 'release', id })
    tell(this.#context, { type: 'progress', id, to, progress: answered.progress })
    // Online, and nobody there could read it: the name may have passed to another key.
    if (fate.ok && fate.delivered === 0 && this.#roster.has(to)) this.#keys.ask(to)
    this.send()
  }

  /** A server says which key holds a recipient's name; undefined: none does. */
  holder(user: string, key: string | undefined): void {
    this.#keys.answered(user)
    if (key !== undefined) return this.#keys.meet(user, key)
    // Nobody does: what is for them goes out when they come online, should that not be just now.
    if (this.#roster.has(user)) this.#outbox.online(user, this.#context.now + KEY_AGAIN_MS)
  }

  /** What waits for a user can go out. */
  wake(user: string): void {
    this.#outbox.online(user)
    this.send()
  }

  /** Users came online. */
  joined(users: readonly string[]): void {
    for (const user of users) this.#outbox.online(user)
    if (users.length > 0) this.send()
  }

  /** The connection is gone: what was under way waits again. */
  recall(): void {
    for (const message of this.#outbox.recall()) this.#progress(message, { state: 'waiting', reason: 'offline' })
  }

  /** A message waits for its recipient's key, or for the person to trust another. */
  #park(message: Message, waits: 'for-key' | 'key-changed'): void {
    const isOnline = this.#roster.has(message.to)
    // A name that stays online may pass back to the key that was known.
    this.#outbox.park(message.id, isOnline ? this.#context.now + LOOK_AGAIN_MS : Number.POSITIVE_INFINITY)
    const reason = waits === 'key-changed' ? waits : isOnline ? 'unconfirmed' : 'recipient-offline'
    this.#progress(message, { state: 'waiting', reason })
    if (isOnline) this.#keys.ask(message.to)
  }

  #progress({ id, to }: Message, progress: Progress): void {
    tell(this.#context, { type: 'progress', id, to, progress })
  }
}
