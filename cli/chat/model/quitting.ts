import type { Model, ScreenRequest } from './model.ts'

/** Quits; with messages that wait only after the user was told how many there are, and asks again. */
export function quit(model: Model): ScreenRequest[] {
  const { count } = model.waiting
  if (count <= model.warnedWaitingCount) return [{ type: 'quit' }]
  model.warnedWaitingCount = count
  model.quitArmed = true
  const outcome = model.hasHistory ? 'sent when you are online the next time' : 'lost if you quit: nothing is stored'
  model.showNotice(`${model.waiting.summary()}; ${outcome}. Quit again to leave`, 'error')
  return []
}
