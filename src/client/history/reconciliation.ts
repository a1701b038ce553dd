/**
 * How the clients of one user come to hold the same messages: range-based set reconciliation (Meyer, "Range-Based Set
 * Reconciliation", 2022). A client tells its siblings the fingerprint of all that it holds; where fingerprints differ,
 * ranges are cut smaller until they are small enough to be told whole. Both sides end with the union. Every frame is
 * bounded, and any may be lost: the next comparison goes on from there.
 */
import * as z from 'zod'
import { atSchema, type Message, messageSchema, nameSchema } from '../../protocol/messages.ts'
import { type MessageLog, messageKey } from './message-log.ts'

/** A range of at most so many messages is told whole. */
const TOLD_AT_ONCE = 50
/** So many are not read from disk to see which of them a sibling lacks. */
const MANY = 1_000
/** A longer one is cut into so many. */
const PARTS = 8

/** Most characters of text in one frame, to stay under the packet size. */
const TEXT_AT_ONCE = 200_000

function fitsAFrame(messages: readonly Message[]): boolean {
  return messages.reduce((sum, { text }) => sum + text.length, 0) <= TEXT_AT_ONCE
}

/** Most read marks in one frame. */
export const MARKS_AT_ONCE = 500

const printSchema = z.object({
  from: z.number().min(0),
  to: z.number().min(0).optional(),
  count: z.int().min(0),
  hash: z.string().max(20),
})
const told = z.array(messageSchema).max(10_000)

/** What siblings say to each other inside a `relay`. */
export const siblingSchema = z.discriminatedUnion('type', [
  /** These are the fingerprints of what I hold. */
  z.object({ type: z.literal('compare'), ranges: z.array(printSchema).max(64) }),
  /** This is all that I hold in this range: tell me what I lack. */
  z.object({ type: z.literal('have'), from: z.number().min(0), to: z.number().min(0).optional(), messages: told }),
  /** You lack these. */
  z.object({ type: z.literal('tell'), messages: told }),
  /** These threads were read up to these hybrid times. */
  z.object({ type: z.literal('read'), marks: z.array(z.tuple([nameSchema, atSchema])).max(MARKS_AT_ONCE) }),
])
export type SiblingFrame = z.infer<typeof siblingSchema>

/** What a client says first. */
export function compareAll(log: MessageLog): SiblingFrame {
  return { type: 'compare', ranges: [log.fingerprint(0)] }
}

/** Takes a sibling's frame: the messages that it brought, to be added by `learn`, and what to answer. */
export function answerSibling(
  log: MessageLog,
  frame: SiblingFrame,
  learn: (messages: readonly Message[]) => void,
): SiblingFrame[] {
  switch (frame.type) {
    case 'read':
      return []
    case 'tell':
      learn(frame.messages)
      return []
    case 'have': {
      learn(frame.messages)
      // Against a great many of one's own, what was told is little: cut smaller first.
      if (log.fingerprint(frame.from, frame.to).count > MANY) {
        const ranges = log.split(frame.from, frame.to, PARTS)
        if (ranges.length > 1) return [{ type: 'compare', ranges }]
      }
      const theirs = new Set(frame.messages.map(messageKey))
      const lacking = log.between(frame.from, frame.to).filter(message => !theirs.has(messageKey(message)))
      if (lacking.length === 0) return []
      if (lacking.length <= TOLD_AT_ONCE && fitsAFrame(lacking)) return [{ type: 'tell', messages: lacking }]
      return [{ type: 'compare', ranges: log.split(frame.from, frame.to, PARTS) }]
    }
    case 'compare':
      return frame.ranges.flatMap((range): SiblingFrame[] => {
        const own = log.fingerprint(range.from, range.to)
        if (own.count === range.count && own.hash === range.hash) return []
        const messages = own.count <= TOLD_AT_ONCE ? log.between(range.from, range.to) : []
        if (own.count <= TOLD_AT_ONCE && fitsAFrame(messages)) {
          const have: SiblingFrame = { type: 'have', from: range.from, messages }
          if (range.to !== undefined) have.to = range.to
          return [have]
        }
        const ranges = log.split(range.from, range.to, PARTS)
        // Messages of one single time cannot be cut apart: told whole, however many.
        if (ranges.length === 1) return [{ type: 'tell', messages: log.between(range.from, range.to) }]
        return [{ type: 'compare', ranges }]
      })
  }
}
