/** The subjects of the backbone, and the schemas of what is published on them. */
import * as z from 'zod'
import { roomForwardedSchema } from '../../../../src/protocol/frames.ts'
import { isForwardBatch } from '../../../../src/protocol/guards.ts'
import { countSchema, idSchema } from '../../../../src/protocol/messages.ts'
import { partySchema } from '../../handshake.ts'

/** A server id as one token of a subject. */
export const subjectToken = (id: string) => Buffer.from(id).toString('base64url')

/** The subjects of version 0.1: they do not name the sender. */
export const LEGACY_SUBJECTS = {
  /** Handshake requests to a server. */
  handshake: (to: string) => `mesh-chat.door.${subjectToken(to)}`,
  /** Frames of links to a server. */
  link: (to: string) => `mesh-chat.link.${subjectToken(to)}`,
  /** Broadcasts to all servers. */
  broadcast: 'mesh-chat.all',
  /**
   * Messages to or from a user, or to a room; servers with a connection of the user, or with a member, subscribe. Rooms
   * have no subjects of their own, so that the NATS permissions of version 0.2 allow them.
   * @param alias `EnvelopeMac.alias` or `EnvelopeMac.roomAlias`
   */
  user: (alias: string) => `mesh-chat.user.${alias}`,
}

/** The same subjects with the sender as last token, so that NATS permissions can bind a server to its own id. */
export const SUBJECTS = {
  handshake: (to: string, from: string) => `${LEGACY_SUBJECTS.handshake(to)}.${subjectToken(from)}`,
  link: (to: string, from: string) => `${LEGACY_SUBJECTS.link(to)}.${subjectToken(from)}`,
  broadcast: (from: string) => `${LEGACY_SUBJECTS.broadcast}.${subjectToken(from)}`,
  user: (alias: string, from: string) => `${LEGACY_SUBJECTS.user(alias)}.${subjectToken(from)}`,
  /** Responses to the handshake requests of a server; the NATS client appends two tokens. */
  inbox: (id: string) => `mesh-chat.inbox.${subjectToken(id)}`,
}

/** Whether a publication to this subject can only be for servers of version 0.1. */
export function isLegacySubject(subject: string): boolean {
  return subject === LEGACY_SUBJECTS.broadcast || /^mesh-chat\.(door|link|user)\.[^.]+$/.test(subject)
}

/** A response to an inbox of the NATS client's default form: diallers of version 0.1 have no inbox with their id. */
const DEFAULT_INBOX = /^_INBOX\.[A-Za-z0-9]{22}\.[A-Za-z0-9]{1,40}$/
const INBOX_TOKENS = /^(\.[A-Za-z0-9]{1,40}){2}$/

/**
 * Whether a handshake request may be answered at this reply subject: the inbox of its sender. Otherwise a requester could
 * make the server publish where only the server may.
 * @param from the id of the requester
 * @param isLegacy whether the request came on a subject of version 0.1
 */
export function isOwnInbox(reply: string | undefined, from: string, isLegacy: boolean): boolean {
  if (reply === undefined) return false
  if (isLegacy && DEFAULT_INBOX.test(reply)) return true
  const inbox = SUBJECTS.inbox(from)
  return reply.startsWith(inbox) && INBOX_TOKENS.test(reply.slice(inbox.length))
}

/** Starts each nonce of a server that uses `SUBJECTS`. The nonces are part of the proofs, so it cannot be removed. */
const NONCE_PREFIX = 'from-'
export const markNonce = (nonce: string) => `${NONCE_PREFIX}${nonce}`
export const unmarkNonce = (nonce: string) =>
  nonce.startsWith(NONCE_PREFIX) ? nonce.slice(NONCE_PREFIX.length) : nonce
/** Whether the server of this nonce uses `SUBJECTS`. Nonces of version 0.1 have 22 characters. */
export const usesSenderSubjects = (nonce: string) => nonce.startsWith(NONCE_PREFIX) && nonce.length > 22

/** The dialler's first and second handshake request. The acceptor's nonce becomes the name of the link. */
export const handshakeRequestSchema = z.union([
  z.object({ dialler: partySchema }),
  z.object({
    link: z.string().max(64),
    proof: z.string().max(100),
    signature: z.string().max(100).optional(),
    /** The dialler again, as in its first request: the acceptor keeps nothing. Not from a server of 0.1. */
    party: partySchema.optional(),
  }),
])
export const challengeSchema = z.object({ acceptor: partySchema })

/** A frame of one link, numbered from 1 in each direction to detect loss and duplicates. */
export const linkEnvelopeSchema = z.object({
  link: z.string().max(64),
  n: z.int().min(1),
  event: z.string().max(32),
  payload: z.unknown(),
})

/** Besides the core's frames a link carries `closed`, and first `opened`, with the number of the sender's last broadcast. */
export const openedSchema = z.object({ said: countSchema })
/** A part of a frame that exceeds the backbone's maximum payload. */
export const partSchema = z.object({ text: z.string(), more: z.boolean() })
/** The frame that the parts make up. */
export const assembledFrameSchema = z.object({ event: z.string().max(32), payload: z.unknown() })

/** A broadcast, numbered by its sender to detect duplicates. */
export const broadcastSchema = z.object({
  incarnation: idSchema,
  n: z.int().min(1),
  event: z.string().max(32),
  payload: z.unknown(),
})

const messageLinksSchema = z.array(z.tuple([z.string().max(64), z.int().min(1)])).max(10_000)
/** A message, and the links it is for with its sequence number on each. */
export const messageSchema = z.object({
  message: z.unknown().refine(message => isForwardBatch([message])),
  links: messageLinksSchema,
})
/** The same for a message to a room. */
export const roomMessageSchema = z.object({ message: roomForwardedSchema, links: messageLinksSchema })
