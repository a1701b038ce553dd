/** How long a notice of the status row is shown: until the next key, and no longer than it takes to read. */
import type { Model, Notice } from '../model.ts'

const MIN_DURATION_MS = 6_000
const MS_PER_CHARACTER = 100

/**
 * The time after which the notice goes, ms, while the user looks at the terminal; undefined: it stays until the next key,
 * because it asks something, or there is none.
 */
export function noticeDuration({ notice, suggestion, pendingPaste, keyPrefix }: Model): number | undefined {
  if (notice === undefined || notice.stays) return undefined
  if ([suggestion, pendingPaste, keyPrefix].some(question => question !== undefined)) return undefined
  return Math.max(MIN_DURATION_MS, notice.text.length * MS_PER_CHARACTER)
}

/** The time of a notice is over. Ctrl+C does not quit after it has gone. */
export function expireNotice(model: Model, notice: Notice): void {
  if (model.notice !== notice || noticeDuration(model) === undefined) return
  model.notice = undefined
  model.quitArmed = false
}
