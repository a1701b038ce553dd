/**
 * Inputs and effects of a client session. The caller numbers connections (`dial`) and parses every payload before it
 * becomes an input.
 */
import type { AuthMode, Challenge } from '../protocol/credentials.ts'
import type {
  ComposedMessage,
  Connections,
  DeliveredMessage,
  Fate,
  IdentifyRequest,
  IdentifyResponse,
  Message,
  RosterDelta,
  RosterSnapshot,
  ServerAddress,
} from '../protocol/messages.ts'
import type { SessionEvent, SessionRequest } from './events.ts'
import type { Archive } from './history/message-log.ts'
import type { SiblingFrame } from './history/reconciliation.ts'
import type { Identity } from './keys/keyring.ts'

export interface SessionOptions {
  user: string
  /** Name and version of the program. */
  client: string
  /** Random, unique to this run of the program: the prefix of its message ids. */
  instance: string
  /** Server URLs, in the order to try them first. */
  servers: readonly string[]
  /** The JWT for servers with `auth: token`. */
  token?: string | undefined
  /** The auth mode that a server must have; undefined: any. */
  auth?: AuthMode | undefined
  /** Random numbers in [0, 1). */
  random: () => number
}

/** What earlier runs of the program left on disk. */
export interface StoredState {
  /** Messages to emit as `message` events at the start. */
  readonly history: readonly Message[]
  /** Stored messages that are not emitted, read on demand. */
  readonly archive: Archive
  /** Messages that are not confirmed yet. */
  readonly outbox: readonly Message[]
  /** Public keys of other users, by name. */
  readonly keys: ReadonlyMap<string, string>
}

/** Inputs that concern one connection, `dial`. A session drops those of an earlier connection. */
type ConnectionInput =
  | { type: 'opened'; dial: number }
  | { type: 'closed'; dial: number; reason: string }
  | { type: 'identified'; dial: number; answer: IdentifyResponse }
  /** This user's key, in answer to the effect `prove`. */
  | { type: 'identity'; dial: number; identity: Identity; challenge: Challenge }
  /** The user's key cannot be loaded or created. */
  | { type: 'no-identity'; dial: number; reason: string }
  /** The key that currently holds a name; undefined: none. */
  | { type: 'key'; dial: number; user: string; key: string | undefined }
  | { type: 'im'; dial: number; message: DeliveredMessage }
  | { type: 'fate'; dial: number; id: string; fate: Fate }
  | { type: 'roster'; dial: number; delta: RosterDelta }
  | { type: 'roster-snapshot'; dial: number; snapshot: RosterSnapshot }
  | { type: 'connections'; dial: number; changes: Connections }
  | { type: 'siblings'; dial: number; connections: number }
  | { type: 'relay'; dial: number; from: string; frame: SiblingFrame }
  | { type: 'move'; dial: number; servers: readonly ServerAddress[] }

export type SessionInput =
  | { type: 'start' }
  | { type: 'request'; request: SessionRequest }
  | ConnectionInput
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
  | { type: 'im'; dial: number; message: ComposedMessage }
  | { type: 'got'; dial: number; count: number }
  | { type: 'ask-roster'; dial: number }
  | { type: 'relay'; dial: number; to: string | undefined; frame: SiblingFrame }
  // The next four must be on disk before any later effect is performed.
  /** Add a message to the history. */
  | { type: 'store'; message: Message }
  /** Keep an own message until it is confirmed or rejected. */
  | { type: 'store-pending'; message: Message }
  /** The message is confirmed or rejected. */
  | { type: 'remove-pending'; id: string }
  /** Remember a user's public key. */
  | { type: 'pin'; user: string; key: string }
  | { type: 'event'; event: SessionEvent }
