/** End-to-end encryption of messages: which key belongs to which user, and what that means for a message. */

import type { IdentifyRequest, Message, TypingNotice } from '../../protocol/messages.ts'
import { type Challenge, identificationText, parseSealedText } from '../../protocol/proofs/credentials.ts'
import { boundIdentificationText, type ProofBinding, proofVersionOf } from '../../protocol/proofs/mesh-identity.ts'
import type { StoredMessage } from '../history/message-log.ts'

/** What a sealed text is: one of a message is never taken for a typing notice, nor the other way round. */
export type SealPurpose = 'message' | 'typing'

/** A user's private key. Implemented outside of `src/`, which has no randomness and no cryptography. */
export interface Identity {
  /** The public key. */
  readonly key: string
  /** Signs a text. */
  sign(text: string): string
  /**
   * The message's text, signed with this key and encrypted: readable with this key or with `to`.
   * @param purpose default: `message`
   */
  seal(message: Message, to: string, purpose?: SealPurpose): string
  /**
   * Decrypts a sealed message and verifies its signature. Undefined if it was altered, or sealed by another key or for
   * another purpose.
   */
  open(message: Message, purpose?: SealPurpose): string | undefined
}

export type KeyCredentials = Pick<IdentifyRequest, 'key' | 'proof' | 'proofVersion'>

/** The result of opening a received message. */
export type OpenedMessage =
  | { state: 'genuine'; text: string; key: string }
  /** Genuine, but signed with a key other than the sender's known key. */
  | { state: 'changed'; text: string; key: string }
  /** The author is not proven. */
  | { state: 'forged' }

/** The text to send, or why the message has to wait: for the recipient's key, or for the person to trust a changed key. */
export type SealResult = { text: string } | { waits: 'for-key' | 'key-changed' }

/**
 * What seeing a user's key means. `known`: the known key. `new`: the first key of this user. `back`: the known key,
 * after another one. `changed`: another key than the known one. `changed-before`: that same other key again.
 */
type KeyObservation = 'known' | 'new' | 'back' | 'changed' | 'changed-before'

/** Public keys by user, trusted on first use, like the known hosts of ssh. */
export class Keyring {
  readonly identity: Identity
  readonly #user: string
  readonly known: Map<string, string>
  /** Keys of users whose key differs from the known one and is not trusted yet. */
  #changedKeys = new Map<string, string>()
  /** Users whose key was requested from the server; no answer yet. */
  #requested = new Set<string>()

  constructor(user: string, identity: Identity, known: Map<string, string>) {
    this.#user = user
    this.identity = identity
    this.known = known
  }

  /**
   * The credentials that answer a server's challenge.
   * @param binding what the proof is valid for, besides the server's connection; undefined: a server of 0.1
   */
  signChallenge(challenge: Challenge, binding: ProofBinding | undefined): KeyCredentials {
    const { identity } = this
    if (binding === undefined) {
      return { key: identity.key, proof: identity.sign(identificationText(this.#user, challenge)) }
    }
    const text = boundIdentificationText(this.#user, challenge, binding)
    return { key: identity.key, proof: identity.sign(text), proofVersion: proofVersionOf(binding) }
  }

  seal(message: Message, purpose: SealPurpose = 'message'): SealResult {
    const { to } = message
    if (this.#changedKeys.has(to)) return { waits: 'key-changed' }
    const key = to === this.#user ? this.identity.key : this.known.get(to)
    return key === undefined ? { waits: 'for-key' } : { text: this.identity.seal(message, key, purpose) }
  }

  /** Notes a request for a user's key. Returns false if one is under way. */
  startRequest(user: string): boolean {
    if (this.#requested.has(user)) return false
    this.#requested.add(user)
    return true
  }

  /** Forgets all requests: the connection that they were sent on is closed. */
  clearRequests(): void {
    this.#requested.clear()
  }

  finishRequest(user: string): void {
    this.#requested.delete(user)
  }

  observeKey(user: string, key: string): KeyObservation {
    // The server has verified this client's own key.
    if (user === this.#user) return 'known'
    const known = this.known.get(user)
    if (known === key) return this.#changedKeys.delete(user) ? 'back' : 'known'
    if (known === undefined) {
      this.known.set(user, key)
      return 'new'
    }
    if (this.#changedKeys.get(user) === key) return 'changed-before'
    this.#changedKeys.set(user, key)
    return 'changed'
  }

  /** Makes a user's changed key the known one. Returns false if `key` is not the key that it has changed to. */
  trust(user: string, key: string): boolean {
    if (this.#changedKeys.get(user) !== key) return false
    this.#changedKeys.delete(user)
    this.known.set(user, key)
    return true
  }

  /** The proof of a notice that this user is writing to another; undefined: the other's key is unknown, or has changed. */
  sealTyping(notice: TypingNotice): string | undefined {
    const sealed = this.seal(toSealable(notice, ''), 'typing')
    return 'text' in sealed ? sealed.text : undefined
  }

  /** Whether a notice is sealed with the known key of its sender. */
  isTypingGenuine(notice: TypingNotice): boolean {
    const opened = this.open(toSealable(notice, notice.proof ?? ''), 'typing')
    return opened.state === 'genuine' && this.known.get(notice.from) === opened.key
  }

  open(message: Message, purpose: SealPurpose = 'message'): OpenedMessage {
    const seal = parseSealedText(message.text)
    const text = seal === undefined ? undefined : this.identity.open(message, purpose)
    if (seal === undefined || text === undefined) return { state: 'forged' }
    // All clients of a user share one key.
    if (message.from === this.#user) {
      return seal.from === this.identity.key ? { state: 'genuine', text, key: seal.from } : { state: 'forged' }
    }
    const known = this.known.get(message.from)
    const state = known === undefined || known === seal.from ? 'genuine' : 'changed'
    return { state, text, key: seal.from }
  }
}

/** A typing notice as what is sealed: an empty text without an id. */
function toSealable({ from, to, at = 0 }: TypingNotice, text: string): Message {
  return { id: '', at, from, to, text }
}

/** Prefix of a message that is signed with a key other than the known key of its sender. It stays in the history. */
const CHANGED_KEY_PREFIX = '[signed with another key than before] '

/** The stored form of a sealed message: with its plain text, and the sealed one beside it. */
export function withOpenedText(
  message: Message,
  { state, text }: Exclude<OpenedMessage, { state: 'forged' }>,
): StoredMessage {
  return { ...message, text: state === 'changed' ? `${CHANGED_KEY_PREFIX}${text}` : text, sealed: message.text }
}
