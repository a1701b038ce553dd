import type { Model, Notice, ScreenRequest } from '../model.ts'
import type { Preferences } from '../preferences.ts'

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
  /** What the next argument may be, after these ones: Tab completes it. */
  nextArguments?: (before: readonly string[]) => readonly string[]
  /** Why the line mode does not have the command; undefined: it has one with this name. */
  screenOnly?: string
  /** Changes the model and returns the side effects to carry out. `args` is the trimmed text after the name. */
  run: (model: Model, args: string) => ScreenRequest[]
}

export function changePreferences(model: Model, change: Partial<Preferences>): void {
  model.preferences = { ...model.preferences, ...change }
}

/** The list without an item that it has, or with one that it has not, at its end. */
export function toggled(list: readonly string[], item: string): string[] {
  return list.includes(item) ? list.filter(one => one !== item) : [...list, item]
}

export function notify(model: Model, text: string, tone: Notice['tone'] = 'info'): ScreenRequest[] {
  model.showNotice(text, tone)
  return []
}
