import { sanitizeLine } from '../../../../src/protocol/text.ts'
import { fitToColumns } from '../../../terminal/width.ts'
import type { ReadonlyModel } from '../readonly-model.ts'
import { unreadText } from '../threads/unread-counts.ts'

/** Longest title, in columns. */
const MAX_TITLE_COLUMNS = 80

/** The title of the terminal: mentions of the user, other unread messages, the program and the user; `(@1 3) mesh-chat — Anna`. */
export function windowTitle(model: ReadonlyModel): string {
  const unread = unreadText(model)
  const counts = unread === '' ? '' : `(${unread}) `
  return fitToColumns(`${counts}mesh-chat — ${sanitizeLine(model.user)}`, MAX_TITLE_COLUMNS).trimEnd()
}
