/** A line of a history file: a message as JSON, with the fields `sealed` and `late` of `StoredMessage`. */
import * as z from 'zod'
import type { StoredMessage } from '../../src/client/history/message-log.ts'
import { withoutByteOrderMark } from '../../src/programs/json-text.ts'
import { type Message, messageSchema } from '../../src/protocol/messages.ts'

const lineSchema = z.object({
  message: messageSchema,
  sealed: z.string().optional(),
  late: z.literal(true).optional().catch(undefined),
})

export function formatLine(message: Message, sealed?: string, late?: true): string {
  // Fields that are undefined are left out.
  return JSON.stringify({ message, sealed, late })
}

/** Parses a line; undefined if it is incomplete or not a message. Skips a byte order mark, which an editor may have added. */
export function parseLine(line: string): StoredMessage | undefined {
  const text = withoutByteOrderMark(line)
  if (!text.startsWith('{"message":')) return undefined
  try {
    const parsed = lineSchema.safeParse(JSON.parse(text))
    if (!parsed.success) return undefined
    const { message, sealed, late } = parsed.data
    return { ...message, ...(sealed === undefined ? {} : { sealed }), ...(late === undefined ? {} : { late }) }
  } catch {
    return undefined
  }
}
