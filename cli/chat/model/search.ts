import { Editor, isEditAction } from './editor.ts'
import type { Action } from './keymap.ts'
import type { Model, ScreenRequest, Search } from './model.ts'
import { scroll } from './scroll.ts'

/** Opens the search of the open thread; with a text, it begins at once. */
export function openSearch(model: Model, text: string): ScreenRequest[] {
  const search: Search = { editor: new Editor(), state: 'idle' }
  search.editor.insert(text)
  model.search = search
  return text === '' ? [] : restartSearch(model, search)
}

/** What is looked for has changed: anew from the end of the thread. */
export function restartSearch(model: Model, search: Search): ScreenRequest[] {
  const { text } = search.editor
  if (text === '') {
    search.state = 'idle'
    if (model.current !== undefined) model.current.searchMatch = undefined
    return []
  }
  search.state = 'looking'
  return [{ type: 'search', text, older: false }]
}

export function handleSearchAction(model: Model, search: Search, action: Action): ScreenRequest[] {
  const { text } = search.editor
  switch (action) {
    case 'search':
    case 'earlier':
      if (text === '' || search.state === 'nothing') return []
      search.state = 'looking'
      return [{ type: 'search', text, older: true }]
    case 'send':
      model.search = undefined
      return []
    case 'escape':
    case 'cancel':
      model.search = undefined
      if (model.current !== undefined) model.current.searchMatch = undefined
      return scroll(model, Number.POSITIVE_INFINITY)
    case 'redraw':
    case 'suspend':
      return [{ type: action }]
    default:
      if (!isEditAction(action)) return []
      search.editor.apply(action)
      return search.editor.text === text ? [] : restartSearch(model, search)
  }
}
