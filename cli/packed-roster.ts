import { inflateRawSync } from 'node:zlib'
import { packedRosterSchema } from '../src/protocol/messages.ts'

/** Most bytes that are unpacked: what `ws` takes of a packet that is not packed. A server may lie. */
const MOST_BYTES = 100 * 1024 * 1024

/** A roster or a delta as its schema wants it: what came packed is unpacked; what cannot be, stays as it is. */
export function unpacked(payload: unknown): unknown {
  const roster = packedRosterSchema.safeParse(payload)
  if (!roster.success) return payload
  const { version, packed } = roster.data
  try {
    const names: unknown = JSON.parse(
      inflateRawSync(Buffer.from(packed, 'base64'), { maxOutputLength: MOST_BYTES }).toString(),
    )
    return typeof names === 'object' ? { ...names, version } : payload
  } catch {
    return payload
  }
}
