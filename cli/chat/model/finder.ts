import { Editor } from './editor.ts'
import type { Model } from './model.ts'

/** Most matches shown; typing on finds the rest. */
const MAX_MATCHES = 500

/** A list narrowed by typing: people online to open a thread with, or lines entered before to enter again. */
export interface Finder {
  kind: 'people' | 'entered'
  editor: Editor
  /** Which match is chosen. */
  selectedIndex: number
}

export function openFinder(model: Model, kind: Finder['kind'], text = ''): void {
  const editor = new Editor()
  editor.insert(text)
  model.finder = { kind, editor, selectedIndex: 0 }
}

/** What matches what was typed: names in the roster's order, lines from the newest. */
export function finderMatches(model: Model, finder: Finder): string[] {
  const part = finder.editor.text.toLowerCase()
  const found: string[] = []
  const all = finder.kind === 'people' ? model.online : new Set(model.inputHistory.toReversed())
  for (const one of all) {
    if (one.toLowerCase().includes(part)) found.push(one)
    if (found.length === MAX_MATCHES) break
  }
  return found
}

/** Moves the choice, from end to end. */
export function moveSelection(model: Model, finder: Finder, by: number): void {
  const { length } = finderMatches(model, finder)
  finder.selectedIndex = length === 0 ? 0 : (finder.selectedIndex + by + length) % length
}
