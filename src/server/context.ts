import type { HybridClock } from '../common/hybrid-clock.ts'
import type { Directory } from '../presence/directory.ts'
import type { PresenceStream } from '../presence/presence-stream.ts'
import type { Roster } from '../presence/roster.ts'
import type { ForwardedMessage, PresenceEntry, Relay, StatusResponse } from '../protocol/frames.ts'
import type { Message } from '../protocol/messages.ts'
import type { ServerStatus } from '../protocol/status.ts'
import type { Connection } from './clients/connection.ts'
import type { Delivery } from './delivery.ts'
import type { Effect, LogEntry, ServerOptions } from './types.ts'

type MessageCounts = Pick<ServerStatus, 'accepted' | 'refused' | 'forwarded' | 'delivered'>

/** What the parts of a server share during a step. */
export interface Context {
  readonly options: ServerOptions
  readonly directory: Directory<Connection>
  readonly roster: Roster
  readonly stream: PresenceStream
  /** What peers are told of a user of this server. */
  readonly ownEntry: (name: string, connections: number) => PresenceEntry
  /** Gives the times of what happens here: above all that was heard of, though the wall clock jumps back. */
  readonly clock: HybridClock
  /** Names whose connections changed somewhere, to be told to their clients here at the end of the turn. */
  readonly siblingsToNotify: Set<string>
  /** Messages since the start, as `ServerStatus` has them. */
  readonly messageCounts: MessageCounts
  /** Monotonic time of the start, ms. */
  startedAt: number
  /** Monotonic time of this step, ms. */
  now: number
  /** Wall clock of this step, ms since 1970. */
  wall: number
  draining: boolean
  /** Whether something waits for the end of this turn. */
  needsFlush: boolean
  effects: Effect[]
}

/** How messages leave for peers; the router knows no more of links than this. */
export interface PeerMessageSender {
  /** Sends or holds a message for peers, each of which then confirms the delivery; false when one is out of reach. */
  forward(peers: readonly string[], message: Message, delivery: Delivery): boolean
  /** Answers a peer's forward with its fate. */
  sendFate(peer: string, incarnation: string, number: number, delivered: number, unconfirmed: boolean): void
  /** Passes a client's words to its user's clients on a peer, if its link is up. */
  relay(peer: string, relay: Relay): void
}

/** How messages arrive from peers. */
export interface PeerMessageHandler {
  handleForwarded(peer: string, incarnation: string, batch: readonly ForwardedMessage[]): void
  deliverRelay(relay: Relay): void
  settle(delivery: Delivery): void
}

/** How servers tell each other how they stand. */
export interface StatusExchange {
  /** How this server stands, as it tells a peer. */
  readonly ownStatus: ServerStatus
  /** A peer has answered; `incarnation`: which life of it. */
  handleStatus(peer: string, incarnation: string, answer: StatusResponse): void
}

export function log(context: Context, entry: LogEntry): void {
  context.effects.push({ type: 'log', entry })
}
