import { MAX_PACKET_BYTES } from '../../../src/protocol/messages.ts'
import type { AddressBudget } from './address-budgets.ts'
import type { HeldBytes, Holder } from './held-bytes.ts'

/** Bytes that a connection may send before it identifies, headers of frames included. */
const MAX_UNIDENTIFIED_BYTES = 64 * 1024
/** Proofs and tokens checked per connection: checking a signature costs more than any other request. */
const MAX_CREDENTIAL_ATTEMPTS = 20
/** Overhead of the frames of a message of `MAX_PACKET_BYTES`, at 2 kB each. */
const MAX_OVERHEAD_BYTES = 128 * 1024

/**
 * What one connection may use: a TCP connection, or a session of long polling. It does not change when a client joins
 * a namespace of Socket.IO, so joining again gives nothing back.
 */
export class ConnectionBudget implements Holder {
  readonly address: AddressBudget
  readonly #heldOnServer: HeldBytes
  /** Closes the connection, without flushing. */
  onExceeded: (reason: string) => void
  /** Bytes of unfinished messages, and of what waits to be sent to it before it has identified. */
  heldBytes = 0
  /** Bytes of answers to its requests that it has not read, where it uses long polling. */
  unreadAnswerBytes = 0
  #incoming = 0
  #body = 0
  #unsent = 0
  #readBytes = 0
  #trust: 'none' | 'identified' | 'link' | 'closed' = 'none'
  #credentialAttempts = 0
  #joins = 0

  constructor(address: AddressBudget, heldOnServer: HeldBytes, onExceeded: (reason: string) => void) {
    this.address = address
    this.#heldOnServer = heldOnServer
    this.onExceeded = onExceeded
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
    this.holdUnsent(0)
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

  /** Bytes that wait to be sent to it. They are counted until it identifies; then it has its own limit. */
  holdUnsent(bytes: number): void {
    if (bytes === this.#unsent || (bytes > 0 && this.#trust !== 'none')) return
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
    this.onExceeded(reason)
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
    const before = this.heldBytes
    this.heldBytes = this.#incoming + this.#body + this.#unsent
    if (this.heldBytes !== before) this.#heldOnServer.change(this, this.heldBytes - before)
  }
}
