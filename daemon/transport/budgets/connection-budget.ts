import { MAX_PACKET_BYTES } from '../../../src/protocol/messages.ts'
import type { AddressBudget } from './address-budgets.ts'
import type { HeldBytes, Holder, SlowReader, UnreadBytes } from './held-bytes.ts'

/** Bytes that a connection may send before it identifies, headers of frames included. */
const MAX_UNIDENTIFIED_BYTES = 64 * 1024
/** Proofs and tokens checked per connection: checking a signature costs more than any other request. */
const MAX_CREDENTIAL_ATTEMPTS = 20
/** Overhead of the frames of a message of `MAX_PACKET_BYTES`, at 2 kB each. */
const MAX_OVERHEAD_BYTES = 128 * 1024

/** Closes the connection of a budget, without flushing. */
export interface BudgetOwner {
  /** The connection broke a rule. */
  onExceeded(reason: string): void
  /** The client does not read. */
  onUnreadExceeded(): void
}

/**
 * What one connection may use: a TCP connection, or a session of long polling. It does not change when a client joins
 * a namespace of Socket.IO, so joining again gives nothing back.
 */
export class ConnectionBudget implements Holder, SlowReader {
  readonly address: AddressBudget
  readonly #heldOnServer: HeldBytes
  readonly #unreadOnServer: UnreadBytes
  /** Undefined until the connection has a WebSocket or a session that can be closed. */
  owner: BudgetOwner | undefined
  /** Bytes of unfinished messages, and of what waits to be sent to it before it has identified. */
  heldBytes = 0
  /** Bytes that wait to be sent to it, once it has identified. */
  unreadBytes = 0
  /** Bytes of answers to its requests that it has not read, where it uses long polling. */
  unreadAnswerBytes = 0
  #incoming = 0
  #body = 0
  #unsent = 0
  #readBytes = 0
  #trust: 'none' | 'identified' | 'link' | 'closed' = 'none'
  #credentialAttempts = 0
  #joins = 0

  constructor(address: AddressBudget, { held, unread }: { held: HeldBytes; unread: UnreadBytes }, owner?: BudgetOwner) {
    this.address = address
    this.#heldOnServer = held
    this.#unreadOnServer = unread
    this.owner = owner
  }

  get isIdentified(): boolean {
    return this.#trust !== 'none'
  }

  get isClosed(): boolean {
    return this.#trust === 'closed'
  }

  /** Most bytes of one message, while its end has not arrived. */
  get maxIncoming(): number {
    return this.isIdentified ? MAX_PACKET_BYTES + MAX_OVERHEAD_BYTES : MAX_UNIDENTIFIED_BYTES
  }

  /** A user has identified on it. */
  markIdentified(): void {
    if (this.#trust !== 'none') return
    this.#trust = 'identified'
    this.#updateHeld()
  }

  /** It is an authenticated link: what it holds is not counted with that of clients. */
  markAsLink(): void {
    if (this.#trust === 'closed') return
    this.#unsent = 0
    this.#incoming = 0
    this.#body = 0
    this.#updateHeld()
    this.#trust = 'link'
  }

  /** Counts bytes that arrived. Closes the connection when there are too many before it identifies. */
  countRead(bytes: number): void {
    if (this.#trust !== 'none') return
    this.#readBytes += bytes
    if (this.#readBytes > MAX_UNIDENTIFIED_BYTES) this.exceed('too many bytes before identification')
  }

  /** The unfinished messages have this many bytes now. */
  holdIncoming(bytes: number): void {
    if (bytes === this.#incoming || this.#trust === 'link' || this.#trust === 'closed') return
    this.#incoming = bytes
    this.#updateHeld()
  }

  /** The body of a request of it has this many bytes so far. A session that has moved to a WebSocket has both. */
  holdBody(bytes: number): void {
    if (bytes === this.#body || this.#trust === 'link' || this.#trust === 'closed') return
    this.#body = bytes
    this.#updateHeld()
  }

  /** Bytes that wait to be sent to it: those of a client that has identified are counted on their own. */
  holdUnsent(bytes: number): void {
    if (bytes === this.#unsent || this.#trust === 'link' || this.#trust === 'closed') return
    this.#unsent = bytes
    this.#updateHeld()
  }

  /** Counts a namespace that the client joins. False: it has joined one before. */
  join(): boolean {
    return ++this.#joins === 1
  }

  /** Counts a proof or a token to check. False: it was presented with too many. */
  takeCredential(): boolean {
    return ++this.#credentialAttempts <= MAX_CREDENTIAL_ATTEMPTS
  }

  /** Closes the connection, and gives back what it holds. */
  exceed(reason: string): void {
    if (this.#trust === 'closed') return
    this.close()
    this.owner?.onExceeded(reason)
  }

  /** Closes the connection of a client that does not read, and gives back what it holds. */
  exceedUnread(): void {
    if (this.#trust === 'closed') return
    this.close()
    this.owner?.onUnreadExceeded()
  }

  /** The connection has closed: gives back what it holds. */
  close(): void {
    this.#incoming = 0
    this.#body = 0
    this.#unsent = 0
    this.#trust = 'closed'
    this.#updateHeld()
  }

  #updateHeld(): void {
    const held = this.#incoming + this.#body + (this.isIdentified ? 0 : this.#unsent)
    const heldMore = held - this.heldBytes
    this.heldBytes = held
    const unread = this.isIdentified ? this.#unsent : 0
    const unreadMore = unread - this.unreadBytes
    this.unreadBytes = unread
    if (heldMore !== 0) this.#heldOnServer.change(this, heldMore)
    if (unreadMore !== 0) this.#unreadOnServer.change(this, unreadMore)
  }
}
