import type { Identity, SealPurpose } from '../../../src/client/keys/keyring.ts'
import type { Message } from '../../../src/protocol/messages.ts'
import { formatSealedText, parseSealedText } from '../../../src/protocol/proofs/credentials.ts'
import { isPublicKey } from '../../../src/protocol/proofs/public-key.ts'
import { signatureOf } from '../mesh-signatures.ts'

/** An identity without cryptography: a sealed text contains the plain text, and `open` only compares keys. */
export class PlainIdentity implements Identity {
  readonly key: string

  constructor(name: string) {
    this.key = keyNamed(name)
  }

  sign(text: string): string {
    return signatureOf(this.key, text)
  }

  seal(message: Message, to: string, purpose: SealPurpose = 'message'): string {
    return formatSealedText(this.key, to, `${label(message, purpose)} ${message.text}`)
  }

  open(message: Message, purpose: SealPurpose = 'message'): string | undefined {
    const seal = parseSealedText(message.text)
    if (seal === undefined || (seal.from !== this.key && seal.to !== this.key)) return undefined
    const start = `${label(message, purpose)} `
    return seal.body.startsWith(start) ? seal.body.slice(start.length) : undefined
  }
}

function label({ id, at, from }: Message, purpose: SealPurpose): string {
  return purpose === 'message' ? id : `${purpose} ${from} ${at}`
}

/** The keys of `keyNamed`: to find one costs several checks of 20 µs each. */
const keysByName = new Map<string, string>()

/** A public key that contains a name, so that a failed assertion shows whose key it is. */
export function keyNamed(name: string): string {
  const known = keysByName.get(name)
  if (known !== undefined) return known
  const bytes = Buffer.alloc(32, '.')
  bytes.write(name)
  // Every second number is the y coordinate of a point.
  for (;;) {
    const key = bytes.toString('base64url')
    if (isPublicKey(key)) {
      keysByName.set(name, key)
      return key
    }
    bytes[30] = (bytes[30] ?? 0) + 1
  }
}
