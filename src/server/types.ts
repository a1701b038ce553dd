/**
 * The server as a state machine: what comes in, what goes out. Connections and links are numbers that the edge gives;
 * every payload was parsed at the gate.
 */
import type { AuthMode, Credential } from '../protocol/credentials.ts'
import type {
  AcceptorFrame,
  DiallerFrame,
  LinkRefusal,
  PeerIdentity,
  Relay,
  StreamPosition,
} from '../protocol/frames.ts'
import type { Limits } from '../protocol/limits.ts'
import type {
  ComposedMessage,
  Connections,
  DeliveredMessage,
  Fate,
  IdentifyResponse,
  KeyHolder,
  LegacyMessage,
  Refusal,
  RosterDelta,
  RosterSnapshot,
  ServerAddress,
} from '../protocol/messages.ts'
import type { ClusterStatus } from '../protocol/status.ts'

export interface ServerOptions {
  id: string
  /** 128 random bits, made at the start of the process. */
  incarnation: string
  /** Where clients and peers reach this server. */
  url: string
  /** Where clients reach it, if that is elsewhere. */
  clients?: string
  /** Addresses where some server of the mesh is to be met, while there is no link to any. */
  seeds?: readonly string[]
  /** The configured peers, this server excluded. */
  peers: readonly ServerAddress[]
  limits: Limits
  /** How users prove their names. */
  auth: AuthMode
  /** How long the users of a silent peer stay in the roster, ms. */
  graceMs: number
  /** Random numbers in [0, 1). */
  random: () => number
  /** Whether to narrate every message; off it costs nothing. */
  narrateMessages: boolean
}

/** `call` names an event that wants an acknowledgement; the edge gives the number and keeps what it stands for. */
export type ClientInput =
  /** `address`: the network address it comes from, where that is known. */
  | { type: 'connected'; connection: number; address?: string }
  | {
      type: 'identify'
      connection: number
      user: unknown
      protocol: 1 | 2
      connections?: boolean
      credential?: Credential
      call?: number
    }
  | { type: 'im'; connection: number; message: ComposedMessage | LegacyMessage; call?: number }
  | { type: 'got'; connection: number; count: number }
  | { type: 'roster'; connection: number; call: number }
  /** Who holds a name? */
  | { type: 'key'; connection: number; user: unknown; call: number }
  | { type: 'relay'; connection: number; to: string | undefined; body: unknown }
  /** How do the servers of the mesh stand? */
  | { type: 'survey'; connection: number; call: number }
  | { type: 'disconnected'; connection: number }

export type LinkInput =
  /** A dial ended in a proven link. */
  | { type: 'dialled'; peer: string; link: number; introduction: PeerIdentity; holds: StreamPosition }
  | { type: 'dial-failed'; peer: string; reason: string; code?: LinkRefusal }
  /** A dialler has proven itself: answer with `accept` or `refuse`. */
  | { type: 'accepted'; link: number; introduction: PeerIdentity }
  | { type: 'frame'; link: number; frame: DiallerFrame | AcceptorFrame }
  | { type: 'link-closed'; link: number; reason: string }

export type Input =
  | ClientInput
  | LinkInput
  | { type: 'start' }
  /** Ends a turn of the event loop: what was gathered goes out. */
  | { type: 'flush' }
  /** The deadline has come. */
  | { type: 'tick' }
  /** The config's peers are others now. */
  | { type: 'configure'; peers: readonly ServerAddress[] }
  /** Another server of this machine is there. */
  | { type: 'learn'; member: ServerAddress }
  /** Leave the mesh in good order. */
  | { type: 'drain' }

/** What a client is told. One effect may have many receivers: encode once. */
export type ClientEvent =
  | { event: 'im'; payload: DeliveredMessage }
  | { event: 'update_client'; payload: { list: string[] } }
  | { event: 'roster'; payload: RosterDelta }
  /** For those who asked for it: names whose number of connections is not what they know. */
  | { event: 'connections'; payload: Connections }
  | { event: 'relay'; payload: Relay }
  /** Some connection of the user came or went elsewhere: compare histories. */
  | { event: 'siblings'; payload: { connections: number } }
  | { event: 'move'; payload: { servers: ServerAddress[] } }
  | { event: 'refused'; payload: Refusal & { event: string } }

/** Effects on client connections. */
export type ClientEffect =
  | { type: 'emit'; to: readonly number[]; message: ClientEvent }
  | {
      type: 'answer'
      connection: number
      call: number
      payload: IdentifyResponse | Fate | RosterSnapshot | KeyHolder | ClusterStatus
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

/** What the log tells; the words are found at the edge. */
export type LogEntry =
  | { event: 'dialling-peers' }
  | { event: 'dialling'; peer: string; url: string }
  | { event: 'dial-failed'; peer: string; reason: string; failures: number }
  | { event: 'outbound'; peer: string }
  | { event: 'inbound'; peer: string }
  | { event: 'link-lost'; peer: string; direction: 'outbound' | 'inbound'; reason: string }
  | { event: 'link-refused'; peer: string; code: LinkRefusal }
  | { event: 'update-from-peer'; peer: string }
  | { event: 'replacing-list'; peer: string; users: number }
  | { event: 'adding-user' | 'replacing-user' | 'removing-user'; peer: string; user: string; connections: number }
  | { event: 'resync'; peer: string }
  | { event: 'peer-gone'; peer: string; users: number }
  | { event: 'peer-goodbye'; peer: string }
  /** A peer passed on so many messages of users that it does not hold; told once a second at most. */
  | { event: 'foreign-sender'; peer: string; user: string; messages: number }
  | { event: 'peer-learned'; peer: string; url: string }
  | { event: 'joining'; url: string }
  | { event: 'peer-removed' | 'peer-forgotten'; peer: string }
  | { event: 'updating-clients'; clients: number; online: number }
  | { event: 'updating-peers'; user: string }
  | { event: 'user-connected'; user: string; connections: number }
  | { event: 'user-disconnected'; user: string; connections: number }
  | { event: 'connection-refused'; code: string; reason: string }
  | { event: 'im'; from: string; to: string; text: string; forwarded: boolean }
  | { event: 'not-connected-here'; role: 'Recipient' | 'Sender'; user: string }
  | { event: 'sending'; role: 'Recipient' | 'Sender'; user: string; connections: number }
  | { event: 'forwarding'; peer: string }
  | { event: 'stalled'; ms: number }
  | { event: 'draining'; clients: number }
