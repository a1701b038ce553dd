import { type KeyObject, randomBytes } from 'node:crypto'
import type { Socket } from 'socket.io-client'
import * as z from 'zod'
import type { KeptTicket } from '../../src/client/claim-keeper.ts'
import type { SessionEvent } from '../../src/client/events.ts'
import {
  type Archive,
  type HeldMessage,
  NO_ARCHIVE,
  type RejectedMessage,
  type StoredReceipt,
} from '../../src/client/history/message-log.ts'
import { type SiblingFrame, siblingFrameSchema } from '../../src/client/history/reconciliation.ts'
import type { RoomEntry } from '../../src/client/rooms/room-list.ts'
import { Session } from '../../src/client/session.ts'
import type { IdentifyAnswer, SessionEffect, SessionInput, SessionOptions } from '../../src/client/types.ts'
import { timerDelay } from '../../src/common/time.ts'
import { dialOnce } from '../../src/programs/checked-socket.ts'
import { connectErrorText, disconnectText } from '../../src/programs/connection-error.ts'
import { isSigned } from '../../src/programs/signed-batch.ts'
import {
  claimResponseSchema,
  connectionAddressSchema,
  connectionsSchema,
  deliveredMessageSchema,
  type FoundNames,
  fateSchema,
  foundNamesSchema,
  identifyResponseSchema,
  type JoinResponse,
  joinResponseSchema,
  type KeyHolder,
  keyHolderSchema,
  MAX_PACKET_BYTES,
  type Message,
  meshTimeSchema,
  moveSchema,
  type NamesPage,
  nameSchema,
  namesPageSchema,
  packedRosterSchema,
  type Receipt,
  receiptsSchema,
  roomEventSchema,
  roomListSchema,
  rosterDeltaSchema,
  rosterSnapshotSchema,
  rosterViewEventSchema,
  siblingsSchema,
  typingNoticeSchema,
  type WatchedNames,
  watchedNamesSchema,
} from '../../src/protocol/messages.ts'
import { keySchema } from '../../src/protocol/proofs/credentials.ts'
import { roomNameSchema } from '../../src/protocol/rooms.ts'
import { sanitizeLine } from '../../src/protocol/text.ts'
import type { Sealer } from '../keys/sealer.ts'
import { tlsExporterOf } from './tls-exporter.ts'
import { unpackRoster } from './unpack-roster.ts'

/** A frame from a sibling, or from a member of a room: JSON text that servers relay unread; of siblings, encrypted in key mode. */
const relayedSchema = z.object({
  from: connectionAddressSchema,
  body: z.string().max(MAX_PACKET_BYTES),
  /** From a member of this room, `user`. */
  room: roomNameSchema.optional(),
  user: nameSchema.optional(),
})
const meshFieldSchema = z.object({ mesh: keySchema.optional() })

/** Parses a frame and the mesh key that its sender put into it; undefined if it is invalid. */
function parseFrame(text: string | undefined): { frame: SiblingFrame; mesh: string | undefined } | undefined {
  if (text === undefined) return undefined
  try {
    const raw: unknown = JSON.parse(text)
    return { frame: siblingFrameSchema.parse(raw), mesh: meshFieldSchema.parse(raw).mesh }
  } catch {
    return undefined
  }
}

const unpackedRosterSchema = z.preprocess(unpackRoster, rosterSnapshotSchema)

/** Parses the answer to `identify`; undefined if it is invalid. A packed roster is unpacked later, by the session. */
function parseAnswer(payload: unknown): IdentifyAnswer | undefined {
  const packed = z.object({ roster: packedRosterSchema }).safeParse(payload).data?.roster
  if (packed === undefined) return identifyResponseSchema.safeParse(payload).data
  const answer = identifyResponseSchema.safeParse({ ...(payload as object), roster: { version: 0, users: [] } }).data
  return answer?.ok ? { ...answer, roster: () => unpackedRosterSchema.safeParse(packed).data } : answer
}

/** Storage for a session's messages and for the messages it holds. */
export interface MessageStorage {
  /** Messages of earlier runs; the session emits no events for them. */
  readonly archive?: Archive
  readonly held: readonly HeldMessage[]
  /** @param sealed and `late`: see `StoredMessage` */
  store(message: Message, sealed?: string, late?: true): void
  /** Stores how many have confirmed the user's message with this id and time. */
  storeReceipt(id: string, at: number, receipt: StoredReceipt): void
  /** Stores an own message that was rejected. */
  storeRejected(message: RejectedMessage): void
  /** The rooms that the user has joined or left. */
  readonly rooms?: readonly RoomEntry[]
  /** Returns the messages of a room. */
  readonly roomArchive?: (room: string) => Archive
  /** How many have confirmed the user's latest messages, oldest first. */
  readonly receipts?: readonly Receipt[]
  /** Stores the list of rooms, in place of the one before. */
  storeRooms(rooms: readonly RoomEntry[]): void
  /** Calls `done` once everything stored so far is safe on disk; tries until it is. Undefined: all is in memory. */
  readonly save?: ((done: () => void) => void) | undefined
  /** Holds a message; replaces an earlier one with the same id. */
  hold(message: HeldMessage): void
  release(id: string): void
}

/** Storage for a user's private key, the known public keys of others, and the ticket of the user's claim. */
export interface KeyStore {
  /** The private key; a store may create it. Throws if the key cannot be used. */
  load(): KeyObject
  knownKeys(): ReadonlyMap<string, string>
  pin(user: string, key: string): void
  claim(): KeptTicket | undefined
  keepClaim(ticket: KeptTicket): void
}

/**
 * How long after `connect` to wait for an answer to the `identify` in the handshake, ms. A server that only knows the
 * event `identify` is sent the event then.
 */
const IDENTIFY_FALLBACK_MS = 250

/** Why the session leaves a server whose answer or message is invalid. */
const INVALID_PAYLOAD = 'the server sent an invalid payload'

/** Stores nothing: messages exist in memory only. */
export const NO_STORAGE: MessageStorage = {
  held: [],
  store: () => {},
  storeReceipt: () => {},
  storeRejected: () => {},
  storeRooms: () => {},
  hold: () => {},
  release: () => {},
}

/** The mesh that a server has proven; see the event `mesh` of a session. */
type MeshEvent = Extract<SessionEvent, { type: 'mesh' }>

/** How to run a session; see `SessionOptions`. */
export interface OpenOptions extends Omit<SessionOptions, 'makeNonce' | 'makeIdSuffix' | 'verify' | 'answersSaves'> {
  ca?: string | undefined
  keys?: KeyStore | undefined
  /** Keep the list of rooms apart from that of the user's other clients: tell them nothing of it, and hear nothing. */
  ownRooms?: boolean | undefined
  /**
   * Called once the mesh is proven, and before anything of value is sent to it. The session goes online when `accept` is
   * called, at once or later. Default: accepts every mesh.
   */
  onMesh?: ((mesh: MeshEvent, accept: () => void) => void) | undefined
}

/** Runs a session with a real socket, clock and storage. Returns the function that passes requests to the session. */
export function openSession(
  options: OpenOptions,
  storage: MessageStorage,
  listener: (event: SessionEvent) => void,
): (input: Extract<SessionInput, { type: 'request' }>['request']) => void {
  const { keys, onMesh = (_, accept) => accept() } = options
  const makeNonce = () => randomBytes(24).toString('base64url')
  const makeIdSuffix = () => randomBytes(8).toString('base64url')
  const session = new Session(
    { ...options, makeNonce, makeIdSuffix, verify: isSigned, answersSaves: storage.save !== undefined },
    {
      history: [],
      archive: storage.archive ?? NO_ARCHIVE,
      outbox: storage.held,
      keys: keys?.knownKeys() ?? new Map(),
      claim: keys?.claim(),
      ...(storage.rooms === undefined ? {} : { rooms: storage.rooms }),
      ...(storage.roomArchive === undefined ? {} : { roomArchive: storage.roomArchive }),
      ...(storage.receipts === undefined ? {} : { receipts: storage.receipts }),
    },
  )
  /** The user's key, once a server has asked for it. */
  let sealer: Sealer | undefined
  let socket: Socket | undefined
  let timer: NodeJS.Timeout | undefined
  /** The number of the latest connection. */
  let dialled = 0
  let isFlushScheduled = false
  /** Completes the Socket.IO handshake of a new connection with its `auth` payload. */
  let sendAuth: ((auth: { identify: object }) => void) | undefined
  /** Sends `identify` as an event if the server ignored it in the handshake. */
  let fallbackTimer: NodeJS.Timeout | undefined
  let sentFallback = false

  const step = (input: SessionInput) => {
    for (const effect of session.step(input, performance.now(), Date.now())) perform(effect)
    if (session.needsFlush && !isFlushScheduled) {
      isFlushScheduled = true
      setImmediate(() => {
        isFlushScheduled = false
        step({ type: 'flush' })
      })
    }
    clearTimeout(timer)
    const wait = session.deadline - performance.now()
    if (wait < Number.POSITIVE_INFINITY) timer = setTimeout(() => step({ type: 'tick' }), timerDelay(wait))
  }

  const isKeptApart = (frame: SiblingFrame) => options.ownRooms === true && frame.type === 'rooms'

  const dial = (dial: number, url: string) => {
    const newSocket = dialOnce(url, {
      ...(options.ca === undefined ? {} : { ca: options.ca }),
      // Identify within the handshake: saves a round trip.
      auth: send => {
        sendAuth = send
        step({ type: 'opened', dial, exporter: tlsExporterOf(newSocket) })
      },
    })
    socket = newSocket
    dialled = dial
    sentFallback = false
    newSocket.once('identified', handleIdentified(dial, true))
    newSocket.on('connect_error', error =>
      step({ type: 'closed', dial, reason: sanitizeLine(connectErrorText(error)) }),
    )
    newSocket.on('disconnect', reason => step({ type: 'closed', dial, reason: disconnectText(reason) }))
    const on = <T>(event: string, schema: z.ZodType<T>, handle: (payload: T) => void) => {
      newSocket.on(event, (payload: unknown) => {
        const parsed = schema.safeParse(payload)
        if (parsed.success) handle(parsed.data)
      })
    }
    newSocket.on('roster', (payload: unknown) => {
      if (!session.isLetIn) return
      const delta = rosterDeltaSchema.safeParse(unpackRoster(payload)).data
      if (delta !== undefined) step({ type: 'roster', dial, delta })
    })
    on('connections', connectionsSchema, changes => step({ type: 'connections', dial, changes }))
    on('view', rosterViewEventSchema, change => step({ type: 'view', dial, change }))
    on('siblings', siblingsSchema, ({ connections }) => step({ type: 'siblings', dial, connections }))
    on('move', moveSchema, ({ servers }) => step({ type: 'move', dial, servers }))
    on('receipts', receiptsSchema, receipts => step({ type: 'receipts', dial, receipts }))
    on('time', meshTimeSchema, ({ time }) => step({ type: 'time', dial, time }))
    on('room', roomEventSchema, event => step({ type: 'room', dial, event }))
    on('typing', typingNoticeSchema, notice => step({ type: 'typing', dial, notice }))
    on('relay', relayedSchema, ({ from, body, room, user }) => {
      if (room !== undefined) {
        const parsed = parseFrame(body)
        if (parsed !== undefined && user !== undefined) step({ type: 'room-relay', dial, room, user, from, ...parsed })
        return
      }
      const parsed = parseFrame(sealer === undefined ? body : sealer.openFromSibling(body))
      if (parsed !== undefined && !isKeptApart(parsed.frame))
        step({ type: 'relay', dial, from, ...parsed, sealed: sealer !== undefined })
    })
    // Messages are confirmed by count: skipping an invalid one would confirm it.
    newSocket.on(
      'im',
      requireValid(dial, deliveredMessageSchema, message => step({ type: 'im', dial, message })),
    )
  }

  /** For payloads that the session needs: if one is invalid, the session leaves this server. */
  const requireValid =
    <T>(dial: number, schema: z.ZodType<T>, handle: (payload: T) => void) =>
    (payload: unknown) => {
      const parsed = schema.safeParse(payload)
      if (parsed.success) handle(parsed.data)
      else step({ type: 'closed', dial, reason: INVALID_PAYLOAD })
    }

  /** Loads the user's key, and the cryptography on demand: most meshes need neither. */
  const prove = async ({ dial, challenge }: Extract<SessionEffect, { type: 'prove' }>) => {
    try {
      if (keys === undefined) throw new Error('this program has no key for this user; give it one')
      const { Sealer } = await import('../keys/sealer.ts')
      sealer ??= new Sealer(keys.load())
      step({ type: 'identity', dial, identity: sealer, challenge })
    } catch (error) {
      step({ type: 'no-identity', dial, reason: (error as Error).message })
    }
  }

  /** Handles the answer to `identify`, sent in the handshake or as an event. */
  const handleIdentified = (dial: number, wasInHandshake: boolean) => (payload: unknown) => {
    const answer = parseAnswer(payload)
    if (answer === undefined) return step({ type: 'closed', dial, reason: INVALID_PAYLOAD })
    // A slow server answers both: only the challenge of the later answer is valid.
    if (wasInHandshake && sentFallback && !answer.ok) return
    clearTimeout(fallbackTimer)
    step({ type: 'identified', dial, answer })
  }

  const identify = ({ dial, request }: Extract<SessionEffect, { type: 'identify' }>) => {
    const emit = () =>
      void socket?.emit('identify', { ...request, packed: true, batched: true }, handleIdentified(dial, false))
    if (sendAuth === undefined) return emit()
    sendAuth({ identify: { ...request, packed: true, batched: true } })
    sendAuth = undefined
    socket?.once('connect', () => {
      fallbackTimer = setTimeout(() => {
        sentFallback = true
        emit()
      }, IDENTIFY_FALLBACK_MS)
    })
  }

  const perform = (effect: SessionEffect) => {
    switch (effect.type) {
      case 'dial':
        return dial(effect.dial, effect.url)
      case 'hang-up':
        clearTimeout(fallbackTimer)
        sendAuth = undefined
        socket?.removeAllListeners()
        socket?.disconnect()
        return
      case 'identify':
        return identify(effect)
      case 'prove':
        return void prove(effect)
      case 'ask-key': {
        const { dial, user } = effect
        const handleHolder = (holder: KeyHolder) =>
          step({ type: 'key', dial, user, key: holder.ok ? holder.key : undefined })
        return void socket?.emit('key', user, requireValid(dial, keyHolderSchema, handleHolder))
      }
      case 'ask-claim': {
        const { dial } = effect
        return void socket?.emit('claim', null, (answer: unknown) => {
          const parsed = claimResponseSchema.safeParse(answer).data
          if (parsed?.ok && parsed.claim !== undefined) step({ type: 'claim', dial, ticket: parsed.claim })
        })
      }
      case 'store-claim':
        return keys?.keepClaim(effect.ticket)
      case 'pin':
        return keys?.pin(effect.user, effect.key)
      case 'im': {
        const { id } = effect.message
        const { dial } = effect
        socket?.emit(
          'im',
          effect.message,
          requireValid(dial, fateSchema, fate => step({ type: 'fate', dial, id, fate })),
        )
        return
      }
      case 'got':
        socket?.emit('got', effect.count)
        return
      case 'ask-roster':
        socket?.emit(
          'roster',
          requireValid(effect.dial, unpackedRosterSchema, snapshot =>
            step({ type: 'roster-snapshot', dial: effect.dial, snapshot }),
          ),
        )
        return
      case 'watch': {
        const { dial, names } = effect
        const handle = (answer: WatchedNames) => step({ type: 'watched', dial, names, answer })
        return void socket?.emit('watch', names, requireValid(dial, watchedNamesSchema, handle))
      }
      case 'names': {
        const { dial, request } = effect
        const handle = (answer: NamesPage) => step({ type: 'names', dial, request, answer })
        return void socket?.emit('names', request, requireValid(dial, namesPageSchema, handle))
      }
      case 'find': {
        const { dial, text, count } = effect
        const handle = (answer: FoundNames) => step({ type: 'found', dial, text, answer })
        return void socket?.emit('find', { text, count }, requireValid(dial, foundNamesSchema, handle))
      }
      case 'relay': {
        const { to, frame, mesh, sealed } = effect
        if (isKeptApart(frame)) return
        const text = JSON.stringify({ ...frame, mesh })
        const body = sealed ? sealer?.sealForSiblings(text) : text
        if (body !== undefined) socket?.emit('relay', { to, body })
        return
      }
      case 'join': {
        const { dial, room } = effect
        const handle = (answer: JoinResponse) => step({ type: 'room-joined', dial, room, answer })
        return void socket?.emit('join', room, requireValid(dial, joinResponseSchema, handle))
      }
      case 'part': {
        const { dial, room } = effect
        return void socket?.emit('part', room, () => step({ type: 'room-parted', dial, room }))
      }
      case 'ask-rooms': {
        const { dial } = effect
        return void socket?.emit('rooms', null, (answer: unknown) => {
          const list = roomListSchema.safeParse(answer).data
          if (list?.ok) step({ type: 'room-list', dial, list })
        })
      }
      case 'room-relay': {
        const { room, to, frame, mesh } = effect
        return void socket?.emit('relay', { room, to, body: JSON.stringify({ ...frame, mesh }) })
      }
      case 'typing':
        return void socket?.emit('typing', effect.notice)
      case 'store-rooms':
        return storage.storeRooms(effect.rooms)
      case 'store':
        return storage.store(effect.message, effect.sealed, effect.late)
      case 'store-receipt':
        return storage.storeReceipt(effect.id, effect.at, effect.receipt)
      case 'store-rejected':
        return storage.storeRejected(effect.message)
      case 'store-pending':
        return storage.hold(heldMessage(effect))
      case 'save': {
        const { through } = effect
        return storage.save?.(() => step({ type: 'saved', through }))
      }
      case 'remove-pending':
        return storage.release(effect.id)
      case 'event': {
        const { event } = effect
        listener(event)
        const accepted = dialled
        if (event.type === 'mesh') onMesh(event, () => step({ type: 'mesh-accepted', dial: accepted }))
        return
      }
      default:
        effect satisfies never
    }
  }

  step({ type: 'start' })
  return request => step({ type: 'request', request })
}

function heldMessage({ message, sealed, provisional }: Extract<SessionEffect, { type: 'store-pending' }>): HeldMessage {
  return {
    ...message,
    ...(sealed === undefined ? {} : { sealed }),
    ...(provisional === undefined ? {} : { provisional }),
  }
}
