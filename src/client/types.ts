/**
 * A client's session as a state machine: what comes in, what goes out. The edge numbers connections; every payload was
 * parsed there.
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
  /** Random, unique to this run of the program: its messages' ids begin with it. */
  instance: string
  /** URLs of servers, in the order in which to try them first. */
  servers: readonly string[]
  /** What the mesh's operator has signed, if that is how it knows its users. */
  token?: string | undefined
  /** How the server has to know its users; undefined: as it likes. */
  auth?: AuthMode | undefined
  /** Random numbers in [0, 1). */
  random: () => number
}

/** `dial` numbers a connection: what comes late from an old one is told apart. */
export type SessionInput =
  /** What the disk has: messages that are told, an archive that is not, what waits, and the keys of users. */
  | {
      type: 'start'
      history: readonly Message[]
      archive?: Archive
      outbox: readonly Message[]
      keys?: ReadonlyMap<string, string>
    }
  | { type: 'request'; request: SessionRequest }
  | { type: 'opened'; dial: number }
  | { type: 'closed'; dial: number; reason: string }
  | { type: 'identified'; dial: number; answer: IdentifyResponse }
  /** This user's key, asked for by `prove`. */
  | { type: 'identity'; dial: number; identity: Identity; challenge: Challenge }
  /** There is none, and none can be made. */
  | { type: 'no-identity'; dial: number; reason: string }
  /** The key that holds a name now; undefined: none does. */
  | { type: 'key'; dial: number; user: string; key: string | undefined }
  | { type: 'im'; dial: number; message: DeliveredMessage }
  | { type: 'fate'; dial: number; id: string; fate: Fate }
  | { type: 'roster'; dial: number; delta: RosterDelta }
  | { type: 'roster-snapshot'; dial: number; snapshot: RosterSnapshot }
  | { type: 'connections'; dial: number; changes: Connections }
  | { type: 'siblings'; dial: number; connections: number }
  | { type: 'relay'; dial: number; from: string; frame: SiblingFrame }
  | { type: 'move'; dial: number; servers: readonly ServerAddress[] }
  /** Ends a turn of the event loop in which `gathered` became true. */
  | { type: 'flush' }
  | { type: 'tick' }

export type SessionEffect =
  | { type: 'dial'; dial: number; url: string }
  | { type: 'hang-up'; dial: number }
  | { type: 'identify'; dial: number; hello: IdentifyRequest }
  /** Load this user's key, or make it. */
  | { type: 'prove'; dial: number; challenge: Challenge }
  | { type: 'ask-key'; dial: number; user: string }
  | { type: 'im'; dial: number; message: ComposedMessage }
  | { type: 'got'; dial: number; count: number }
  | { type: 'ask-roster'; dial: number }
  | { type: 'relay'; dial: number; to: string | undefined; frame: SiblingFrame }
  /** Keep on disk, before anything after this effect is done: a message for the history, … */
  | { type: 'store'; message: Message }
  /** … a message of one's own that is held, and that it is not any more. */
  | { type: 'hold'; message: Message }
  | { type: 'release'; id: string }
  /** … whose a key is, from now on. */
  | { type: 'pin'; user: string; key: string }
  | { type: 'tell'; event: SessionEvent }
