/** What a client session tells its user interface (`SessionEvent`), and what the interface asks of it (`SessionRequest`). */
import type { NameList } from '../common/sorted-names.ts'
import type { ChangeContent, QuotedTarget } from '../protocol/message-kinds.ts'
import type { ErrorCode, Message, RoomInfo, ServerAddress } from '../protocol/messages.ts'
import type { AuthMode } from '../protocol/proofs/credentials.ts'
import type { HeldMessage } from './history/message-log.ts'

/** What identifies a mesh to a client. */
export interface MeshPin {
  /** The mesh key; undefined: not met yet, or servers of 0.1, which have none. */
  readonly key: string | undefined
  /** Its auth mode; undefined: not met yet. */
  readonly mode: AuthMode | undefined
  /** Its keys before its secret was changed: a server that proves only one of them is left, not refused for good. */
  readonly former?: readonly string[] | undefined
}

/** State of the connection. */
export type ConnectionState =
  /** Dialling `server`, a URL; `attempt` counts from 1 since the last time online. */
  | { phase: 'connecting'; server: string; attempt: number }
  /** Identified at `server`, a server id; `url` is its address. */
  | { phase: 'online'; server: string; url: string }
  /**
   * Disconnected, unreachable or rejected for now (`reason`, a short clause; `code`: of the rejection); the next attempt
   * is at `retryAt` (ms since 1970).
   */
  | { phase: 'waiting'; reason: string; retryAt: number; attempt: number; code?: ErrorCode }
  /** The server rejects this user for good (bad name, …): the session has ended. */
  | { phase: 'refused'; code: ErrorCode; message: string }
  | { phase: 'closed' }

/** State of a message that this client composed. */
export type Progress =
  /**
   * Held by this client: not sent, or not confirmed. It is sent again automatically. `clock-ahead`: its time is ahead of the
   * server's clock; the message is sent with another time, or when that time has come. `not-joined`: the server has not put
   * this client into the room yet.
   */
  | {
      state: 'waiting'
      reason: 'offline' | 'recipient-offline' | 'unconfirmed' | 'key-changed' | 'clock-ahead' | 'not-joined'
    }
  /** Sent to a server, no delivery result yet. */
  | { state: 'sent' }
  /**
   * Confirmed by this number of the recipient's connections. In a room: by this number of other members, of the `of` who
   * were there; `names`: those known by name, where they are few.
   */
  | { state: 'delivered'; connections: number; of?: number; names?: readonly string[] }
  /** Rejected; it is not sent again. */
  | { state: 'refused'; code: ErrorCode; message: string }

/** State of a room. */
export type RoomState =
  /** The user is in the room, and the client is offline or waits for its server. */
  | { state: 'waiting' }
  | { state: 'joined' }
  /** The user has left the room, here or on another client. */
  | { state: 'parted' }
  /** The server does not let the user in for now; the client asks again. `code`: an `ErrorCode`, or `unsupported`. */
  | { state: 'rejected'; code: string; message: string }
  /** The server does not let the user in; the user is not in the room. */
  | { state: 'refused'; code: string; message: string }

export type SessionEvent =
  | { type: 'connection'; state: ConnectionState }
  /**
   * The sorted names online in the whole mesh, and the difference to the previous event. `users` is the session's own
   * live list. `total`: number of users online, if `users` has only those that this client watches (`watch`) and shows
   * (`show-names`).
   */
  | { type: 'roster'; users: NameList; joined: readonly string[]; left: readonly string[]; total?: number }
  /** Names online that match `text`, the best first: the answer to `find-names`. */
  | { type: 'names-found'; text: string; users: readonly string[] }
  /** The answer to `list-names`: `first` is the number of users online before the first of `users`. */
  | { type: 'names-listed'; after: string; first: number; total: number; users: readonly string[] }
  /**
   * A message, once per id, in any order of `at`: insert it by (`at`, `id`). `origin`: `composed` by this client,
   * `live` from the mesh, `history` read from disk or received from another of the user's clients. `late`: it was held on
   * its way or claims an earlier time, so it may be sorted before messages that the user has already read.
   */
  | { type: 'message'; message: Message; origin: 'composed' | 'live' | 'history'; late?: true }
  /** An own message that no server had accepted has another time: move it. Its earlier time was from a wrong clock. */
  | { type: 'redated'; message: Message }
  /** The clock of this machine differs from the time of the mesh by this much, ms; negative: it is behind. Once. */
  | { type: 'clock-wrong'; ahead: number }
  /** Connection counts of the users with more than one connection; the session's own live map. */
  | { type: 'connections'; connections: ReadonlyMap<string, number> }
  /** Another client of this user has read the thread `thread` up to the hybrid time `at`. */
  | { type: 'read'; thread: string; at: number }
  /** The delivery state of an own message. `kind`: of an edit, deletion or reaction that is not delivered yet. */
  | { type: 'progress'; id: string; to: string; progress: Progress; kind?: ChangeContent['kind'] }
  /**
   * A message was taken back, and is not sent any more. It is removed from this client's disk, and no other client has it.
   * `isDeleted`: a server may have accepted it, so it is deleted for everyone instead.
   */
  | { type: 'cancelled'; message: Message; isDeleted?: true }
  /**
   * A message could not be taken back. `not-waiting`: it is delivered or rejected, or unknown to this client.
   * `may-be-delivered`: a server may have accepted it, and it cannot be deleted, such as an edit.
   */
  | { type: 'not-cancelled'; id: string; reason: 'not-waiting' | 'may-be-delivered' }
  /** The longest text that the server accepts, in bytes of UTF-8; undefined: it does not say. */
  | { type: 'text-limit'; bytes: number | undefined }
  /**
   * The state of a room, and the difference of its members to the previous event. `members`, sorted, is the session's own
   * live list.
   */
  | {
      type: 'room'
      room: string
      state: RoomState
      members: NameList
      info: RoomInfo
      joined: readonly string[]
      left: readonly string[]
    }
  /** The rooms of the mesh that are not hidden, those with the most members first, and the number of all. */
  | {
      type: 'room-list'
      rooms: readonly { room: string; members: number; topic?: string | undefined }[]
      total: number
    }
  /**
   * A user's public key, in key mode. `own`: this user's key. `new`: first seen. `changed`: differs from the known key,
   * so the user may be an impostor; messages to the user are held until the key is trusted. `trusted`: accepted.
   * `own` is this user's key; `known`, the session's own live map, has the known key of each user.
   */
  | {
      type: 'key'
      user: string
      key: string
      state: 'own' | 'new' | 'changed' | 'trusted'
      own: string
      known: ReadonlyMap<string, string>
    }
  /**
   * The server at `url` has proven its mesh. Nothing but the identification was sent to it, and nothing more is until
   * the input `mesh-accepted`. `key` is undefined for a server of 0.1 at a configured address, which proves nothing;
   * `PUBLIC_MESH_KEY` proves nothing either. `isNew`: the session expected no key. `movedFrom`: the key that was
   * expected, if the mesh has another one now: its secret is being rotated, or it had none. The event comes once per
   * session, and again if the mesh moves.
   */
  | {
      type: 'mesh'
      key: string | undefined
      mode: AuthMode
      url: string
      isNew: boolean
      movedFrom?: string | undefined
    }
  /** The server at `url` is of another mesh than the expected one, or in another auth mode. The session has ended. */
  | { type: 'mesh-changed'; url: string; expected: MeshPin; actual: { key: string | undefined; mode: AuthMode } }
  /** A message was dropped because its author is not proven. `from` is the claimed sender. */
  | { type: 'forged'; from: string }
  /** Another user is writing a message to this user, or to a room; `to` as in a message. It comes again while they write. */
  | { type: 'typing'; from: string; to: string }
  /** The servers of the mesh, as last announced: a bounded number, and only the origins of their URLs. */
  | { type: 'servers'; servers: readonly ServerAddress[] }

/** What the user interface asks of the session. */
export type SessionRequest =
  | { type: 'compose'; to: string; text: string; reply?: QuotedTarget | undefined }
  /** Edit, delete or react to a message: a message of this kind. */
  | { type: 'change'; to: string; change: ChangeContent }
  /** Take back a message that waits. Answered with `cancelled`, once that is on disk, or with `not-cancelled`. */
  | { type: 'cancel'; id: string }
  | { type: 'join' | 'part'; room: string }
  /**
   * For a roster that is a view: tell whether these users are online; show `count` names of the sorted list, those after
   * `after`, in place of those before.
   */
  | { type: 'watch'; users: readonly string[] }
  | { type: 'show-names'; after: string; count: number }
  /** Ask for the event `names-found`. */
  | { type: 'find-names'; text: string; count: number }
  /** Ask for the event `names-listed`. */
  | { type: 'list-names'; after: string; count: number }
  /** Ask for the event `room-list`. */
  | { type: 'list-rooms' }
  /** Take over the held messages of another client of this user that has ended. They are on this client's disk. */
  | { type: 'adopt'; messages: readonly HeldMessage[] }
  /** The user is writing a message: may be said at each key press. Others are told if that is of use to them. */
  | { type: 'typing'; to: string }
  /** The thread `thread` is read up to the hybrid time `at`; the session tells the user's other clients. */
  | { type: 'read'; thread: string; at: number }
  /** The person accepts a user's changed key, and has compared `key`: any other key stays untrusted. */
  | { type: 'trust'; user: string; key: string }
  | { type: 'close' }
