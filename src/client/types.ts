/**
 * Inputs and effects of a client session. The caller numbers connections (`dial`) and parses every payload before it
 * becomes an input.
 */

import type {
  ComposedMessage,
  Connections,
  DeliveredMessage,
  Fate,
  FoundNames,
  IdentifyRequest,
  IdentifyResponse,
  JoinResponse,
  Message,
  NamesPage,
  NamesRequest,
  Receipt,
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
import type { ClaimTicket } from '../protocol/proofs/claim-ticket.ts'
import type { AuthMode, Challenge } from '../protocol/proofs/credentials.ts'
import type { BatchPath } from '../protocol/proofs/mesh-identity.ts'
import type { KeptTicket } from './claim-keeper.ts'
import type { MeshPin, SessionEvent, SessionRequest } from './events.ts'
import type { Archive, HeldMessage, RejectedMessage, StoredMessage, StoredReceipt } from './history/message-log.ts'
import type { SiblingFrame } from './history/reconciliation.ts'
import type { Identity } from './keys/keyring.ts'
import type { RoomEntry } from './rooms/room-list.ts'

export interface SessionOptions {
  user: string
  /** Name and version of the program. */
  client: string
  /** Random, unique to this run of the program: the prefix of its message ids. */
  instance: string
  /** Server URLs, in the order to try them first. */
  servers: readonly string[]
  /** Whether to hold a view of a long roster, instead of all users online. Default: false. */
  views?: boolean | undefined
  /** The JWT for servers with `auth: token`. */
  token?: string | undefined
  /** The auth mode that a server must have; undefined: that of `mesh`, or any. */
  auth?: AuthMode | undefined
  /** The mesh that servers must prove, as pinned by an earlier run; undefined: the first one that is met. */
  mesh?: MeshPin | undefined
  /** A fresh random nonce for a connection: 22 to 64 characters of base64url. */
  makeNonce: () => string
  /**
   * A fresh random text for the id of one message: 64 bits or more, at most 16 units. Who could predict ids could prepare
   * messages whose hashes hide the message from catch-up (S5).
   */
  makeIdSuffix: () => string
  /**
   * Whether `signature` is the Ed25519 signature by the public key `key` of `text`, or of the batch in which `batch` says that
   * it is; all in base64url. Never throws.
   */
  verify: (key: string, text: string, signature: string, batch?: BatchPath | undefined) => boolean
  /** Random numbers in [0, 1). */
  random: () => number
  /**
   * Whether the caller answers each effect `save` with the input `saved`. Nothing is confirmed, and no message is sent,
   * before it is saved. Default: false, everything is in memory.
   */
  answersSaves?: boolean | undefined
  /** Days of a room's history that this client asks other members for. Default: 30. */
  roomHistoryDays?: number | undefined
  /** Whether to ask servers for the typing notices of others. Default: false. */
  typing?: boolean | undefined
}

/** What earlier runs of the program left on disk. */
export interface StoredState {
  /** Messages to emit as `message` events at the start. */
  readonly history: readonly StoredMessage[]
  /** Stored messages that are not emitted, read on demand. */
  readonly archive: Archive
  /** Messages that are not confirmed yet. */
  readonly outbox: readonly HeldMessage[]
  /** Public keys of other users, by name. */
  readonly keys: ReadonlyMap<string, string>
  /** The ticket of this user's claim on the name. */
  readonly claim?: KeptTicket | undefined
  /** How many have confirmed the user's latest messages, oldest first. */
  readonly receipts?: readonly Receipt[]
  /** The rooms that the user has joined or left. */
  readonly rooms?: readonly RoomEntry[]
  /** Returns the messages of a room, read on demand. Absent: there are none. */
  readonly roomArchive?: (room: string) => Archive
}

/** Inputs of a connection that is not online yet, `dial`. A session drops those of an earlier connection. */
/**
 * The answer to an identification. The roster may be a function that unpacks it: it is called when the client goes online,
 * so a server that has not proven its mesh cannot have anything unpacked. It returns undefined for an invalid roster.
 */
export type IdentifyAnswer =
  | Extract<IdentifyResponse, { ok: false }>
  | (Omit<Extract<IdentifyResponse, { ok: true }>, 'roster'> & {
      roster: RosterSnapshot | (() => RosterSnapshot | undefined)
    })

type IdentificationInput =
  /** `exporter`: the exporter value of the connection's TLS (RFC 9266), if it is direct and of version 1.3. */
  | { type: 'opened'; dial: number; exporter?: string | undefined }
  | { type: 'closed'; dial: number; reason: string }
  | { type: 'identified'; dial: number; answer: IdentifyAnswer }
  /** The caller has stored the mesh of the event `mesh`: the session may go online. */
  | { type: 'mesh-accepted'; dial: number }
  /** This user's key, in answer to the effect `prove`. */
  | { type: 'identity'; dial: number; identity: Identity; challenge: Challenge }
  /** The user's key cannot be loaded or created. */
  | { type: 'no-identity'; dial: number; reason: string }

/** What a server sends. A session drops these inputs until it is online at that server. */
export type OnlineInput =
  /** The key that currently holds a name; undefined: none. */
  | { type: 'key'; dial: number; user: string; key: string | undefined }
  /** The ticket of this user's claim, in answer to `ask-claim`. */
  | { type: 'claim'; dial: number; ticket: ClaimTicket }
  | { type: 'im'; dial: number; message: DeliveredMessage }
  | { type: 'fate'; dial: number; id: string; fate: Fate }
  /** More connections have confirmed messages of this user. */
  | { type: 'receipts'; dial: number; receipts: readonly Receipt[] }
  | { type: 'roster'; dial: number; delta: RosterDelta }
  | { type: 'roster-snapshot'; dial: number; snapshot: RosterSnapshot }
  | { type: 'connections'; dial: number; changes: Connections }
  | { type: 'view'; dial: number; change: RosterViewEvent }
  /** The answer to the effect `watch`. */
  | { type: 'watched'; dial: number; names: readonly string[]; answer: WatchedNames }
  /** The answer to the effect `names`. */
  | { type: 'names'; dial: number; request: NamesRequest; answer: NamesPage }
  /** The answer to the effect `find`. */
  | { type: 'found'; dial: number; text: string; answer: FoundNames }
  | { type: 'siblings'; dial: number; connections: number }
  /** `mesh`: the mesh key that the sender put into the frame; a sibling of 0.1 puts none. `sealed`: with the user's key. */
  | { type: 'relay'; dial: number; from: string; frame: SiblingFrame; mesh?: string | undefined; sealed: boolean }
  /** The answer to the effect `join`. */
  | { type: 'room-joined'; dial: number; room: string; answer: JoinResponse }
  /** The answer to the effect `part`. */
  | { type: 'room-parted'; dial: number; room: string }
  | { type: 'room'; dial: number; event: RoomEvent }
  /** Another user is writing a message. */
  | { type: 'typing'; dial: number; notice: TypingNotice }
  | { type: 'room-list'; dial: number; list: Extract<RoomList, { ok: true }> }
  /** A frame of another member, `user`, of a room. */
  | {
      type: 'room-relay'
      dial: number
      room: string
      user: string
      from: string
      frame: SiblingFrame
      mesh?: string | undefined
    }
  | { type: 'move'; dial: number; servers: readonly ServerAddress[] }
  /** The mesh time of the server has changed, ms since 1970. */
  | { type: 'time'; dial: number; time: number }

export type SessionInput =
  | { type: 'start' }
  | { type: 'request'; request: SessionRequest }
  | IdentificationInput
  | OnlineInput
  /** The effects that store messages are on disk and safe there, up to that of `save` with the same number. */
  | { type: 'saved'; through: number }
  /** The end of an event-loop turn in which `needsFlush` became true. */
  | { type: 'flush' }
  | { type: 'tick' }

export type SessionEffect =
  | { type: 'dial'; dial: number; url: string }
  | { type: 'hang-up'; dial: number }
  | { type: 'identify'; dial: number; request: IdentifyRequest }
  /** Load or create this user's key, then answer with `identity` or `no-identity`. */
  | { type: 'prove'; dial: number; challenge: Challenge }
  | { type: 'ask-key'; dial: number; user: string }
  | { type: 'ask-claim'; dial: number }
  | { type: 'im'; dial: number; message: ComposedMessage }
  | { type: 'got'; dial: number; count: number }
  | { type: 'ask-roster'; dial: number }
  /** Answer with `watched`. */
  | { type: 'watch'; dial: number; names: readonly string[] }
  /** Answer with `names`. */
  | { type: 'names'; dial: number; request: NamesRequest }
  /** Answer with `found`. */
  | { type: 'find'; dial: number; text: string; count: number }
  /** Send a frame to siblings, with the field `mesh`; `sealed`: seal it with the user's key. */
  | {
      type: 'relay'
      dial: number
      to: string | undefined
      frame: SiblingFrame
      mesh: string | undefined
      sealed: boolean
    }
  /** Answer with `room-joined`. */
  | { type: 'join'; dial: number; room: string }
  /** Answer with `room-parted`. */
  | { type: 'part'; dial: number; room: string }
  /** Answer with `room-list`, if the server does. */
  | { type: 'ask-rooms'; dial: number }
  /** Send a frame to another member of a room, with the field `mesh`: to the one at `to`, or to any. */
  | {
      type: 'room-relay'
      dial: number
      room: string
      to: string | undefined
      frame: SiblingFrame
      mesh: string | undefined
    }
  /** Tell that this user is writing a message. It need not be repeated if it is lost. */
  | { type: 'typing'; dial: number; notice: TypingRequest }
  /** Keep the list of rooms, in place of the one before. */
  | { type: 'store-rooms'; rooms: readonly RoomEntry[] }
  // The next four must be performed in order; what must not happen before they are safe on disk waits for `saved`.
  /** Add a message to the history; `sealed` and `late` as in `StoredMessage`. */
  | { type: 'store'; message: Message; sealed?: string; late?: true }
  /**
   * Keep an own message until it is confirmed or rejected. Replaces an earlier one with the same id. `provisional` as in
   * `HeldMessage`.
   */
  | { type: 'store-pending'; message: Message; sealed?: string; provisional?: true }
  /** How many have confirmed the user's message with this id and time; replaces what was stored for it. */
  | { type: 'store-receipt'; id: string; at: number; receipt: StoredReceipt }
  /** Keep an own message that was rejected, to be shown as that; nobody else has it. */
  | { type: 'store-rejected'; message: RejectedMessage }
  /** The message is confirmed, rejected or taken back. */
  | { type: 'remove-pending'; id: string }
  /** Bring all messages stored so far to the disk, then answer with `saved`. If that is not possible, try again. */
  | { type: 'save'; through: number }
  /** Remember a user's public key. */
  | { type: 'pin'; user: string; key: string }
  /** Keep the ticket of this user's claim, in place of the one before. */
  | { type: 'store-claim'; ticket: KeptTicket }
  | { type: 'event'; event: SessionEvent }
