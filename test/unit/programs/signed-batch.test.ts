/** One signature for many texts: each proves itself, and nothing else. */
import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { createProcessKey } from '../../../daemon/auth/mesh-key.ts'
import { isSigned, signBatch } from '../../../src/programs/signed-batch.ts'
import { batchPathSchema, MAX_BATCH_SIZE } from '../../../src/protocol/proofs/mesh-identity.ts'

const key = createProcessKey()

function batchOf(size: number) {
  let signatures = 0
  const texts = Array.from({ length: size }, (_, n) => `text ${n}`)
  const { signature, paths } = signBatch(texts, text => {
    signatures++
    return key.sign(text)
  })
  expect(signatures).toBe(1)
  return { texts, signature, paths }
}

test.each([2, 3, 4, 5, 7, 8, 9, 31, 100, MAX_BATCH_SIZE])('%i texts have one signature, and valid paths', size => {
  const { texts, signature, paths } = batchOf(size)
  expect(new Set(paths.map(path => JSON.stringify(path))).size).toBe(size)
  for (const [n, text] of texts.entries()) {
    expect(batchPathSchema.safeParse(paths[n]).success).toBe(true)
    expect(isSigned(key.publicKey, text, signature, paths[n])).toBe(true)
  }
})

test('a text is not valid at the place of another one, nor is another text at its place', () => {
  for (const size of [2, 3, 5, 8]) {
    const { texts, signature, paths } = batchOf(size)
    for (const [n, text] of texts.entries()) {
      expect(isSigned(key.publicKey, `${text}!`, signature, paths[n])).toBe(false)
      expect(isSigned(key.publicKey, text, signature, undefined)).toBe(false)
      expect(isSigned(createProcessKey().publicKey, text, signature, paths[n])).toBe(false)
      for (const [other, path] of paths.entries()) {
        if (other !== n) expect(isSigned(key.publicKey, text, signature, path)).toBe(false)
      }
    }
  }
})

test('a node does not pass for a text', () => {
  const { texts, signature, paths } = batchOf(4)
  const hash = (text: string) => createHash('sha256').update('\0').update(text).digest()
  const node = Buffer.concat([hash(texts[0] ?? ''), hash(texts[1] ?? '')]).toString('latin1')
  const path = paths[0]?.path.slice(1) ?? []
  for (const text of [node, `\u0001${node}`])
    expect(isSigned(key.publicKey, text, signature, { index: 0, path })).toBe(false)
})

test('texts and nodes are hashed as in RFC 9162, and the root is tagged: none of them passes for another', () => {
  const hash = (...parts: (string | Buffer)[]) => {
    const sum = createHash('sha256')
    for (const part of parts) sum.update(part)
    return sum.digest()
  }
  const leaf = (text: string) => hash(Buffer.of(0), text)
  const node = (left: Buffer, right: Buffer) => hash(Buffer.of(1), left, right)
  const signed: string[] = []
  signBatch(['a', 'b', 'c'], text => {
    signed.push(text)
    return ''
  })
  const root = node(node(leaf('a'), leaf('b')), node(leaf('c'), leaf('c'))).toString('base64url')
  expect(signed).toEqual([JSON.stringify(['mesh-chat batch 1', root])])
})

test('a place outside of the tree, and a path that is too long, are malformed', () => {
  const [path] = batchOf(2).paths
  const hash = path?.path[0] ?? ''
  const isValid = (index: number, path: readonly unknown[]) => batchPathSchema.safeParse({ index, path }).success
  expect(isValid(1, [hash])).toBe(true)
  expect(isValid(1_023, Array(10).fill(hash))).toBe(true)
  for (const [index, length] of [
    [2, 1],
    [-1, 1],
    [0.5, 1],
    [0, 0],
    [0, 11],
  ] as const)
    expect(isValid(index, Array(length).fill(hash))).toBe(false)
  for (const wrong of ['', hash.slice(1), `${hash}=`, `${hash.slice(0, -1)}B`, 5])
    expect(isValid(0, [wrong])).toBe(false)
})
