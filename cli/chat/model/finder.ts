import { Editor, isEditAction } from './editing/editor.ts'
import type { Action } from './keymap.ts'
import type { Model, ScreenRequest } from './model.ts'
import type { ReadonlyFinder, ReadonlyModel } from './readonly-model.ts'
import { openThread } from './switch-thread.ts'

/** Most matches listed; typing more narrows them down. */
const MAX_MATCHES = 500

/** A list that typing narrows down: online users to open a thread with, or earlier input to enter again. */
export interface Finder {
  kind: 'users' | 'input'
  editor: Editor
  selectedIndex: number
}

export function openFinder(model: Model, kind: Finder['kind'], text = ''): void {
  const editor = new Editor()
  editor.insert(text)
  model.finder = { kind, editor, selectedIndex: 0 }
}

/** The items that contain the typed text, whatever the case: users by name, input newest first. */
export function finderMatches(model: ReadonlyModel, finder: ReadonlyFinder): string[] {
  const needle = finder.editor.text.toLowerCase()
  const matches: string[] = []
  const items = finder.kind === 'users' ? model.online : new Set(model.inputHistory.toReversed())
  for (const item of items) {
    if (item.toLowerCase().includes(needle)) matches.push(item)
    if (matches.length === MAX_MATCHES) break
  }
  return matches
}

/** Moves the selection; wraps around at both ends. */
function moveSelection(model: Model, finder: Finder, by: number): void {
  const { length } = finderMatches(model, finder)
  finder.selectedIndex = length === 0 ? 0 : (finder.selectedIndex + by + length) % length
}

/** Applies an action while the finder is open. */
export function handleFinderAction(model: Model, finder: Finder, action: Action): ScreenRequest[] {
  switch (action) {
    case 'previous-input':
    case 'previous-thread':
    case 'complete-previous':
      moveSelection(model, finder, -1)
      return []
    case 'next-input':
    case 'next-thread':
    case 'complete':
    case 'find-user':
    case 'find-input':
      moveSelection(model, finder, 1)
      return []
    case 'send': {
      const selected = finderMatches(model, finder)[finder.selectedIndex]
      model.finder = undefined
      if (selected === undefined) return []
      if (finder.kind === 'users') return openThread(model, selected)
      model.focusedEditor.set(selected)
      return []
    }
    case 'dismiss':
    case 'clear-or-quit':
      model.finder = undefined
      return []
    case 'redraw':
    case 'suspend':
      return [{ type: action }]
    default:
      if (isEditAction(action)) finder.editor.apply(action)
      finder.selectedIndex = 0
      return []
  }
}
