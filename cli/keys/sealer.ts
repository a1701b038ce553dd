import { createCipheriv, createDecipheriv, hkdfSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import { ed25519, x25519 } from '@noble/curves/ed25519.js'
import type { Identity, SealPurpose } from '../../src/client/keys/keyring.ts'
import { isSignedBy } from '../../src/programs/ed25519.ts'
import { isBase64url } from '../../src/protocol/encodings/base64url.ts'
import type { Message } from '../../src/protocol/messages.ts'
import { formatSealedText, parseSealedText } from '../../src/protocol/proofs/credentials.ts'

const CIPHER = 'chacha20-poly1305'
const SALT_BYTES = 24
const TAG_BYTES = 16
const SIGNATURE_BYTES = 64

/**
 * Encrypts and signs messages with a user's Ed25519 key (RFC 8032).
 *
 * Both keys are converted to Curve25519, and X25519 (RFC 7748) derives a shared secret. HKDF-SHA-256 (RFC 5869) derives
 * from it, with a random salt, the key and nonce of one message. ChaCha20-Poly1305 (RFC 8439) encrypts the message. The
 * plaintext contains the sender's signature of all fields, including the recipient: with the shared secret alone the
 * recipient could forge messages of the sender.
 */
export class Sealer implements Identity {
  readonly key: string
  readonly #private: KeyObject
  readonly #x25519Secret: Uint8Array
  /** By public key of the other user: the X25519 shared secret. */
  #sharedSecrets = new Map<string, Uint8Array>()

  /** @param key an Ed25519 private key */
  constructor(key: KeyObject) {
    const { x = '', d = '' } = key.export({ format: 'jwk' })
    this.key = x
    this.#private = key
    this.#x25519Secret = ed25519.utils.toMontgomerySecret(Buffer.from(d, 'base64url'))
  }

  sign(text: string): string {
    return sign(null, Buffer.from(text), this.#private).toString('base64url')
  }

  seal(message: Message, to: string, purpose: SealPurpose = 'message'): string {
    const bytes = Buffer.from(message.text)
    // Sign the text as the reader decodes it: UTF-8 replaces a lone surrogate.
    const signature = sign(null, signedBytes(purpose, message, this.key, to, bytes.toString()), this.#private)
    const plain = Buffer.concat([signature, bytes])
    return formatSealedText(this.key, to, this.#encrypt(to, plain, associatedData(purpose, message, this.key, to)))
  }

  open(message: Message, purpose: SealPurpose = 'message'): string | undefined {
    const seal = parseSealedText(message.text)
    if (seal === undefined || (seal.from !== this.key && seal.to !== this.key)) return undefined
    const other = seal.from === this.key ? seal.to : seal.from
    const plain = this.#decrypt(other, seal.body, associatedData(purpose, message, seal.from, seal.to))
    if (plain === undefined || plain.length < SIGNATURE_BYTES) return undefined
    const text = plain.subarray(SIGNATURE_BYTES).toString()
    const signed = signedBytes(purpose, message, seal.from, seal.to, text)
    return isSignedBy(seal.from, signed, plain.subarray(0, SIGNATURE_BYTES)) ? text : undefined
  }

  /** Encrypts a text for this user's other clients. */
  sealForSiblings(text: string): string {
    return this.#encrypt(this.key, Buffer.from(text), SIBLINGS_AAD)
  }

  /** Decrypts a text from another client of this user; undefined if it is not from one. */
  openFromSibling(body: string): string | undefined {
    return this.#decrypt(this.key, body, SIBLINGS_AAD)?.toString()
  }

  #encrypt(other: string, plain: Buffer, aad: Buffer): string {
    const salt = randomBytes(SALT_BYTES)
    const { key, nonce } = this.#deriveKeys(other, salt)
    const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES })
    cipher.setAAD(aad, { plaintextLength: plain.length })
    return Buffer.concat([salt, cipher.update(plain), cipher.final(), cipher.getAuthTag()]).toString('base64url')
  }

  #decrypt(other: string, body: string, aad: Buffer): Buffer | undefined {
    if (!isBase64url(body)) return undefined
    const bytes = Buffer.from(body, 'base64url')
    if (bytes.length < SALT_BYTES + TAG_BYTES) return undefined
    try {
      const { key, nonce } = this.#deriveKeys(other, bytes.subarray(0, SALT_BYTES))
      const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES })
      const sealed = bytes.subarray(SALT_BYTES, -TAG_BYTES)
      decipher.setAAD(aad, { plaintextLength: sealed.length })
      decipher.setAuthTag(bytes.subarray(-TAG_BYTES))
      return Buffer.concat([decipher.update(sealed), decipher.final()])
    } catch {
      // Encrypted with other keys, or altered.
      return undefined
    }
  }

  #deriveKeys(other: string, salt: Uint8Array): { key: Uint8Array; nonce: Uint8Array } {
    let secret = this.#sharedSecrets.get(other)
    if (secret === undefined) {
      secret = x25519.getSharedSecret(this.#x25519Secret, ed25519.utils.toMontgomery(Buffer.from(other, 'base64url')))
      this.#sharedSecrets.set(other, secret)
    }
    const derived = new Uint8Array(hkdfSync('sha256', secret, salt, 'mesh-chat seal 1', 44))
    return { key: derived.subarray(0, 32), nonce: derived.subarray(32) }
  }
}

const SIBLINGS_AAD = Buffer.from('mesh-chat siblings 1')

/** What is sealed, in the associated data and in the signed text. */
const LABELS: Readonly<Record<SealPurpose, { sealed: string; signed: string }>> = {
  message: { sealed: 'mesh-chat seal 1', signed: 'mesh-chat message 1' },
  typing: { sealed: 'mesh-chat typing seal 1', signed: 'mesh-chat typing 1' },
}

/** Binds a sealed text to its message and purpose: it cannot be moved into another one. */
function associatedData(purpose: SealPurpose, { id, at, from, to }: Message, fromKey: string, toKey: string): Buffer {
  return Buffer.from(JSON.stringify([LABELS[purpose].sealed, id, at, from, to, fromKey, toKey]))
}

function signedBytes(
  purpose: SealPurpose,
  { id, at, from, to }: Message,
  fromKey: string,
  toKey: string,
  text: string,
): Buffer {
  return Buffer.from(JSON.stringify([LABELS[purpose].signed, id, at, from, to, fromKey, toKey, text]))
}
