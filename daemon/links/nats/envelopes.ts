/** The subjects of the backbone, and the schemas of what is published on them. */
import * as z from 'zod'
import { isForwardBatch } from '../../../src/protocol/guards.ts'
import { countSchema, idSchema } from '../../../src/protocol/messages.ts'
import { partySchema } from '../handshake.ts'

/** A server id as one token of a subject. */
const token = (id: string) => Buffer.from(id).toString('base64url')

export const SUBJECTS = {
  /** Handshake requests to a server. */
  handshake: (id: string) => `mesh-chat.door.${token(id)}`,
  /** Frames of links to a server. */
  link: (id: string) => `mesh-chat.link.${token(id)}`,
  /** Broadcasts of a server to all others. */
  broadcast: 'mesh-chat.all',
  /** Messages to or from a user; servers with a connection of the user subscribe. @param alias `EnvelopeMac.alias` */
  user: (alias: string) => `mesh-chat.user.${alias}`,
}

/** The dialler's first and second handshake request. The acceptor's nonce becomes the name of the link. */
export const handshakeRequestSchema = z.union([
  z.object({ dialler: partySchema }),
  z.object({ link: z.string().max(64), proof: z.string().max(100), signature: z.string().max(100).optional() }),
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

/** A message, and the links it is for with its sequence number on each. */
export const messageSchema = z.object({
  message: z.unknown().refine(message => isForwardBatch([message])),
  links: z.array(z.tuple([z.string().max(64), z.int().min(1)])).max(10_000),
})

/** Parses JSON; undefined if it is invalid. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
