import { Editor } from '../editing/editor.ts'
import type { Action } from '../keymap.ts'
import type { Model, ScreenRequest } from '../model.ts'
import { scroll } from '../threads/scroll.ts'

/** A text search in the open thread; it runs while the user types. */
export interface Search {
  editor: Editor
  /** `oldest`, `newest`: the match is the last one in this direction. */
  state: 'idle' | 'searching' | 'found' | 'oldest' | 'newest' | 'not-found'
  /** The matches that were shown, newest first; the last one is shown now. At most `MAX_MATCHES`. */
  matches: SearchMatch[]
}

/** The position of a message. */
interface SearchMatch {
  readonly id: string
  readonly at: number
}

/** Most matches that one can go back to. */
const MAX_MATCHES = 1_000

/** Opens the search of the open thread. With a text, the search starts at once. */
export function openSearch(model: Model, text: string): ScreenRequest[] {
  const search: Search = { editor: new Editor(), state: 'idle', matches: [] }
  search.editor.insert(text)
  model.search = search
  return text === '' ? [] : restartSearch(model, search)
}

/** The text has changed: searches again from the end of the thread. */
export function restartSearch(model: Model, search: Search): ScreenRequest[] {
  const { text } = search.editor
  search.matches = []
  if (text === '') {
    search.state = 'idle'
    if (model.current !== undefined) model.current.searchMatch = undefined
    return []
  }
  search.state = 'searching'
  return [{ type: 'search', text, older: false }]
}

/** Shows the next older match; undefined: there is none. */
export function addMatch(search: Search, match: SearchMatch | undefined): void {
  const { matches } = search
  if (match === undefined) {
    search.state = matches.length === 0 ? 'not-found' : 'oldest'
    return
  }
  matches.push({ id: match.id, at: match.at })
  if (matches.length > MAX_MATCHES) matches.shift()
  search.state = 'found'
}

/** Goes back to the next newer match and returns it; undefined: there is none. */
export function takeNewerMatch(search: Search): SearchMatch | undefined {
  const { matches } = search
  if (matches.length < 2) {
    if (matches.length === 1) search.state = 'newest'
    return undefined
  }
  matches.pop()
  search.state = 'found'
  return matches.at(-1)
}

/** Applies an action while the search is open. */
export function handleSearchAction(model: Model, search: Search, action: Action): ScreenRequest[] {
  const { text } = search.editor
  switch (action) {
    case 'search':
    case 'previous-input':
      if (text === '' || search.state === 'not-found') return []
      // After the oldest match comes the newest one.
      if (search.state === 'oldest') return action === 'search' ? restartSearch(model, search) : []
      search.state = 'searching'
      return [{ type: 'search', text, older: true }]
    case 'next-input':
      return search.state === 'searching' ? [] : [{ type: 'newer-match' }]
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
