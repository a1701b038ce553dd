/**
 * Who said what in a room: a signature that goes with the message, so that a member who passes it on later cannot change
 * it, or make one up. In token mode the server of the author signs with the mesh key; in key mode the author does, and the
 * proof names the author's key. In open mode anyone can be anyone, and there is none.
 */
import { base64urlLength } from '../encodings/base64url.ts'
import type { Message, TypingNotice } from '../messages.ts'
import { isPublicKey } from './public-key.ts'

const SIGNATURE_LENGTH = base64urlLength(64)

/** The text that is signed. It names the mesh, so that a message of one mesh proves nothing in another. */
export function roomMessageText({ id, at, from, to, text }: Message, meshKey: string): string {
  return JSON.stringify(['mesh-chat room message 1', meshKey, to, from, id, at, text])
}

/** The text that the author of a typing notice to a room signs in key mode. */
export function roomTypingText({ from, to, at }: TypingNotice, meshKey: string): string {
  return JSON.stringify(['mesh-chat room typing 1', meshKey, to, from, at])
}

/** The proof of an author in key mode. */
export function formatAuthorProof(key: string, signature: string): string {
  return `${key}.${signature}`
}

/** Parses the proof of an author; undefined: it is none. */
export function parseAuthorProof(proof: string | undefined): { key: string; signature: string } | undefined {
  const [key = '', signature = '', ...rest] = (proof ?? '').split('.')
  if (rest.length > 0 || signature.length !== SIGNATURE_LENGTH || !isPublicKey(key)) return undefined
  return { key, signature }
}
