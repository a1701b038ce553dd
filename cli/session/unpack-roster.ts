import { inflateRawSync } from 'node:zlib'
import * as z from 'zod'
import { frontDecode } from '../../src/protocol/encodings/front-coding.ts'
import { packedRosterSchema } from '../../src/protocol/messages.ts'

/** Limit of unpacked bytes, against decompression bombs: what is not packed has the same limit (C24). */
const MAX_UNPACKED_BYTES = 32 * 1024 * 1024
/** Limit of names per list: the names of a roster that a client keeps (C24). */
const MAX_NAMES = 2_000_000
/** Limit of the UTF-16 units of a list's names: a front-coded name can decode to more than it takes. */
const MAX_DECODED_LENGTH = 64 * 1024 * 1024

const codedNamesSchema = z
  .array(z.string())
  .max(MAX_NAMES)
  .refine(coded => decodedLength(coded) <= MAX_DECODED_LENGTH)
  .transform(frontDecode)
  .optional()
const listsSchema = z.object({ users: codedNamesSchema, joined: codedNamesSchema, left: codedNamesSchema })

/** Unpacks a packed roster or delta. Returns any other or invalid payload unchanged, for its schema to reject. */
export function unpackRoster(payload: unknown): unknown {
  const roster = packedRosterSchema.safeParse(payload)
  if (!roster.success) return payload
  const { version, packed } = roster.data
  try {
    const text = inflateRawSync(Buffer.from(packed, 'base64'), { maxOutputLength: MAX_UNPACKED_BYTES }).toString()
    return { version, ...listsSchema.parse(JSON.parse(text)) }
  } catch {
    return payload
  }
}

/** The length of front-coded names once they are decoded, UTF-16 units. */
function decodedLength(coded: readonly string[]): number {
  return coded.reduce((length, one) => length + one.length - 1 + (Number.parseInt(one.charAt(0), 36) || 0), 0)
}
