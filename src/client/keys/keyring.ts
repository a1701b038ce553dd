/** Messages that servers carry and cannot read: who holds which key, and what that means for a message. */
import { type Challenge, identificationText, parseSealedText } from '../../protocol/credentials.ts'
import type { Message } from '../../protocol/messages.ts'

/** A user's key at work. The edge makes it: it has the key, the randomness and the cryptography. */
export interface Identity {
  /** The public key. */
  readonly key: string
  /** Signs a text. */
  sign(text: string): string
  /** The message's text, sealed: to be read with this key or with `to` only, and signed with this one. */
  seal(message: Message, to: string): string
  /** The plain text of a sealed message; undefined unless it was sealed and signed by the key that it names, as it is. */
  open(message: Message): string | undefined
}

/** What came of a message that was received. */
export type OpenedMessage =
  | { state: 'genuine'; text: string; key: string }
  /** Genuine, but of another key than its sender had. */
  | { state: 'changed'; text: string; key: string }
  /** Nobody knows who wrote it. */
  | { state: 'forged' }

/**
 * What a meeting with a user's key says: it is as it was, or the first, or the known one after another had been met, or
 * another than the known one, for the first time or again.
 */
type KeyObservation = 'known' | 'new' | 'back' | 'changed' | 'changed-before'

/** Whose key is whose: remembered from the first time on, as ssh does. */
export class Keyring {
  readonly identity: Identity
  readonly #user: string
  readonly known: Map<string, string>
  /** Keys other than the known ones, of users whose key has changed; nobody has accepted them. */
  #changedKeys = new Map<string, string>()
  /** Users whose key was asked for and not told yet. */
  #requested = new Set<string>()

  constructor(user: string, identity: Identity, known: Map<string, string>) {
    this.#user = user
    this.identity = identity
    this.known = known
  }

  /** What identifies this client: the answer to a server's challenge. */
  signChallenge(challenge: Challenge): { key: string; proof: string } {
    const { identity } = this
    return { key: identity.key, proof: identity.sign(identificationText(this.#user, challenge)) }
  }

  /** A message's text as it goes out; else why it has to wait. */
  seal(message: Message): { text: string } | { waits: 'for-key' | 'key-changed' } {
    const { to } = message
    if (this.#changedKeys.has(to)) return { waits: 'key-changed' }
    const key = to === this.#user ? this.identity.key : this.known.get(to)
    return key === undefined ? { waits: 'for-key' } : { text: this.identity.seal(message, key) }
  }

  /** Whether a user's key is to be asked for now; notes that it is. */
  startRequest(user: string): boolean {
    if (this.#requested.has(user)) return false
    this.#requested.add(user)
    return true
  }

  /** The connection is another: what was asked is not answered. */
  clearRequests(): void {
    this.#requested.clear()
  }

  finishRequest(user: string): void {
    this.#requested.delete(user)
  }

  /** A user was met with a key. */
  observeKey(user: string, key: string): KeyObservation {
    // One's own can be no other: the server asks for it.
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

  /** The person accepts a user's new key; undefined: there is none. */
  trust(user: string): string | undefined {
    const key = this.#changedKeys.get(user)
    if (key === undefined) return undefined
    this.#changedKeys.delete(user)
    this.known.set(user, key)
    return key
  }

  /** Opens what came. */
  open(message: Message): OpenedMessage {
    const seal = parseSealedText(message.text)
    const text = seal === undefined ? undefined : this.identity.open(message)
    if (seal === undefined || text === undefined) return { state: 'forged' }
    // One's own comes back from one's other clients: they have this very key.
    if (message.from === this.#user) {
      return seal.from === this.identity.key ? { state: 'genuine', text, key: seal.from } : { state: 'forged' }
    }
    const known = this.known.get(message.from)
    const state = known === undefined || known === seal.from ? 'genuine' : 'changed'
    return { state, text, key: seal.from }
  }
}
