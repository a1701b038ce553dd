/** What the user sees: a thread is read only while the terminal has the focus. */
import type { Model, ScreenRequest } from '../model.ts'
import { markOpenThreadRead } from '../update.ts'

/**
 * The terminal has got or lost the focus. With the focus, the open thread is read; the messages that came in between are
 * below the line "new". A terminal that reports no focus always has it.
 */
export function setFocus(model: Model, isFocused: boolean): ScreenRequest[] {
  if (model.hasFocus === isFocused) return []
  model.hasFocus = isFocused
  const thread = model.current
  if (!isFocused || thread === undefined) return []
  if (thread.anchor === undefined && thread.unreadCount > 0) thread.firstUnreadId = thread.reading.firstUnread?.id
  return markOpenThreadRead(model)
}
