import * as z from 'zod'
import {
  type AcceptorFrame,
  claimsSchema,
  confirmedSchema,
  type DiallerFrame,
  type ForwardedMessage,
  type ForwardFate,
  heartbeatSchema,
  membersSchema,
  missedSchema,
  presenceSchema,
  relaySchema,
  roomForwardSchema,
  roomRelaySchema,
  statusRequestSchema,
  statusResponseSchema,
  userReceiptsSchema,
} from '../../src/protocol/frames.ts'
import { isFateBatch, isForwardBatch } from '../../src/protocol/guards.ts'
import { typingNoticeSchema } from '../../src/protocol/messages.ts'

const emptySchema = z.unknown().transform(() => null)

/** The frames of a link by sender: each event and the schema of its payload. */
export const LINK_EVENTS = {
  dialler: new Map<string, z.ZodType>([
    ['presence', presenceSchema],
    ['claims', claimsSchema],
    ['forward', z.custom<ForwardedMessage[]>(isForwardBatch)],
    ['beat', heartbeatSchema],
    ['members', membersSchema],
    ['relay', relaySchema],
    ['room-forward', roomForwardSchema],
    ['room-relay', roomRelaySchema],
    ['typing', typingNoticeSchema],
    ['missed', missedSchema],
    ['receipts', userReceiptsSchema],
    ['survey', statusRequestSchema],
    ['goodbye', emptySchema],
  ]),
  acceptor: new Map<string, z.ZodType>([
    ['fates', z.custom<ForwardFate[]>(isFateBatch)],
    ['confirmed', confirmedSchema],
    ['resync', emptySchema],
    ['request-members', emptySchema],
    ['beat', heartbeatSchema],
    ['status', statusResponseSchema],
  ]),
} as const

/** Parses a frame; undefined if the event or the payload is invalid. */
export function readFrame(
  sender: keyof typeof LINK_EVENTS,
  event: string,
  payload: unknown,
): DiallerFrame | AcceptorFrame | undefined {
  const parsed = LINK_EVENTS[sender].get(event)?.safeParse(payload)
  return parsed?.success === true ? ({ event, payload: parsed.data } as DiallerFrame | AcceptorFrame) : undefined
}
