import type { Model } from '../model.ts'

/**
 * Ends the highlight of the match that a search has left. It stays while the user reads there: until they type, press Esc or go
 * to the end of the thread.
 */
export function endHighlight({ current, search }: Model): void {
  if (current !== undefined && search === undefined) current.searchMatch = undefined
}
