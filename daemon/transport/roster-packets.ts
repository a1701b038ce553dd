import { deflateRawSync } from 'node:zlib'
import { frontEncode } from '../../src/protocol/front-coding.ts'
import type { IdentifyResponse, PackedRoster, RosterDelta, RosterSnapshot } from '../../src/protocol/messages.ts'
import { Packet } from './frame-batch.ts'

/** Fewer are not worth packing: so many names fit into a segment of TCP or two. */
const MIN_PACKED_NAMES = 100

/** The ends of answers that tell a roster, each encoded once for all who are told it: thousands may come at once. */
const rosterSuffixes = { plain: new WeakMap<RosterSnapshot, Buffer>(), packed: new WeakMap<RosterSnapshot, Buffer>() }

/**
 * The answer to `identify`.
 * @param prefix what stands before it: the head of an acknowledgement, or of an event
 * @param packed whether the client takes a long roster packed
 */
export function identifiedPacket(
  prefix: string,
  { roster, ...others }: Extract<IdentifyResponse, { ok: true }>,
  packed: boolean,
): Packet {
  const suffixes = packed ? rosterSuffixes.packed : rosterSuffixes.plain
  let suffix = suffixes.get(roster)
  if (suffix === undefined) {
    suffix = Buffer.from(`"roster":${rosterText(roster, packed)}}]`)
    suffixes.set(roster, suffix)
  }
  return new Packet(`${prefix}${JSON.stringify(others).slice(0, -1)},`, suffix)
}

/** The answer to `roster`. */
export function rosterPacket(call: number, roster: RosterSnapshot, packed: boolean): Packet {
  return new Packet(`3${call}[${rosterText(roster, packed)}]`)
}

/** The event `roster`, as those get it who take it packed; undefined: all get it alike. */
export function packedDelta(delta: RosterDelta): Packet | undefined {
  const { version, joined, left } = delta
  if (joined.length + left.length < MIN_PACKED_NAMES) return undefined
  return new Packet(
    `2${JSON.stringify(['roster', pack(version, { joined: [...joined].sort(), left: [...left].sort() })])}`,
  )
}

function rosterText(roster: RosterSnapshot, packed: boolean): string {
  const { version, users } = roster
  return JSON.stringify(packed && users.length >= MIN_PACKED_NAMES ? pack(version, { users }) : roster)
}

// Level 1: while a crowd comes, versions follow one another faster than better levels would pay.
function pack(version: number, lists: Record<string, readonly string[]>): PackedRoster {
  const coded = Object.fromEntries(Object.entries(lists).map(([list, names]) => [list, frontEncode(names)]))
  return { version, packed: deflateRawSync(JSON.stringify(coded), { level: 1 }).toString('base64') }
}
