import { sanitizeLine } from '../../../src/protocol/text.ts'
import { fitToColumns } from '../../terminal/width.ts'
import type { ReadonlyModel } from './readonly-model.ts'

/** Longest title, in columns. */
const MAX_TITLE_COLUMNS = 80

/** The title of the terminal: unread messages, mentions of the user, the program and the user; `(3 @1) mesh-chat — Anna`. */
export function windowTitle({ unreadCount, mentionCount, user }: ReadonlyModel): string {
  const mentions = mentionCount > 0 ? ` @${mentionCount}` : ''
  const counts = unreadCount > 0 ? `(${unreadCount}${mentions}) ` : ''
  return fitToColumns(`${counts}mesh-chat — ${sanitizeLine(user)}`, MAX_TITLE_COLUMNS).trimEnd()
}
