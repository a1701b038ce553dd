import { isRoom } from '../../../../src/protocol/rooms.ts'
import type { Model, Notice, ScreenRequest } from '../model.ts'
import { isKnownName, similarUser } from '../names/known-names.ts'
import { nearestName } from '../names/nearest-name.ts'
import type { PreferenceChange } from './preference-changes.ts'

/** A slash command. */
export interface Command {
  name: string
  /** The arguments; those in brackets are optional. */
  usage: string
  help: string
  /** Whether the first argument is a room: Tab completes it also without its `#`. */
  takesRoom?: true
  /** Whether the first or the only argument is a name: Tab completes it, also one with spaces. */
  takesName?: 'first' | 'only'
  /** Whether the first argument may choose a message: Tab completes the name after `@`. */
  takesMessage?: true
  /** What the next argument may be, after these ones: Tab completes it. */
  nextArguments?: (before: readonly string[]) => readonly string[]
  /** Changes the model and returns the side effects to carry out. `args` is the trimmed text after the name. */
  run: (model: Model, args: string) => ScreenRequest[]
}

/** Shows the answer to a command about preferences, and keeps what it has changed. */
export function applyChange(model: Model, { text, isError, preferences }: PreferenceChange): ScreenRequest[] {
  notify(model, text, isError ? 'error' : 'info')
  if (preferences === undefined) return []
  model.preferences = preferences
  return [{ type: 'save' }]
}

/** The same for a user or room, with a suggestion if the name may be misspelt. */
export function applyToName(model: Model, name: string, change: PreferenceChange): ScreenRequest[] {
  const isKnown = isKnownName(model, name) || model.rooms.has(name)
  const similar = isKnown ? undefined : isRoom(name) ? nearestName(model, name) : similarUser(model, name)
  return applyChange(
    model,
    similar === undefined ? change : { ...change, text: `${change.text}; did you mean ${similar}?` },
  )
}

export function notify(model: Model, text: string, tone: Notice['tone'] = 'info'): ScreenRequest[] {
  model.showNotice(text, tone)
  return []
}
