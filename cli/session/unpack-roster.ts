import { inflateRawSync } from 'node:zlib'
import * as z from 'zod'
import { frontDecode } from '../../src/protocol/front-coding.ts'
import { packedRosterSchema } from '../../src/protocol/messages.ts'

/** Most bytes that are unpacked: what `ws` takes of a packet that is not packed. A server may lie. */
const MAX_UNPACKED_BYTES = 100 * 1024 * 1024
/** Most names in one list: coded, each may stand for more than its bytes. */
const MAX_NAMES = 5_000_000

const codedNamesSchema = z.array(z.string()).max(MAX_NAMES).transform(frontDecode).optional()
const listsSchema = z.object({ users: codedNamesSchema, joined: codedNamesSchema, left: codedNamesSchema })

/** A roster or a delta as its schema wants it: what came packed is unpacked; what cannot be, stays as it is. */
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
