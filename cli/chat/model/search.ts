import { Editor } from './editing/editor.ts'
import type { Action } from './keymap.ts'
import type { Model, ScreenRequest } from './model.ts'
import { scroll } from './scroll.ts'

/** A text search in the open thread; it runs while the user types. */
export interface Search {
  editor: Editor
  state: 'idle' | 'searching' | 'found' | 'not-found'
}

/** Opens the search of the open thread. With a text, the search starts at once. */
export function openSearch(model: Model, text: string): ScreenRequest[] {
  const search: Search = { editor: new Editor(), state: 'idle' }
  search.editor.insert(text)
  model.search = search
  return text === '' ? [] : restartSearch(model, search)
}

/** The text has changed: searches again from the end of the thread. */
export function restartSearch(model: Model, search: Search): ScreenRequest[] {
  const { text } = search.editor
  if (text === '') {
    search.state = 'idle'
    if (model.current !== undefined) model.current.searchMatch = undefined
    return []
  }
  search.state = 'searching'
  return [{ type: 'search', text, older: false }]
}

/** Applies an action while the search is open. */
export function handleSearchAction(model: Model, search: Search, action: Action): ScreenRequest[] {
  const { text } = search.editor
  switch (action) {
    case 'search':
    case 'previous-input':
      if (text === '' || search.state === 'not-found') return []
      search.state = 'searching'
      return [{ type: 'search', text, older: true }]
    case 'send':
      model.search = undefined
      return []
    case 'dismiss':
    case 'clear-or-quit':
      model.search = undefined
      if (model.current !== undefined) model.current.searchMatch = undefined
      return scroll(model, Number.POSITIVE_INFINITY)
    case 'redraw':
    case 'suspend':
      return [{ type: action }]
    default:
      return search.editor.applyToField(action) ? restartSearch(model, search) : []
  }
}
