/** The state that a server's modules share, for unit tests of single modules. */
import { HybridClock } from '../../../src/common/hybrid-clock.ts'
import { ClaimMemory } from '../../../src/presence/claim-memory.ts'
import { Directory } from '../../../src/presence/directory.ts'
import { PresenceStream } from '../../../src/presence/presence-stream.ts'
import { RoomDirectory } from '../../../src/presence/room-directory.ts'
import { Roster } from '../../../src/presence/roster.ts'
import type { PeerIdentity } from '../../../src/protocol/frames.ts'
import { DEFAULT_LIMITS, type Limits } from '../../../src/protocol/limits.ts'
import { Connection } from '../../../src/server/clients/connection.ts'
import type { Context } from '../../../src/server/context.ts'
import { MeshClock } from '../../../src/server/mesh-clock.ts'
import type { Effect, ServerOptions } from '../../../src/server/types.ts'

/** Wall clock minus monotonic clock, ms. */
const WALL_OFFSET_MS = 1_700_000_000_000

export function createContext(limits: Partial<Limits> = {}, options: Partial<ServerOptions> = {}): Context {
  const incarnation = 'server-1#1'
  const meshClock = new MeshClock(options.id ?? 'server-1')
  meshClock.read(1_000, WALL_OFFSET_MS + 1_000)
  return {
    options: {
      id: 'server-1',
      incarnation,
      url: 'http://127.0.0.1:1',
      peers: [],
      limits: { ...DEFAULT_LIMITS, ...limits },
      graceMs: 5_000,
      random: () => 0.5,
      narrateMessages: false,
      auth: 'open',
      ...options,
    },
    directory: new Directory(),
    roster: new Roster(),
    rooms: new RoomDirectory(),
    rememberedClaims: new ClaimMemory({ ...DEFAULT_LIMITS, ...limits }),
    stream: new PresenceStream(incarnation),
    clock: new HybridClock(),
    meshClock,
    messageCounts: { accepted: 0, roomAccepted: 0, refused: 0, forwarded: 0, delivered: 0 },
    startedAt: 1_000,
    now: 1_000,
    wall: WALL_OFFSET_MS + 1_000,
    draining: false,
    needsFlush: false,
    effects: [],
  }
}

export function advance(context: Context, ms: number): void {
  context.now += ms
  context.wall += ms
}

/** Removes and returns the effects so far, without log entries. */
export function takeEffects(context: Context): Exclude<Effect, { type: 'log' }>[] {
  return context.effects.splice(0).filter(effect => effect.type !== 'log')
}

/** Adds an identified connection to the directory and to the connections of a module under test. */
export function addConnection(
  context: Context,
  connections: Map<number, Connection>,
  id: number,
  user: string,
  protocol: 1 | 2 = 2,
  features: { connections?: boolean; rooms?: boolean; views?: boolean } = { rooms: true },
  allowedRooms?: readonly string[],
): Connection {
  const { options, directory } = context
  const connection = new Connection(id, user, { protocol, ...features }, options.limits, allowedRooms)
  connections.set(id, connection)
  directory.addConnection(connection)
  return connection
}

export function peerIdentity(id: string, incarnation = `${id}#1`, more: Partial<PeerIdentity> = {}): PeerIdentity {
  return { id, incarnation, protocol: 2, url: `http://${id}:1`, ...more }
}
