import { compareNames } from '../../../../src/protocol/names.ts'
import { COMMANDS } from '../commands/commands.ts'
import type { Model } from '../model.ts'

/** A completion by Tab: where the word starts, the candidates, and which of them is in the input line. */
export interface Completion {
  start: number
  candidates: readonly string[]
  index: number
}

/** Completes the word before the cursor: a command at the start of the input, else a user name. Repeated, moves on by `by`. */
export function complete(model: Model, by: 1 | -1): void {
  const editor = model.focusedEditor
  const { completion } = model
  if (completion === undefined) {
    const before = editor.text.slice(0, editor.cursor)
    const start = before.startsWith('/') && !before.includes(' ') ? 0 : before.search(/\S*$/)
    const word = before.slice(start).toLowerCase()
    const all =
      start === 0 && word.startsWith('/')
        ? COMMANDS.map(command => `/${command.name} `)
        : [...new Set([...model.threads.keys(), ...model.online])].sort(compareNames).map(name => `${name} `)
    const candidates = all.filter(candidate => candidate.toLowerCase().startsWith(word))
    if (word === '' || candidates.length === 0) return
    model.completion = { start, candidates, index: by > 0 ? 0 : candidates.length - 1 }
  } else {
    const { length } = completion.candidates
    completion.index = (completion.index + by + length) % length
  }
  const current = model.completion
  if (current !== undefined) editor.replace(current.start, current.candidates[current.index] ?? '')
}
