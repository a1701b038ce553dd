/**
 * Catch-up between the clients of one user by range-based set reconciliation (Meyer, "Range-Based Set Reconciliation",
 * 2022). A client sends the fingerprint of all messages that it holds. Ranges whose fingerprints differ are split until
 * they are small enough to send their messages. Both sides end with the union. Every frame is bounded, and any frame
 * may be lost: the next comparison continues from there.
 */
import * as z from 'zod'
import { type Message, messageSchema, nameSchema, receiptsSchema, validItems } from '../../protocol/messages.ts'
import { timeSchema } from '../../protocol/time-schema.ts'
import { MAX_REMEMBERED_ROOMS, roomEntrySchema } from '../rooms/room-list.ts'
import type { MessageLog } from './message-log.ts'
import { messageKey, type Range } from './positions.ts'

/** A range of at most this number of messages is sent inline instead of split. */
const MAX_INLINE_MESSAGES = 50
/** Most messages read from disk to find those that a sibling lacks. */
const MAX_MESSAGES_TO_DIFF = 1_000
/** Most messages in `tell`: with short texts, ids and names count too. */
const MAX_TOLD_MESSAGES = 500
/** Parts into which a longer range is split. */
const SPLIT_PARTS = 8

/** Most UTF-16 units of text in one frame, so that it fits a packet. */
const MAX_FRAME_TEXT_LENGTH = 200_000

/** Most UTF-16 units of text in all answers to one frame: 64 ranges of a sibling must not cost 64 full frames. */
const MAX_ANSWER_TEXT_LENGTH = 2_000_000

function textLength(messages: readonly Message[]): number {
  return messages.reduce((sum, { text }) => sum + text.length, 0)
}

function fitsFrame(messages: readonly Message[]): boolean {
  return textLength(messages) <= MAX_FRAME_TEXT_LENGTH
}

/** Most read marks in one frame. */
export const MAX_READ_MARKS_PER_FRAME = 500

const hashSchema = z.string().regex(/^[0-9a-f]{16}$/)
const rangeSchema = z.object({
  from: z.number().min(0),
  fromHash: hashSchema.optional(),
  to: z.number().min(0).optional(),
  toHash: hashSchema.optional(),
})
const fingerprintSchema = rangeSchema.extend({ count: z.int().min(0), hash: z.string().max(20) })
/** The sender understands bounds with a hash. A client of 0.1 does not, and would take such a range for another one. */
const byHashSchema = z.literal(true).optional()
const messagesSchema = validItems(messageSchema, 10_000)

/** A frame between siblings, the body of a `relay`. */
export const siblingFrameSchema = z.discriminatedUnion('type', [
  /** Fingerprints of the ranges that the sender holds. */
  z.object({ type: z.literal('compare'), byHash: byHashSchema, ranges: z.array(fingerprintSchema).max(64) }),
  /** All messages that the sender holds in a range: the receiver answers with those that are missing. */
  rangeSchema.extend({ type: z.literal('have'), byHash: byHashSchema, messages: messagesSchema }),
  /** Messages that the receiver lacks. */
  z.object({ type: z.literal('tell'), messages: messagesSchema }),
  /** Read marks: threads and the hybrid times up to which they were read. */
  z.object({
    type: z.literal('read'),
    marks: validItems(z.tuple([nameSchema, timeSchema]), MAX_READ_MARKS_PER_FRAME),
  }),
  /** A hash of what the sender knows of receipts: a client that knows something else answers with `receipts`. */
  z.object({ type: z.literal('compare-receipts'), hash: hashSchema }),
  /** How many have confirmed the user's latest messages. */
  z.object({ type: z.literal('receipts'), receipts: receiptsSchema }),
  /** The rooms that the user has joined or left. */
  z.object({ type: z.literal('rooms'), rooms: validItems(roomEntrySchema, MAX_REMEMBERED_ROOMS) }),
])
export type SiblingFrame = z.infer<typeof siblingFrameSchema>

/** What a comparison reads: `between` returns messages in the form in which they may be sent. */
export type ComparedLog = Pick<MessageLog, 'fingerprint' | 'split' | 'between'>

/** The frame that starts a comparison of the messages since a hybrid time. */
export function compareFrame(log: ComparedLog, from = 0): SiblingFrame {
  return { type: 'compare', byHash: true, ranges: [log.fingerprint({ from })] }
}

/**
 * Handles a sibling's frame: passes its messages to `addMessages`, which adds them to the log, and returns the answers.
 * Every exchange ends: an answer is either the last one about its range, or about parts with fewer messages.
 */
export function handleSiblingFrame(
  log: ComparedLog,
  frame: SiblingFrame,
  addMessages: (messages: readonly Message[]) => void,
): SiblingFrame[] {
  switch (frame.type) {
    case 'read':
    case 'compare-receipts':
    case 'receipts':
    case 'rooms':
      return []
    case 'tell':
      addMessages(frame.messages)
      return []
    case 'have': {
      addMessages(frame.messages)
      const byHash = frame.byHash === true
      // Reading a long range from disk to find the few missing messages costs too much: split it first.
      if (log.fingerprint(frame).count > MAX_MESSAGES_TO_DIFF) {
        const parts = compareParts(log, frame, byHash)
        if (parts !== undefined) return [parts]
      }
      const theirs = new Set(frame.messages.map(messageKey))
      const missing = log.between(frame).filter(message => !theirs.has(messageKey(message)))
      if (missing.length <= MAX_INLINE_MESSAGES && fitsFrame(missing)) return tell(missing)
      const parts = compareParts(log, frame, byHash)
      return parts === undefined ? tell(missing) : [parts]
    }
    case 'compare': {
      const answers: SiblingFrame[] = []
      let length = 0
      for (const range of frame.ranges) {
        const added = answerRange(log, range, frame.byHash === true)
        answers.push(...added)
        for (const answer of added) if ('messages' in answer) length += textLength(answer.messages)
        // The next comparison continues with the other ranges.
        if (length >= MAX_ANSWER_TEXT_LENGTH) break
      }
      return answers
    }
  }
}

function answerRange(
  log: ComparedLog,
  range: Range & { count: number; hash: string },
  byHash: boolean,
): SiblingFrame[] {
  const own = log.fingerprint(range)
  if (own.count === range.count && own.hash === range.hash) return []
  const messages = own.count <= MAX_INLINE_MESSAGES ? log.between(range) : []
  if (own.count <= MAX_INLINE_MESSAGES && fitsFrame(messages)) {
    const { count: _, hash: __, ...bounds } = own
    return [{ type: 'have', byHash: true, ...bounds, messages }]
  }
  const parts = compareParts(log, range, byHash)
  return parts === undefined ? tell(log.between(range)) : [parts]
}

/** The fingerprints of parts of a range; undefined if it cannot be split. */
function compareParts(log: ComparedLog, range: Range, byHash: boolean): SiblingFrame | undefined {
  const ranges = log.split(range, SPLIT_PARTS, byHash)
  return ranges.length > 1 ? { type: 'compare', byHash: true, ranges } : undefined
}

/**
 * Messages that cannot be split further, in frames that fit a packet: one long message, or, for a client of 0.1, all of
 * one time. Of more than some hundred long ones of one time, a client of 0.1 gets the first only.
 */
function tell(messages: readonly Message[]): SiblingFrame[] {
  const frames: { type: 'tell'; messages: Message[] }[] = []
  let length = 0
  let total = 0
  for (const message of messages) {
    const last = frames.at(-1)
    length += message.text.length
    total += message.text.length
    if (total > MAX_ANSWER_TEXT_LENGTH && last !== undefined) break
    if (last !== undefined && length <= MAX_FRAME_TEXT_LENGTH && last.messages.length < MAX_TOLD_MESSAGES) {
      last.messages.push(message)
      continue
    }
    frames.push({ type: 'tell', messages: [message] })
    length = message.text.length
  }
  return frames
}
