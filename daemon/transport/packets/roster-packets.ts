import { deflateRawSync } from 'node:zlib'
import { frontEncode } from '../../../src/protocol/encodings/front-coding.ts'
import type { IdentifyResponse, PackedRoster, RosterDelta, RosterSnapshot } from '../../../src/protocol/messages.ts'
import type { MeshIdentity } from '../../../src/protocol/proofs/mesh-identity.ts'
import { Packet } from './packet.ts'

/** Shorter lists are sent plain: this many names fit into one or two TCP segments. */
const MIN_PACKED_NAMES = 100

/** The ends of answers that carry a roster, encoded once for all recipients: thousands may identify at once. */
const rosterSuffixes = { plain: new WeakMap<RosterSnapshot, Buffer>(), packed: new WeakMap<RosterSnapshot, Buffer>() }

/**
 * The answer to `identify`.
 * @param prefix the start of the packet: of an acknowledgement, or of an event
 * @param packed whether the client accepts a packed roster
 * @param proveMesh returns the mesh proof for the client, when the packet is written
 */
export function identifiedPacket(
  prefix: string,
  { roster, ...others }: Extract<IdentifyResponse, { ok: true }>,
  packed: boolean,
  proveMesh?: () => MeshIdentity,
): Packet {
  const suffixes = packed ? rosterSuffixes.packed : rosterSuffixes.plain
  let suffix = suffixes.get(roster)
  if (suffix === undefined) {
    suffix = Buffer.from(`"roster":${rosterText(roster, packed)}}]`)
    suffixes.set(roster, suffix)
  }
  const start = (answer: object) => `${prefix}${JSON.stringify(answer).slice(0, -1)},`
  return new Packet(proveMesh === undefined ? start(others) : () => start({ ...others, mesh: proveMesh() }), suffix)
}

/** The answer to `roster`. */
export function rosterPacket(call: number, roster: RosterSnapshot, packed: boolean): Packet {
  return new Packet(`3${call}[${rosterText(roster, packed)}]`)
}

/** The event `roster` for clients that accept packed lists; undefined: they get the plain one. */
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

// Level 1: while many users connect, versions follow each other too fast for better levels to pay off.
function pack(version: number, lists: Record<string, readonly string[]>): PackedRoster {
  const coded = Object.fromEntries(Object.entries(lists).map(([list, names]) => [list, frontEncode(names)]))
  return { version, packed: deflateRawSync(JSON.stringify(coded), { level: 1 }).toString('base64') }
}
