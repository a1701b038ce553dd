/**
 * Inputs and effects of the server's state machine. The edge numbers connections and links, and has parsed every
 * payload.
 */

import type {
  AcceptorFrame,
  DiallerFrame,
  LinkRefusal,
  PeerIdentity,
  Relay,
  RoomRelay,
  StreamPosition,
} from '../protocol/frames.ts'
import type { Limits } from '../protocol/limits.ts'
import type {
  ComposedMessage,
  Connections,
  DeliveredMessage,
  ErrorCode,
  Fate,
  FoundNames,
  IdentifyResponse,
  JoinResponse,
  KeyHolder,
  LegacyMessage,
  Message,
  NamesPage,
  PartResponse,
  Receipt,
  Refusal,
  RoomEvent,
  RoomList,
  RosterDelta,
  RosterSnapshot,
  RosterViewEvent,
  ServerAddress,
  TypingNotice,
  TypingRequest,
  WatchedNames,
} from '../protocol/messages.ts'
import type { AuthMode, Claim, Credential } from '../protocol/proofs/credentials.ts'
import type { RoomSettings } from '../protocol/rooms.ts'
import type { ClusterStatus } from '../protocol/status.ts'

export interface ServerOptions {
  id: string
  /** The public key of the server process; each process makes a new one. */
  incarnation: string
  /** URL for clients and peers. */
  url: string
  /** URL for clients, if different. */
  clients?: string
  /** URLs to dial while there is no link to any peer; any server of the mesh may answer there. */
  seeds?: readonly string[]
  /** URLs of NATS servers that carry the links: other servers are found there. */
  backbone?: readonly string[]
  /** The configured peers, without this server. */
  peers: readonly ServerAddress[]
  limits: Limits
  /** How users prove their names. */
  auth: AuthMode
  /** Token mode: signs the text of a message to a room (`roomMessageText`) with the mesh key. Absent: it has none. */
  signRoomMessage?: (message: Message) => string | undefined
  /** The rooms that the config sets up; anyone may open others. */
  rooms?: readonly RoomSettings[]
  /** Grace period: how long the users of an unreachable peer stay online, and messages for it are held, ms. */
  graceMs: number
  /** Users and memberships of peers' snapshots that are applied in one turn of the event loop. Default: 500. */
  appliedPerTurn?: number
  /** Users, and memberships, in one presence frame that the server sends. Default: 1,000. */
  entriesPerFrame?: number
  /** Random numbers in [0, 1). */
  random: () => number
  /** Whether to log every message. */
  narrateMessages: boolean
}

/** Why a request of a connection is denied. */
export interface Denial {
  code: ErrorCode
  message: string
}

/** Inputs from clients. `call` is the edge's number for an event that expects an acknowledgement. */
export type ClientInput =
  /** `address`: remote network address, if known. */
  | { type: 'connected'; connection: number; address?: string }
  | {
      type: 'identify'
      connection: number
      user: unknown
      protocol: 1 | 2
      connections?: boolean
      /** Whether the client knows rooms and receipts. */
      rooms?: boolean
      /** Whether the client wants typing notices; absent: it knows none. */
      typing?: boolean | undefined
      /** Whether the client takes a view of a long roster. */
      views?: boolean
      credential?: Credential
      /** Why the edge refuses the identification. */
      denial?: Denial
      call?: number
    }
  | { type: 'im'; connection: number; message: ComposedMessage | LegacyMessage; call?: number }
  | { type: 'got'; connection: number; count: number }
  | { type: 'roster'; connection: number; call: number }
  /** For a connection that holds a view of the roster; see `RosterViews`. */
  | { type: 'watch'; connection: number; names: readonly string[]; call: number }
  | { type: 'names'; connection: number; after: string; count: number; follow: boolean; call: number }
  | { type: 'find'; connection: number; text: string; count: number; call: number }
  /** Asks which key holds a user name. */
  | { type: 'key'; connection: number; user: unknown; call: number }
  /** Asks for a ticket of the user's claim. */
  | { type: 'claim'; connection: number; call: number }
  /** `room`: for another member of it, not for the user's other clients. */
  | { type: 'relay'; connection: number; to: string | undefined; room?: string; body: unknown }
  | { type: 'typing'; connection: number; notice: TypingRequest }
  | { type: 'join'; connection: number; room: unknown; call: number }
  | { type: 'part'; connection: number; room: unknown; call: number }
  /** Asks for the list of rooms. */
  | { type: 'rooms'; connection: number; call: number }
  /** Asks for the cluster status. */
  | { type: 'survey'; connection: number; call: number }
  | { type: 'disconnected'; connection: number }

/** Inputs from links to peers. */
export type LinkInput =
  /** A dial succeeded; the peer is authenticated. `holds`: its position in this server's presence stream. */
  | { type: 'dialled'; peer: string; link: number; introduction: PeerIdentity; holds: StreamPosition }
  | { type: 'dial-failed'; peer: string; reason: string; code?: LinkRefusal }
  /** An authenticated peer dialled in; answer with `accept` or `refuse`. */
  | { type: 'accepted'; link: number; introduction: PeerIdentity }
  | { type: 'frame'; link: number; frame: DiallerFrame | AcceptorFrame }
  | { type: 'link-closed'; link: number; reason: string }
  /** Another server on the backbone has proven that it runs with this server's id. */
  | { type: 'id-in-use' }

export type Input =
  | ClientInput
  | LinkInput
  | { type: 'start' }
  /** The event-loop turn ends: send the frames batched in it. */
  | { type: 'flush' }
  /** `deadline` has passed. */
  | { type: 'tick' }
  /** The configured peers changed, or the rooms; `rooms` undefined: they did not. */
  | { type: 'configure'; peers: readonly ServerAddress[]; rooms?: readonly RoomSettings[] }
  /** The edge discovered another server: a worker of this machine, or one on the NATS backbone. */
  | { type: 'learn'; member: ServerAddress }
  /** Shut down gracefully. */
  | { type: 'drain' }

/** An event for clients. An `emit` effect may have many receivers: encode the event once. */
export type ClientEvent =
  | { event: 'im'; payload: DeliveredMessage }
  | { event: 'update_client'; payload: { list: string[] } }
  | { event: 'roster'; payload: RosterDelta }
  /** For clients that hold a view of the roster. */
  | { event: 'view'; payload: RosterViewEvent }
  /** Changed connection counts, for clients that subscribed to them. */
  | { event: 'connections'; payload: Connections }
  | { event: 'relay'; payload: Relay | RoomRelay }
  | { event: 'room'; payload: RoomEvent }
  /** A user is writing a message; it may be dropped for a client that reads slowly. */
  | { event: 'typing'; payload: TypingNotice }
  /** More connections have confirmed messages of the user. */
  | { event: 'receipts'; payload: Receipt[] }
  /** A sibling connected, disconnected or missed messages: compare histories. */
  | { event: 'siblings'; payload: { connections: number } }
  | { event: 'move'; payload: { servers: ServerAddress[] } }
  /** The mesh time has changed, other than by passing. */
  | { event: 'time'; payload: { time: number } }
  | { event: 'refused'; payload: Refusal & { event: string } }

/** A user's claim, which the edge signs; no `claim`: there is none. */
export type HeldName = { ok: true; user: string; claim: Claim | undefined }

/** Effects on client connections. */
export type ClientEffect =
  | { type: 'emit'; to: readonly number[]; message: ClientEvent }
  | {
      type: 'answer'
      connection: number
      call: number
      payload:
        | IdentifyResponse
        | Fate
        | RosterSnapshot
        | WatchedNames
        | NamesPage
        | FoundNames
        | KeyHolder
        | HeldName
        | ClusterStatus
        | JoinResponse
        | PartResponse
        | RoomList
    }
  | { type: 'close'; connection: number; reason: string }

/** Effects on links to peers. */
export type LinkEffect =
  | { type: 'dial'; peer: string; url: string; id: string | undefined }
  | { type: 'accept'; link: number; holds: StreamPosition }
  | { type: 'refuse'; link: number; code: LinkRefusal; message: string }
  | { type: 'send'; link: number; frame: DiallerFrame | AcceptorFrame }
  | { type: 'hang-up'; link: number; reason: string }

/** What the edge does after a step, in order. */
export type Effect =
  | ClientEffect
  | LinkEffect
  | { type: 'log'; entry: LogEntry }
  | { type: 'exit'; code: number; reason: string }

/** A log entry; the edge words it. */
export type LogEntry =
  | { event: 'dialling-peers' }
  /** A dial starts. `isRetry`: the dial before it failed. */
  | { event: 'dialling'; peer: string; url: string; isRetry: boolean }
  /** `isRepeated`: the dial before it failed for the same reason. */
  | { event: 'dial-failed'; peer: string; reason: string; isRepeated: boolean }
  | { event: 'outbound'; peer: string }
  | { event: 'inbound'; peer: string }
  | { event: 'link-lost'; peer: string; direction: 'outbound' | 'inbound'; reason: string }
  /** A peer has refused this server. `reason`: as the peer says it. */
  | { event: 'link-refused'; peer: string; code: LinkRefusal; reason: string; isRepeated: boolean }
  /** This server has refused a peer that proved the secret. */
  | { event: 'link-denied'; peer: string; code: LinkRefusal; reason: string; isRepeated: boolean }
  | { event: 'update-from-peer'; peer: string }
  | { event: 'replacing-list'; peer: string; users: number }
  | { event: 'adding-user' | 'replacing-user' | 'removing-user'; peer: string; user: string; connections: number }
  | { event: 'resync'; peer: string }
  | { event: 'peer-gone'; peer: string; users: number }
  | { event: 'peer-goodbye'; peer: string }
  /** A peer forwarded messages from users that are not connected to it; at most one entry per second. */
  | { event: 'foreign-sender'; peer: string; user: string; messages: number }
  | { event: 'peer-learned'; peer: string; url: string }
  | { event: 'joining'; url: string; isRetry: boolean }
  | { event: 'peer-removed' | 'peer-forgotten'; peer: string }
  | { event: 'updating-clients'; clients: number; online: number }
  | { event: 'updating-peers'; user: string }
  /** The first connection of a user to this server has joined a room; the last one has left it. */
  | { event: 'room-joined' | 'room-left'; room: string; user: string; members: number }
  | { event: 'user-connected'; user: string; connections: number }
  | { event: 'user-disconnected'; user: string; connections: number }
  | { event: 'connection-refused'; code: string; reason: string }
  | { event: 'im'; from: string; to: string; text: string; forwarded: boolean }
  | { event: 'not-connected-here'; role: 'Recipient' | 'Sender'; user: string }
  | { event: 'sending'; role: 'Recipient' | 'Sender'; user: string; connections: number }
  | { event: 'forwarding'; peer: string }
  | { event: 'stalled'; ms: number }
  /** The clock of a server differs from the mesh time, or does not any more. `ahead`: ms, negative if it is behind. */
  | { event: 'clock-wrong' | 'clock-right'; server: string; ahead: number; isOwn: boolean }
  | { event: 'draining'; clients: number }
