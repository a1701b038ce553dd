import type { Message, TypingNotice } from '../../protocol/messages.ts'
import { type Challenge, parseSealedText } from '../../protocol/proofs/credentials.ts'
import type { ProofBinding } from '../../protocol/proofs/mesh-identity.ts'
import { formatAuthorProof } from '../../protocol/proofs/room-proof.ts'
import { isRoom } from '../../protocol/rooms.ts'
import { type Context, emit } from '../context.ts'
import type { SessionEvent } from '../events.ts'
import type { StoredMessage } from '../history/message-log.ts'
import type { MeshTrust } from '../mesh-trust.ts'
import { type Identity, type KeyCredentials, Keyring, type OpenedMessage, type SealResult } from './keyring.ts'

/**
 * The keys of this session's users. It starts without keys, as in open and token mode, and changes to key mode when a
 * server asks for this user's key.
 */
export class KnownKeys {
  readonly #context: Context
  readonly #storedKeys: ReadonlyMap<string, string>
  readonly #trust: MeshTrust
  /** Undefined until a server asks for this user's key. */
  #keyring: Keyring | undefined

  constructor(context: Context, storedKeys: ReadonlyMap<string, string>, trust: MeshTrust) {
    this.#context = context
    this.#trust = trust
    this.#storedKeys = storedKeys
  }

  /** Whether a server has asked for this user's key. */
  get isEnabled(): boolean {
    return this.#keyring !== undefined
  }

  /** This user's public key; undefined until a server has asked for it. */
  get ownKey(): string | undefined {
    return this.#keyring?.identity.key
  }

  /** Signs a server's challenge; changes to key mode. */
  signChallenge(identity: Identity, challenge: Challenge, binding: ProofBinding | undefined): KeyCredentials {
    const { user } = this.#context.options
    if (this.#keyring === undefined) {
      this.#keyring = new Keyring(user, identity, new Map(this.#storedKeys))
      this.#emitKey(user, identity.key, 'own')
    }
    this.#keyring.clearRequests()
    return this.#keyring.signChallenge(challenge, binding)
  }

  /** The text to send for a message, or why the message has to wait. */
  seal(message: StoredMessage): SealResult {
    // Texts to a room are signed instead.
    if (isRoom(message.to)) return { text: message.text }
    if (this.#keyring !== undefined) return this.#keyring.seal(message)
    // A message that was composed in key mode never leaves unsealed.
    return message.sealed === undefined ? { text: message.text } : { waits: 'for-key' }
  }

  /** The stored form of a composed message: in key mode with its text sealed for this user's own key. */
  toStored(message: Message): StoredMessage {
    if (isRoom(message.to)) return message
    if (this.#keyring !== undefined) {
      const { identity } = this.#keyring
      return { ...message, sealed: identity.seal(message, identity.key) }
    }
    return this.#trust.expected.mode === 'key' ? { ...message, sealed: '' } : message
  }

  /** Signs a message to a room; undefined: not in key mode. */
  proveAuthor(text: string): string | undefined {
    const identity = this.#keyring?.identity
    return identity && formatAuthorProof(identity.key, identity.sign(text))
  }

  /** The known key of a user; undefined: none is known. */
  keyOf(user: string): string | undefined {
    return user === this.#context.options.user ? this.ownKey : this.#keyring?.known.get(user)
  }

  /** Whether a sealed text can be opened with this user's key. */
  canOpen(sealed: string): boolean {
    const seal = parseSealedText(sealed)
    const key = this.#keyring?.identity.key
    return seal !== undefined && (seal.from === key || seal.to === key)
  }

  /** Opens a received message; `plain` where messages are not sealed. */
  open(message: Message): OpenedMessage | { state: 'plain' } {
    return this.#keyring === undefined ? { state: 'plain' } : this.#keyring.open(message)
  }

  /** The proof of an own typing notice to another user; undefined: it cannot be sealed. */
  sealTyping(notice: TypingNotice): string | undefined {
    return this.#keyring?.sealTyping(notice)
  }

  /** Whether a typing notice to this user is sealed with the known key of its sender. */
  isTypingGenuine(notice: TypingNotice): boolean {
    return this.#keyring?.isTypingGenuine(notice) === true
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
