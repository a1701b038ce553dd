import * as z from 'zod'
import {
  type AcceptorFrame,
  beatSchema,
  type DiallerFrame,
  type Forwarded,
  type ForwardFate,
  membersSchema,
  missedSchema,
  presenceSchema,
  relaySchema,
  statusAnswerSchema,
  surveyRequestSchema,
} from '../../src/protocol/frames.ts'
import { isFates, isForwardBatch } from '../../src/protocol/guards.ts'

const none = z.unknown().transform(() => null)

/** The frames of a link, by who sends them: each event with what its payload must be. */
export const LINK_EVENTS = {
  dialler: new Map<string, z.ZodType>([
    ['presence', presenceSchema],
    ['forward', z.custom<Forwarded[]>(isForwardBatch)],
    ['beat', beatSchema],
    ['members', membersSchema],
    ['relay', relaySchema],
    ['missed', missedSchema],
    ['survey', surveyRequestSchema],
    ['goodbye', none],
  ]),
  acceptor: new Map<string, z.ZodType>([
    ['fates', z.custom<ForwardFate[]>(isFates)],
    ['resync', none],
    ['beat', beatSchema],
    ['status', statusAnswerSchema],
  ]),
} as const

/** The frame that a payload makes; undefined: it is not what it must be. */
export function readFrame(
  sender: keyof typeof LINK_EVENTS,
  event: string,
  payload: unknown,
): DiallerFrame | AcceptorFrame | undefined {
  const parsed = LINK_EVENTS[sender].get(event)?.safeParse(payload)
  return parsed?.success === true ? ({ event, payload: parsed.data } as DiallerFrame | AcceptorFrame) : undefined
}
