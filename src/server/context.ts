import type { HybridClock } from '../common/hybrid-clock.ts'
import type { ClaimMemory } from '../presence/claim-memory.ts'
import type { Directory } from '../presence/directory.ts'
import type { PresenceStream } from '../presence/presence-stream.ts'
import type { MembershipChange } from '../presence/replica.ts'
import type { RoomDirectory } from '../presence/room-directory.ts'
import type { Roster } from '../presence/roster.ts'
import type {
  ForwardedMessage,
  Relay,
  RememberedClaims,
  RoomForwarded,
  RoomRelay,
  StatusResponse,
  UserReceipts,
} from '../protocol/frames.ts'
import type { Message, TypingNotice } from '../protocol/messages.ts'
import type { Claim } from '../protocol/proofs/credentials.ts'
import type { ServerStatus } from '../protocol/status.ts'
import type { Connection } from './clients/connection.ts'
import type { Delivery } from './delivery.ts'
import type { MeshClock } from './mesh-clock.ts'
import type { ClientEvent, Effect, LogEntry, ServerOptions } from './types.ts'

type MessageCounts = Pick<ServerStatus, 'accepted' | 'refused' | 'forwarded' | 'delivered'> & { roomAccepted: number }

/** State that the modules of one server share. */
export interface Context {
  readonly options: ServerOptions
  readonly directory: Directory<Connection>
  readonly roster: Roster
  readonly rooms: RoomDirectory<Connection>
  /** Claims on the names of offline users, with `auth: key`. */
  readonly rememberedClaims: ClaimMemory
  /** Presence of this server's own users. */
  readonly stream: PresenceStream
  /** Gives times later than all times seen before, even if the wall clock jumps back. */
  readonly clock: HybridClock
  /** The common time of the mesh. */
  readonly meshClock: MeshClock
  /** Message counters since the start, as in `ServerStatus`. */
  readonly messageCounts: MessageCounts
  /** Monotonic time of the start, ms. */
  startedAt: number
  /** Monotonic time of this step, ms. */
  now: number
  /** Mesh time of this step, ms since 1970: see `MeshClock`. */
  wall: number
  draining: boolean
  /** Whether something is batched until the end of this event-loop turn. */
  needsFlush: boolean
  /** Effects of this step. */
  effects: Effect[]
}

/** Sends messages to peers. */
export interface PeerMessageSender {
  /** Sends or holds a message for peers; each then answers the delivery. Returns false if a peer is unreachable. */
  forward(peers: readonly string[], message: Message, delivery: Delivery): boolean
  /** Like `forward`, to a room. */
  forwardToRoom(peers: readonly string[], message: Message, delivery: Delivery): boolean
  /** Answers a forward of a peer with the delivery result. */
  sendFate(peer: string, incarnation: string, number: number, delivered: number, unconfirmed: boolean): void
  /** Tells a peer that has forwarded a message that more connections have confirmed it, or that no more will. */
  sendConfirmation(peer: string, incarnation: string, number: number, delivery: Delivery): void
  /** Tells a peer that clients of users may have missed a message. */
  sendMissed(peer: string, users: readonly string[]): void
  /** Sends receipts for the clients of a user to a peer, if the link to it is open. */
  sendReceipts(peer: string, receipts: UserReceipts): void
  /** Sends a client's relay to a peer, if the link to it is open. */
  relay(peer: string, relay: Relay): void
  relayToRoom(peer: string, relay: RoomRelay): void
  /** Sends a typing notice to those of the peers to which the link is open. */
  sendTyping(peers: readonly string[], notice: TypingNotice): void
}

/** Handles messages from peers. */
export interface PeerMessageHandler {
  /** @param waitsForAll whether the peer takes one result for each message: it is of 0.2 */
  handleForwarded(peer: string, incarnation: string, batch: readonly ForwardedMessage[], waitsForAll: boolean): void
  deliverRelay(relay: Relay): void
  handleRoomForwarded(peer: string, incarnation: string, batch: readonly RoomForwarded[]): void
  deliverRoomRelay(relay: RoomRelay): void
  deliverReceipts(receipts: UserReceipts): void
  deliverTyping(notice: TypingNotice): void
}

/** Handles news about users from peers. */
export interface UserObserver {
  /**
   * The number of a user's connections changed, here or on a peer.
   * @param lostClaim the claim on the name that has ended with it
   */
  handlePresenceChange(name: string, lostClaim?: Claim): void
  /** A peer remembers claims on the names of offline users. */
  handleClaims(claims: RememberedClaims): void
  /** All known peers have sent their users and the claims that they remember. */
  handlePeersSynced(): void
  /** Users of a peer have joined or left rooms. */
  handleMemberships(peer: string, changes: readonly MembershipChange[]): void
  /** At the end of this turn, asks the clients of the user, or of the room, on this server to compare histories. */
  notifySiblings(name: string): void
}

/** Exchanges status with peers. */
export interface StatusExchange {
  readonly ownStatus: ServerStatus
  /** @param incarnation of the peer that answered */
  handleStatus(peer: string, incarnation: string, answer: StatusResponse): void
}

export function log(context: Context, entry: LogEntry): void {
  context.effects.push({ type: 'log', entry })
}

/** Emits an event to those of the connections that speak protocol 2. */
export function emitToProtocol2(context: Context, connections: Iterable<Connection>, message: ClientEvent): void {
  const to: number[] = []
  for (const connection of connections) if (connection.protocol === 2) to.push(connection.id)
  if (to.length > 0) context.effects.push({ type: 'emit', to, message })
}
