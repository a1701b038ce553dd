/**
 * One signature for many texts: a Merkle tree (RFC 9162, section 2.1.1) whose root is signed. Each text gets the hashes that
 * lead from it to the root. A hash costs some 1 µs, an Ed25519 signature 60.
 */
import { hash } from 'node:crypto'
import type { BatchPath } from '../protocol/proofs/mesh-identity.ts'
import { isSignedBy } from './ed25519.ts'

/** Before the text of a leaf, and before the two hashes of a node: a node can never pass for a leaf. */
const LEAF = '\0'
const NODE = Buffer.of(1)

/** The hash of a text, which is a leaf of the tree. */
function hashLeaf(text: string): Buffer {
  return hash('sha256', `${LEAF}${text}`, 'buffer')
}

function hashNode(left: Buffer, right: Buffer): Buffer {
  return hash('sha256', Buffer.concat([NODE, left, right]), 'buffer')
}

/** The text that is signed for a tree with this root. */
function rootText(root: Buffer): string {
  return JSON.stringify(['mesh-chat batch 1', root.toString('base64url')])
}

/**
 * Signs two texts or more at once.
 * @returns the signature, and for each text its path to the root
 */
export function signBatch(
  texts: readonly string[],
  sign: (text: string) => string,
): { signature: string; paths: BatchPath[] } {
  const paths = texts.map((_, index): BatchPath => ({ index, path: [] }))
  let level = texts.map(hashLeaf)
  for (let height = 0; level.length > 1; height++) {
    const last = level.at(-1)
    // Each node gets a sibling: the last one of an odd level is its own.
    if (level.length % 2 === 1 && last !== undefined) level.push(last)
    const encoded = level.map(hash => hash.toString('base64url'))
    for (const { index, path } of paths) path.push(encoded[(index >>> height) ^ 1] ?? '')
    level = pairs(level).map(([left, right]) => hashNode(left, right))
  }
  return { signature: sign(rootText(level[0] ?? Buffer.of())), paths }
}

/**
 * Whether a signature of a text is valid, or of the batch in which `batch` says that it is. As `isSignedBy`, it never throws.
 */
export function isSigned(key: string, text: string, signature: string, batch: BatchPath | undefined): boolean {
  return isSignedBy(key, batch === undefined ? text : batchTextOf(text, batch), signature)
}

/** The text that must be signed for a text with this path. */
export function batchTextOf(text: string, { index, path }: BatchPath): string {
  const root = path.reduce((hash, encoded, height) => {
    const sibling = Buffer.from(encoded, 'base64url')
    return (index >>> height) % 2 === 0 ? hashNode(hash, sibling) : hashNode(sibling, hash)
  }, hashLeaf(text))
  return rootText(root)
}

function pairs<Item>(items: readonly Item[]): [Item, Item][] {
  const found: [Item, Item][] = []
  for (let at = 0; at + 1 < items.length; at += 2) found.push([items[at] as Item, items[at + 1] as Item])
  return found
}
