import type { Message, TypingNotice } from '../../protocol/messages.ts'
import { PUBLIC_MESH_KEY } from '../../protocol/proofs/mesh-identity.ts'
import { parseAuthorProof, roomMessageText, roomTypingText } from '../../protocol/proofs/room-proof.ts'
import type { Context } from '../context.ts'
import type { KnownKeys } from '../keys/known-keys.ts'
import type { MeshTrust } from '../mesh-trust.ts'

/** Own messages whose proof of the mesh is remembered, the latest ones. */
const MAX_REMEMBERED_PROOFS = 1_000

/** `unknown-key`: the message is signed, and this client does not know whether the key is its author's. */
type ProofCheck = 'proven' | 'unknown-key' | 'forged'

/** Proves this user's messages to rooms, and checks those of others. */
export class RoomProofs {
  readonly #context: Context
  readonly #keys: KnownKeys
  readonly #trust: MeshTrust
  /** Proofs of own messages by id, as the mesh has signed them. The history may have a message without its proof. */
  readonly #ownProofs = new Map<string, string>()

  constructor(context: Context, keys: KnownKeys, trust: MeshTrust) {
    this.#context = context
    this.#keys = keys
    this.#trust = trust
  }

  /** The proof of an own message; undefined where the author does not sign. */
  prove(message: Message): string | undefined {
    return this.#keys.proveAuthor(roomMessageText(message, this.#trust.expected.key ?? ''))
  }

  /** The proof of an own typing notice to a room; undefined: none is needed. */
  proveTyping(notice: TypingNotice): string | undefined {
    return this.#keys.proveAuthor(roomTypingText(notice, this.#trust.expected.key ?? ''))
  }

  /** Whether a typing notice to a room is signed with the known key of its sender, in key mode. */
  isTypingGenuine(notice: TypingNotice): boolean {
    if (!this.#isKeyMode) return true
    const proof = parseAuthorProof(notice.proof)
    return (
      proof !== undefined &&
      proof.key === this.#keys.keyOf(notice.from) &&
      this.#isSignedBy(proof, meshKey => roomTypingText(notice, meshKey))
    )
  }

  /** A stored message as another member will take it; undefined: without a proof, nobody would. */
  toShared(message: Message): Message | undefined {
    if (message.proof !== undefined || !this.#isProofNeeded) return message
    if (message.from !== this.#context.options.user) return undefined
    // The connection was lost before the own copy came, which has the proof.
    const proof = this.#ownProofs.get(message.id) ?? this.prove(message)
    return proof === undefined ? undefined : { ...message, proof }
  }

  /** Checks a message from a server, which has checked its author in token mode, and knows whose key it is in key mode. */
  checkLive(message: Message): ProofCheck {
    if (!this.#isKeyMode) {
      this.#rememberOwn(message)
      return 'proven'
    }
    const check = this.#checkAuthor(message)
    if (check !== 'unknown-key') return check
    const key = parseAuthorProof(message.proof)?.key
    if (key !== undefined) this.#keys.observeKey(message.from, key)
    return 'proven'
  }

  /** Checks a message that a member passes on: the member may have made it up. */
  checkPassedOn(message: Message): ProofCheck {
    if (this.#isKeyMode) return this.#checkAuthor(message)
    if (!this.#isProofNeeded) return 'proven'
    const { proof } = message
    const isSigned =
      proof !== undefined &&
      this.#meshKeys.some(key => this.#context.options.verify(key, roomMessageText(message, key), proof))
    return isSigned ? 'proven' : 'forged'
  }

  get #isKeyMode(): boolean {
    return this.#keys.isEnabled || this.#trust.expected.mode === 'key'
  }

  /** Whether a message that a member passes on needs a proof. */
  get #isProofNeeded(): boolean {
    const { mode, key } = this.#trust.expected
    // A mesh without a secret has a key that everybody has.
    return this.#isKeyMode || (mode === 'token' && key !== undefined && key !== PUBLIC_MESH_KEY)
  }

  #rememberOwn({ id, from, proof }: Message): void {
    if (proof === undefined || from !== this.#context.options.user) return
    this.#ownProofs.set(id, proof)
    const [oldest] = this.#ownProofs.keys()
    if (this.#ownProofs.size > MAX_REMEMBERED_PROOFS && oldest !== undefined) this.#ownProofs.delete(oldest)
  }

  #checkAuthor(message: Message): ProofCheck {
    const proof = parseAuthorProof(message.proof)
    if (proof === undefined) return 'forged'
    const key = this.#keys.keyOf(message.from)
    if (key !== undefined && key !== proof.key) return 'forged'
    if (!this.#isSignedBy(proof, meshKey => roomMessageText(message, meshKey))) return 'forged'
    return key === undefined ? 'unknown-key' : 'proven'
  }

  /** Whether an author has signed a text that names the mesh. */
  #isSignedBy({ key, signature }: { key: string; signature: string }, textFor: (meshKey: string) => string): boolean {
    return this.#meshKeys.some(meshKey => this.#context.options.verify(key, textFor(meshKey), signature))
  }

  /** The mesh's key, and those before its secret was changed. */
  get #meshKeys(): string[] {
    const { key = '', former = [] } = this.#trust.expected
    // With the key of a mesh without a secret anyone can sign.
    return [key, ...former.filter(one => one !== PUBLIC_MESH_KEY)]
  }
}
