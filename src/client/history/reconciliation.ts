/**
 * Catch-up between the clients of one user by range-based set reconciliation (Meyer, "Range-Based Set Reconciliation",
 * 2022). A client sends the fingerprint of all messages that it holds. Ranges whose fingerprints differ are split until
 * they are small enough to send their messages. Both sides end with the union. Every frame is bounded, and any frame
 * may be lost: the next comparison continues from there.
 */
import * as z from 'zod'
import { hybridTimeSchema, type Message, messageSchema, nameSchema } from '../../protocol/messages.ts'
import { type MessageLog, messageKey } from './message-log.ts'

/** A range of at most this number of messages is sent inline instead of split. */
const MAX_INLINE_MESSAGES = 50
/** Most messages read from disk to find those that a sibling lacks. */
const MAX_MESSAGES_TO_DIFF = 1_000
/** Parts into which a longer range is split. */
const SPLIT_PARTS = 8

/** Most UTF-16 units of text in one frame, so that it fits a packet. */
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

/** A frame between siblings, the body of a `relay`. */
export const siblingFrameSchema = z.discriminatedUnion('type', [
  /** Fingerprints of the ranges that the sender holds. */
  z.object({ type: z.literal('compare'), ranges: z.array(fingerprintSchema).max(64) }),
  /** All messages that the sender holds in a range: the receiver answers with those that are missing. */
  z.object({
    type: z.literal('have'),
    from: z.number().min(0),
    to: z.number().min(0).optional(),
    messages: messagesSchema,
  }),
  /** Messages that the receiver lacks. */
  z.object({ type: z.literal('tell'), messages: messagesSchema }),
  /** Read marks: threads and the hybrid times up to which they were read. */
  z.object({
    type: z.literal('read'),
    marks: z.array(z.tuple([nameSchema, hybridTimeSchema])).max(MAX_READ_MARKS_PER_FRAME),
  }),
])
export type SiblingFrame = z.infer<typeof siblingFrameSchema>

/** The frame that starts a comparison. */
export function compareFrame(log: ComparedLog): SiblingFrame {
  return { type: 'compare', ranges: [log.fingerprint(0)] }
}

/** What a comparison reads: `between` returns messages in the form in which they may be sent. */
export type ComparedLog = Pick<MessageLog, 'fingerprint' | 'split' | 'between'>

/** Handles a sibling's frame: passes its messages to `addMessages`, which adds them to the log, and returns the answers. */
export function handleSiblingFrame(
  log: ComparedLog,
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
      // Reading a long range from disk to find the few missing messages costs too much: split it first.
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
        // Messages with one and the same time cannot be split: send them all, whatever their number.
        if (ranges.length === 1) return [{ type: 'tell', messages: log.between(range.from, range.to) }]
        return [{ type: 'compare', ranges }]
      })
  }
}
