/**
 * Lines of a history file: a message as JSON, with the fields `sealed` and `late` of `StoredMessage`, or a receipt. Messages
 * to rooms have lines of their own, which earlier versions ignore: they would take them for messages to this user.
 */
import * as z from 'zod'
import type { StoredMessage, StoredReceipt } from '../../src/client/history/message-log.ts'
import { messageKey } from '../../src/client/history/positions.ts'
import { withoutByteOrderMark } from '../../src/programs/json-text.ts'
import { countSchema, idSchema, type Message, messageSchema } from '../../src/protocol/messages.ts'
import { isRoom } from '../../src/protocol/rooms.ts'
import { timeSchema } from '../../src/protocol/time-schema.ts'

const fields = { sealed: z.string().optional(), late: z.literal(true).optional().catch(undefined) }
/** No user name starts like that of a room. */
const fromUserSchema = messageSchema.refine(({ from }) => !isRoom(from))
const messageLineSchema = z.object({ message: fromUserSchema.refine(({ to }) => !isRoom(to)), ...fields })
const roomLineSchema = z.object({ room: fromUserSchema.refine(({ to }) => isRoom(to)), ...fields })

/** Earlier versions ignore lines that do not start with `{"message":`. */
const receiptLineSchema = z.object({
  receipt: z.object({ id: idSchema, at: timeSchema, delivered: countSchema, of: countSchema.optional() }),
})

/** A receipt of the user's message with this id and time. */
export interface ReceiptLine extends StoredReceipt {
  readonly id: string
  readonly at: number
}

export function formatLine(message: Message, sealed?: string, late?: true): string {
  // Fields that are undefined are left out.
  return JSON.stringify(isRoom(message.to) ? { room: message, sealed, late } : { message, sealed, late })
}

export function formatReceipt({ id, at, delivered, of }: ReceiptLine): string {
  return JSON.stringify({ receipt: { id, at, delivered, of } })
}

/** Parses a line; undefined if it is incomplete or not a message. Skips a byte order mark, which an editor may have added. */
export function parseLine(line: string): StoredMessage | undefined {
  const text = withoutByteOrderMark(line)
  const isRoomLine = text.startsWith('{"room":')
  if (!isRoomLine && !text.startsWith('{"message":')) return undefined
  try {
    const raw: unknown = JSON.parse(text)
    const parsed = isRoomLine ? roomLineSchema.safeParse(raw) : messageLineSchema.safeParse(raw)
    if (!parsed.success) return undefined
    const { sealed, late } = parsed.data
    const message = 'room' in parsed.data ? parsed.data.room : parsed.data.message
    return { ...message, ...(sealed === undefined ? {} : { sealed }), ...(late === undefined ? {} : { late }) }
  } catch {
    return undefined
  }
}

/** What identifies a message in the file: one sender may use an id in several threads. Names contain no line breaks. */
export function lineKey(message: Message): string {
  return isRoom(message.to) ? `${message.to}\n${messageKey(message)}` : messageKey(message)
}

/** Parses a line; undefined if it is incomplete or not a receipt. */
export function parseReceipt(line: string): ReceiptLine | undefined {
  if (!line.startsWith('{"receipt":')) return undefined
  try {
    const parsed = receiptLineSchema.safeParse(JSON.parse(line))
    return parsed.success ? parsed.data.receipt : undefined
  } catch {
    return undefined
  }
}
