import type { Challenge } from '../../protocol/credentials.ts'
import type { Message } from '../../protocol/messages.ts'
import { type Context, emit } from '../context.ts'
import type { SessionEvent } from '../events.ts'
import { type Identity, Keyring, type OpenedMessage } from './keyring.ts'

/** Whose key is whose, where the mesh knows its users by keys: shown, asked for, met, trusted. */
export class KnownKeys {
  readonly #context: Context
  readonly #onKeyReady: (user: string) => void
  /** From the disk. */
  #storedKeys: ReadonlyMap<string, string> = new Map()
  /** Undefined until a server asks for this user's key. */
  #keyring: Keyring | undefined

  /** @param onKeyReady hears that what waited for a user's key can go out */
  constructor(context: Context, onKeyReady: (user: string) => void) {
    this.#context = context
    this.#onKeyReady = onKeyReady
  }

  /** Whether a server has asked for this user's key. */
  get isEnabled(): boolean {
    return this.#keyring !== undefined
  }

  load(keys: ReadonlyMap<string, string>): void {
    this.#storedKeys = keys
  }

  /** What identifies this user: the answer of its key to a server's challenge. */
  signChallenge(identity: Identity, challenge: Challenge): { key: string; proof: string } {
    const { user } = this.#context.options
    if (this.#keyring === undefined) {
      this.#keyring = new Keyring(user, identity, new Map(this.#storedKeys))
      this.#emitKey(user, identity.key, 'own')
    }
    this.#keyring.clearRequests()
    return this.#keyring.signChallenge(challenge)
  }

  /** A message's text as it goes out; else why it has to wait. */
  seal(message: Message): { text: string } | { waits: 'for-key' | 'key-changed' } {
    return this.#keyring === undefined ? message : this.#keyring.seal(message)
  }

  /** What a message says; undefined where users are not known by keys. */
  open(message: Message): OpenedMessage | undefined {
    return this.#keyring?.open(message)
  }

  /** Asks a server for a user's key, unless it was asked already. */
  requestKey(user: string): void {
    const { onlineConnection, effects } = this.#context
    if (onlineConnection === undefined || this.#keyring?.startRequest(user) !== true) return
    effects.push({ type: 'ask-key', dial: onlineConnection, user })
  }

  /** A server has answered. */
  finishRequest(user: string): void {
    this.#keyring?.finishRequest(user)
  }

  /** A user was met with a key. */
  observeKey(user: string, key: string): void {
    const observation = this.#keyring?.observeKey(user, key)
    if (observation === 'new') this.#context.effects.push({ type: 'pin', user, key })
    if (observation === 'new' || observation === 'changed') this.#emitKey(user, key, observation)
    if (observation === 'back') this.#emitKey(user, key, 'trusted')
    if (observation === 'new' || observation === 'back') this.#onKeyReady(user)
  }

  /** The person accepts the other key that a user has now. */
  trust(user: string): void {
    const key = this.#keyring?.trust(user)
    if (key === undefined) return
    this.#context.effects.push({ type: 'pin', user, key })
    this.#emitKey(user, key, 'trusted')
    this.#onKeyReady(user)
  }

  #emitKey(user: string, key: string, state: Extract<SessionEvent, { type: 'key' }>['state']): void {
    if (this.#keyring === undefined) return
    const { identity, known } = this.#keyring
    emit(this.#context, { type: 'key', user, key, state, own: identity.key, known })
  }
}
