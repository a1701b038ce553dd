/**
 * What a client's session tells its screen, and what the screen asks of the session.
 * The two one-way roads between network and terminal; neither side imports the other.
 */
import type { NameList } from '../common/sorted-names.ts'
import type { ErrorCode, Message, ServerAddress } from '../protocol/messages.ts'

/** Where the connection stands. */
export type ConnectionState =
  /** Dialling `server`; `attempt` counts from 1 since the last time online. */
  | { phase: 'connecting'; server: string; attempt: number }
  /** Identified at `server`, a server's id; `url` is its address. */
  | { phase: 'online'; server: string; url: string }
  /** The connection broke or could not be made (`reason`, a short clause); the next try is at `retryAt` (ms since 1970). */
  | { phase: 'waiting'; reason: string; retryAt: number; attempt: number }
  /** The server refuses this user for good (bad name, …): the session has ended. */
  | { phase: 'refused'; code: ErrorCode; message: string }
  | { phase: 'closed' }

/** What became of a message of one's own, as its sender sees it. Told for messages composed by this client only. */
export type Progress =
  /** Held here: not sent, or the recipient is offline. It goes out again by itself. */
  | { state: 'waiting'; reason: 'offline' | 'recipient-offline' | 'unconfirmed' | 'key-changed' }
  /** On its way: a server has it, no answer yet. */
  | { state: 'sent' }
  /** Confirmed by this many of the recipient's connections. */
  | { state: 'delivered'; connections: number }
  /** Will not be sent again. */
  | { state: 'refused'; code: ErrorCode; message: string }

export type SessionEvent =
  | { type: 'connection'; state: ConnectionState }
  /**
   * The sorted names online in the whole mesh, and the difference to what was told before. `users` is the session's
   * own list, always as it is now.
   */
  | { type: 'roster'; users: NameList; joined: readonly string[]; left: readonly string[] }
  /**
   * A message, once per id, in any order of `at`: insert it by (`at`, `id`). `origin`: `composed` by this client,
   * `live` from the mesh, `history` read from disk or from another of the user's clients.
   */
  | { type: 'message'; message: Message; origin: 'composed' | 'live' | 'history' }
  /** How many connections names have that have not just one; the session's own map, always as it is now. */
  | { type: 'connections'; connections: ReadonlyMap<string, number> }
  /** Another client of this user has read its thread with `thread` up to the hybrid time `at`. */
  | { type: 'read'; thread: string; at: number }
  | { type: 'progress'; id: string; to: string; progress: Progress }
  /**
   * Where users are known by keys. `own`: this user's. `new`: a user's, met for the first time. `changed`: a user has
   * another than before, and may be somebody else; what is for them waits until it is trusted. `trusted`: it is.
   * `own`: this user's key. `known`: whose key is whose; the session's own map, always as it is now.
   */
  | {
      type: 'key'
      user: string
      key: string
      state: 'own' | 'new' | 'changed' | 'trusted'
      own: string
      known: ReadonlyMap<string, string>
    }
  /** A message was dropped: nobody knows who wrote it. `from`: who was said to. */
  | { type: 'forged'; from: string }
  /** The mesh's servers as last heard. */
  | { type: 'servers'; servers: readonly ServerAddress[] }

/** What the screen asks of the session. */
export type SessionRequest =
  | { type: 'compose'; to: string; text: string }
  /** The thread with `thread` was read up to the hybrid time `at`: the user's other clients are told. */
  | { type: 'read'; thread: string; at: number }
  /** The other key that a user has now is theirs, says the person. */
  | { type: 'trust'; user: string }
  | { type: 'close' }
