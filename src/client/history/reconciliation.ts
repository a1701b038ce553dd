/**
 * How the clients of one user come to hold the same messages: range-based set reconciliation (Meyer, "Range-Based Set
 * Reconciliation", 2022). A client tells its siblings the fingerprint of all that it holds; where fingerprints differ,
 * ranges are cut smaller until they are small enough to be told whole. Both sides end with the union. Every frame is
 * bounded, and any may be lost: the next comparison goes on from there.
 */
import * as z from 'zod'
import { hybridTimeSchema, type Message, messageSchema, nameSchema } from '../../protocol/messages.ts'
import { type MessageLog, messageKey } from './message-log.ts'

/** A range of at most so many messages is told whole. */
const MAX_INLINE_MESSAGES = 50
/** So many are not read from disk to see which of them a sibling lacks. */
const MAX_MESSAGES_TO_DIFF = 1_000
/** A longer one is cut into so many. */
const SPLIT_PARTS = 8

/** Most characters of text in one frame, to stay under the packet size. */
const MAX_FRAME_TEXT_LENGTH = 200_000

function fitsFrame(messages: readonly Message[]): boolean {
  return messages.reduce((sum, { text }) => sum + text.length, 0) <= MAX_FRAME_TEXT_LENGTH
}

/** Most read marks in one frame. */
export const MAX_READ_MARKS_PER_FRAME = 500

const fingerprintSchema = z.object({
  from: z.number().min(0),
  to: z.number().min(0).optional(),
  count: z.int().min(0),
  hash: z.string().max(20),
})
const messagesSchema = z.array(messageSchema).max(10_000)

/** What siblings say to each other inside a `relay`. */
export const siblingFrameSchema = z.discriminatedUnion('type', [
  /** These are the fingerprints of what I hold. */
  z.object({ type: z.literal('compare'), ranges: z.array(fingerprintSchema).max(64) }),
  /** This is all that I hold in this range: tell me what I lack. */
  z.object({
    type: z.literal('have'),
    from: z.number().min(0),
    to: z.number().min(0).optional(),
    messages: messagesSchema,
  }),
  /** You lack these. */
  z.object({ type: z.literal('tell'), messages: messagesSchema }),
  /** These threads were read up to these hybrid times. */
  z.object({
    type: z.literal('read'),
    marks: z.array(z.tuple([nameSchema, hybridTimeSchema])).max(MAX_READ_MARKS_PER_FRAME),
  }),
])
export type SiblingFrame = z.infer<typeof siblingFrameSchema>

/** What a client says first. */
export function compareFrame(log: MessageLog): SiblingFrame {
  return { type: 'compare', ranges: [log.fingerprint(0)] }
}

/** Takes a sibling's frame: the messages that it brought, to be added by `learn`, and what to answer. */
export function handleSiblingFrame(
  log: MessageLog,
  frame: SiblingFrame,
  addMessages: (messages: readonly Message[]) => void,
): SiblingFrame[] {
  switch (frame.type) {
    case 'read':
      return []
    case 'tell':
      addMessages(frame.messages)
      return []
    case 'have': {
      addMessages(frame.messages)
      // Against a great many of one's own, what was told is little: cut smaller first.
      if (log.fingerprint(frame.from, frame.to).count > MAX_MESSAGES_TO_DIFF) {
        const ranges = log.split(frame.from, frame.to, SPLIT_PARTS)
        if (ranges.length > 1) return [{ type: 'compare', ranges }]
      }
      const theirs = new Set(frame.messages.map(messageKey))
      const missing = log.between(frame.from, frame.to).filter(message => !theirs.has(messageKey(message)))
      if (missing.length === 0) return []
      if (missing.length <= MAX_INLINE_MESSAGES && fitsFrame(missing)) return [{ type: 'tell', messages: missing }]
      return [{ type: 'compare', ranges: log.split(frame.from, frame.to, SPLIT_PARTS) }]
    }
    case 'compare':
      return frame.ranges.flatMap((range): SiblingFrame[] => {
        const own = log.fingerprint(range.from, range.to)
        if (own.count === range.count && own.hash === range.hash) return []
        const messages = own.count <= MAX_INLINE_MESSAGES ? log.between(range.from, range.to) : []
        if (own.count <= MAX_INLINE_MESSAGES && fitsFrame(messages)) {
          const have: SiblingFrame = { type: 'have', from: range.from, messages }
          if (range.to !== undefined) have.to = range.to
          return [have]
        }
        const ranges = log.split(range.from, range.to, SPLIT_PARTS)
        // Messages of one single time cannot be cut apart: told whole, however many.
        if (ranges.length === 1) return [{ type: 'tell', messages: log.between(range.from, range.to) }]
        return [{ type: 'compare', ranges }]
      })
  }
}
