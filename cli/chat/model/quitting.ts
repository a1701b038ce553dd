import { quitOutcome } from '../../common/waiting-messages.ts'
import type { Model, ScreenRequest } from './model.ts'

/** Quits; with messages that wait only after the user was told how many there are, and asks again. */
export function quit(model: Model): ScreenRequest[] {
  const { count } = model.waiting
  if (count <= model.warnedWaitingCount) return [{ type: 'quit' }]
  model.warnedWaitingCount = count
  model.quitArmed = true
  // The status row may cut the end.
  model.showQuestion(`quit again to leave; ${model.waiting.summary()}, ${quitOutcome(model.hasHistory)}`)
  return []
}
