import type { Challenge } from '../../protocol/credentials.ts'
import type { Message } from '../../protocol/messages.ts'
import { type Context, emit } from '../context.ts'
import type { SessionEvent } from '../events.ts'
import { type Identity, Keyring, type OpenedMessage, type SealResult } from './keyring.ts'

/**
 * The keys of this session's users. It starts without keys, as in open and token mode, and changes to key mode when a
 * server asks for this user's key.
 */
export class KnownKeys {
  readonly #context: Context
  readonly #storedKeys: ReadonlyMap<string, string>
  /** Undefined until a server asks for this user's key. */
  #keyring: Keyring | undefined

  constructor(context: Context, storedKeys: ReadonlyMap<string, string>) {
    this.#context = context
    this.#storedKeys = storedKeys
  }

  /** Whether a server has asked for this user's key. */
  get isEnabled(): boolean {
    return this.#keyring !== undefined
  }

  /** Signs a server's challenge; changes to key mode. */
  signChallenge(identity: Identity, challenge: Challenge): { key: string; proof: string } {
    const { user } = this.#context.options
    if (this.#keyring === undefined) {
      this.#keyring = new Keyring(user, identity, new Map(this.#storedKeys))
      this.#emitKey(user, identity.key, 'own')
    }
    this.#keyring.clearRequests()
    return this.#keyring.signChallenge(challenge)
  }

  /** The text to send for a message, or why the message has to wait. */
  seal(message: Message): SealResult {
    return this.#keyring === undefined ? { text: message.text } : this.#keyring.seal(message)
  }

  /** Opens a received message; `plain` where messages are not sealed. */
  open(message: Message): OpenedMessage | { state: 'plain' } {
    return this.#keyring === undefined ? { state: 'plain' } : this.#keyring.open(message)
  }

  /** Whether to request a user's key from the server now: not without keys, and not while a request is under way. */
  startRequest(user: string): boolean {
    return this.#keyring?.startRequest(user) ?? false
  }

  finishRequest(user: string): void {
    this.#keyring?.finishRequest(user)
  }

  /** Notes that a user was seen with a key. Returns whether messages that wait for the user's key can be sent now. */
  observeKey(user: string, key: string): boolean {
    const observation = this.#keyring?.observeKey(user, key)
    if (observation === 'new') this.#context.effects.push({ type: 'pin', user, key })
    if (observation === 'new' || observation === 'changed') this.#emitKey(user, key, observation)
    if (observation === 'back') this.#emitKey(user, key, 'trusted')
    return observation === 'new' || observation === 'back'
  }

  /**
   * The person accepts a user's changed key. Returns whether it is this key, and waiting messages can be sent now.
   * @param key the key that the person has compared
   */
  trust(user: string, key: string): boolean {
    if (this.#keyring?.trust(user, key) !== true) return false
    this.#context.effects.push({ type: 'pin', user, key })
    this.#emitKey(user, key, 'trusted')
    return true
  }

  #emitKey(user: string, key: string, state: Extract<SessionEvent, { type: 'key' }>['state']): void {
    if (this.#keyring === undefined) return
    const { identity, known } = this.#keyring
    emit(this.#context, { type: 'key', user, key, state, own: identity.key, known })
  }
}
