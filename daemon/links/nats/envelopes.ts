/** What crosses the backbone, and where: the subjects, and what is published under them. */
import * as z from 'zod'
import { isForwardBatch } from '../../../src/protocol/guards.ts'
import { countSchema, idSchema } from '../../../src/protocol/messages.ts'
import { partySchema } from '../handshake.ts'

/** A server's id as one token of a subject. */
const token = (id: string) => Buffer.from(id).toString('base64url')

export const SUBJECTS = {
  /** Who dials a server asks here: its handshake. */
  handshake: (id: string) => `mesh-chat.door.${token(id)}`,
  /** Frames of links, for this server. */
  link: (id: string) => `mesh-chat.link.${token(id)}`,
  /** What a server tells all others. */
  broadcast: 'mesh-chat.all',
  /** Messages to or from a user: whoever holds one of their connections listens. @param alias see `Seal` */
  user: (alias: string) => `mesh-chat.user.${alias}`,
}

/** At the door: the dialler's first word, and its second. A link is called by the acceptor's nonce. */
export const handshakeRequestSchema = z.union([
  z.object({ dialler: partySchema }),
  z.object({ link: z.string().max(64), proof: z.string().max(100) }),
])
export const challengeSchema = z.object({ acceptor: partySchema })

/** A frame of one link. They are numbered from 1 in each direction: none may be missing, none comes twice. */
export const linkEnvelopeSchema = z.object({
  link: z.string().max(64),
  n: z.int().min(1),
  event: z.string().max(32),
  payload: z.unknown(),
})

/** Beside the frames of the core stand `closed`, and `opened`: the first, with the number of the sender's last word to all. */
export const openedSchema = z.object({ said: countSchema })
/** A piece of a frame that is longer than the backbone takes. */
export const partSchema = z.object({ text: z.string(), more: z.boolean() })
/** What the pieces make. */
export const assembledFrameSchema = z.object({ event: z.string().max(32), payload: z.unknown() })

/** A word to all, numbered by its speaker: what was heard once is not heard again. */
export const broadcastSchema = z.object({
  incarnation: idSchema,
  n: z.int().min(1),
  event: z.string().max(32),
  payload: z.unknown(),
})

/** A message, and for which links it is, with its number in each. */
export const messageSchema = z.object({
  message: z.unknown().refine(message => isForwardBatch([message])),
  links: z.array(z.tuple([z.string().max(64), z.int().min(1)])).max(10_000),
})

/** What a text of JSON says; undefined for another, which no schema takes. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
