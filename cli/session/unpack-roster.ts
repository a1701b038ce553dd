import { inflateRawSync } from 'node:zlib'
import * as z from 'zod'
import { frontDecode } from '../../src/protocol/front-coding.ts'
import { packedRosterSchema } from '../../src/protocol/messages.ts'

/** Limit of unpacked bytes, against decompression bombs: the limit of `ws` for an uncompressed packet. */
const MAX_UNPACKED_BYTES = 100 * 1024 * 1024
/** Limit of names per list: a front-coded name can decode to more bytes than it takes. */
const MAX_NAMES = 5_000_000

const codedNamesSchema = z.array(z.string()).max(MAX_NAMES).transform(frontDecode).optional()
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
