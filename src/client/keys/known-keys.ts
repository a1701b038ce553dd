import type { Challenge } from '../../protocol/credentials.ts'
import type { Message } from '../../protocol/messages.ts'
import { type Context, tell } from '../context.ts'
import type { SessionEvent } from '../events.ts'
import { type Identity, type Opened, Seals } from './message-sealing.ts'

/** Whose key is whose, where the mesh knows its users by keys: shown, asked for, met, trusted. */
export class Keys {
  readonly #context: Context
  readonly #ready: (user: string) => void
  /** From the disk. */
  #remembered: ReadonlyMap<string, string> = new Map()
  /** Undefined until a server asks for this user's key. */
  #seals: Seals | undefined

  /** @param ready hears that what waited for a user's key can go out */
  constructor(context: Context, ready: (user: string) => void) {
    this.#context = context
    this.#ready = ready
  }

  /** Whether a server has asked for this user's key. */
  get inUse(): boolean {
    return this.#seals !== undefined
  }

  start(keys: ReadonlyMap<string, string>): void {
    this.#remembered = keys
  }

  /** What identifies this user: the answer of its key to a server's challenge. */
  prove(identity: Identity, challenge: Challenge): { key: string; proof: string } {
    const { user } = this.#context.options
    if (this.#seals === undefined) {
      this.#seals = new Seals(user, identity, new Map(this.#remembered))
      this.#tell(user, identity.key, 'own')
    }
    this.#seals.forgetAsked()
    return this.#seals.prove(challenge)
  }

  /** A message's text as it goes out; else why it has to wait. */
  seal(message: Message): { text: string } | { waits: 'for-key' | 'key-changed' } {
    return this.#seals === undefined ? message : this.#seals.seal(message)
  }

  /** What a message says; undefined where users are not known by keys. */
  open(message: Message): Opened | undefined {
    return this.#seals?.open(message)
  }

  /** Asks a server for a user's key, unless it was asked already. */
  ask(user: string): void {
    const { online, effects } = this.#context
    if (online === undefined || this.#seals?.asks(user) !== true) return
    effects.push({ type: 'ask-key', dial: online, user })
  }

  /** A server has answered. */
  answered(user: string): void {
    this.#seals?.answered(user)
  }

  /** A user was met with a key. */
  meet(user: string, key: string): void {
    const met = this.#seals?.meet(user, key)
    if (met === 'new') this.#context.effects.push({ type: 'pin', user, key })
    if (met === 'new' || met === 'changed') this.#tell(user, key, met)
    if (met === 'back') this.#tell(user, key, 'trusted')
    if (met === 'new' || met === 'back') this.#ready(user)
  }

  /** The person accepts the other key that a user has now. */
  trust(user: string): void {
    const key = this.#seals?.trust(user)
    if (key === undefined) return
    this.#context.effects.push({ type: 'pin', user, key })
    this.#tell(user, key, 'trusted')
    this.#ready(user)
  }

  #tell(user: string, key: string, state: Extract<SessionEvent, { type: 'key' }>['state']): void {
    if (this.#seals === undefined) return
    const { identity, known } = this.#seals
    tell(this.#context, { type: 'key', user, key, state, own: identity.key, known })
  }
}
