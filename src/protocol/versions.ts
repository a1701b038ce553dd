/** The protocol versions of servers: two servers link if they have one in common. */
import type { PeerIdentity } from './frames.ts'
import { PROTOCOL_VERSION } from './messages.ts'

/** The protocol versions that a server speaks, both ends included. */
type ProtocolRange = Pick<PeerIdentity, 'protocol' | 'newestProtocol'>

/** What this program speaks. */
export const OWN_PROTOCOLS = { protocol: PROTOCOL_VERSION, newestProtocol: PROTOCOL_VERSION }

/** The newest version that both servers speak; undefined if there is none. */
function commonProtocol(one: ProtocolRange, other: ProtocolRange): number | undefined {
  const common = Math.min(newestOf(one), newestOf(other))
  return common >= Math.max(one.protocol, other.protocol) ? common : undefined
}

/** Why two servers cannot link because of their versions; undefined if they can. */
export function protocolFault(own: ProtocolRange, other: ProtocolRange): string | undefined {
  if (commonProtocol(own, other) !== undefined) return undefined
  const older = newestOf(own) < newestOf(other) ? 'this server' : 'the other server'
  return `this server speaks protocol ${rangeText(own)}, the other one ${rangeText(other)}; update ${older}`
}

function newestOf({ protocol, newestProtocol = protocol }: ProtocolRange): number {
  return newestProtocol
}

function rangeText(range: ProtocolRange): string {
  return newestOf(range) === range.protocol ? `${range.protocol}` : `${range.protocol} to ${newestOf(range)}`
}
